//! A disk that remembers in which order it was written and flushed: a file system with one
//! file, which is the disk, served by this process.
//!
//! Its thread must wait for nothing that waits for the disk; so it touches memory only.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, Session, WriteFlags,
};

use crate::tool::run;

use super::crash::{Op, range};

const NAME: &str = "image";
const IMAGE: INodeNo = INodeNo(2);
/// Nobody else changes what the kernel has been told.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);

/// What the disk holds, and how that came about.
#[derive(Debug, Default)]
struct Memory {
    bytes: Vec<u8>,
    ops: Vec<Op>,
}

/// What the thread that serves the disk shares with those who look on.
#[derive(Clone, Debug, Default)]
struct Shared {
    memory: Arc<Mutex<Memory>>,
    /// How many operations are in the memory.
    done: Arc<AtomicU64>,
    flushes: Arc<AtomicU64>,
}

impl Shared {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counted before it is answered: who learns of its end finds it counted.
    fn remember(&self, memory: &mut Memory, op: Op) {
        if matches!(op, Op::Flush) {
            self.flushes.fetch_add(1, Ordering::SeqCst);
        }
        memory.ops.push(op);
        self.done.fetch_add(1, Ordering::SeqCst);
    }
}

/// The disk, as long as it lives.
pub(crate) struct RecordedDisk {
    shared: Shared,
    mounted_at: PathBuf,
    _session: BackgroundSession,
}

impl RecordedDisk {
    /// A disk with these bytes, at this empty directory.
    pub(crate) fn serve(bytes: Vec<u8>, mounted_at: &Path) -> Result<RecordedDisk, String> {
        let shared = Shared::default();
        shared.memory().bytes = bytes;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("oncelog-test".to_owned())];
        let session = Session::new(Disk(shared.clone()), mounted_at, &config)
            .and_then(Session::spawn)
            .map_err(|error| format!("a FUSE file system is not possible here: {error}"))?;
        Ok(RecordedDisk {
            shared,
            mounted_at: mounted_at.to_owned(),
            _session: session,
        })
    }

    /// The file that is the disk. Never to be opened where the disk's thread is waited for.
    pub(crate) fn image(&self) -> PathBuf {
        self.mounted_at.join(NAME)
    }

    /// How many operations were done, at any moment.
    pub(crate) fn clock(&self) -> Arc<AtomicU64> {
        self.shared.done.clone()
    }

    pub(crate) fn flushes(&self) -> u64 {
        self.shared.flushes.load(Ordering::SeqCst)
    }

    /// All that was done so far. What is done afterwards is in no recording.
    pub(crate) fn take_ops(&self) -> Vec<Op> {
        std::mem::take(&mut self.shared.memory().ops)
    }
}

impl Drop for RecordedDisk {
    fn drop(&mut self) {
        // Lazily: a round that failed may leave the device on it. Without a mount nobody finds
        // it any more, and its thread ends with its last user.
        let _ = run(Command::new("umount").arg("-l").arg(&self.mounted_at));
    }
}

struct Disk(Shared);

impl Disk {
    fn attributes(&self, node: INodeNo) -> FileAttr {
        let is_image = node == IMAGE;
        let size = self.0.memory().bytes.len() as u64;
        FileAttr {
            ino: node,
            size: if is_image { size } else { 0 },
            blocks: if is_image { size.div_ceil(512) } else { 0 },
            atime: SystemTime::UNIX_EPOCH,
            mtime: SystemTime::UNIX_EPOCH,
            ctime: SystemTime::UNIX_EPOCH,
            crtime: SystemTime::UNIX_EPOCH,
            kind: if is_image {
                FileType::RegularFile
            } else {
                FileType::Directory
            },
            perm: if is_image { 0o600 } else { 0o700 },
            nlink: if is_image { 1 } else { 2 },
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == NAME {
            reply.entry(&FOR_EVER, &self.attributes(IMAGE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOR_EVER, &self.attributes(node));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Around the page cache, which would keep to itself what is written when.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let memory = self.0.memory();
        let range = range(&memory.bytes, offset, size as usize);
        reply.data(&memory.bytes[range]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut memory = self.0.memory();
        let range = range(&memory.bytes, offset, data.len());
        if range.len() < data.len() {
            // A disk does not grow.
            reply.error(Errno::ENOSPC);
            return;
        }
        memory.bytes[range].copy_from_slice(data);
        let bytes = data.to_owned();
        self.0.remember(&mut memory, Op::Write { offset, bytes });
        drop(memory);
        reply.written(u32::try_from(data.len()).expect("as many as a request holds"));
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.remember(&mut self.0.memory(), Op::Flush);
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // A closed file, which says nothing about the disk.
        reply.ok();
    }
}
