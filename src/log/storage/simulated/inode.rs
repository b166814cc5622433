//! One file: the bytes that processes see, the bytes that last, and what lies between.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::rng::Rng;

/// A file, under whatever name, with its changes that were not synced yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    /// What every handle reads: the page cache.
    pub(super) live: Vec<u8>,
    /// What a power cut leaves at least.
    pub(super) durable: Vec<u8>,
    /// From durable to live, in order.
    pending: Vec<Change>,
    /// The last name it had; for messages and for rules that go by name.
    pub(super) path: PathBuf,
    /// Whether it has a live name.
    pub(super) linked: bool,
    /// Handles that are open on it.
    pub(super) open_handles: usize,
    /// Byte ranges that cannot be read: bad sectors.
    pub(super) unreadable: Vec<Range<u64>>,
}

/// A change that may or may not have reached the disk.
#[derive(Clone, Debug)]
enum Change {
    /// The file was cut or lengthened to so many bytes.
    Length(usize),
    /// A block as the page cache held it after a write, zeros after the file's end.
    Block(Version),
}

#[derive(Clone, Debug)]
struct Version {
    start: usize,
    bytes: Arc<[u8]>,
    /// A sync failed on it: the system takes it for written, and no sync writes it again.
    given_up: bool,
}

impl Version {
    /// Forgets what lies beyond the end of a file that was cut.
    fn cut_at(&mut self, len: usize) {
        let kept = len.saturating_sub(self.start);
        if kept < self.bytes.len() {
            Arc::make_mut(&mut self.bytes)[kept..].fill(0);
        }
    }

    fn put_into(&self, image: &mut [u8]) {
        let end = image.len().min(self.start + self.bytes.len());
        if self.start < end {
            image[self.start..end].copy_from_slice(&self.bytes[..end - self.start]);
        }
    }
}

impl Inode {
    /// A file that is on the disk as it is.
    pub(super) fn settled(bytes: Vec<u8>) -> Inode {
        Inode {
            durable: bytes.clone(),
            live: bytes,
            ..Inode::default()
        }
    }

    /// Writes one piece that lies within one block.
    pub(super) fn write_piece(&mut self, bytes: &[u8], start: usize, block_size_bytes: usize) {
        let end = start + bytes.len();
        if end > self.live.len() {
            self.set_len(end);
        }
        self.live[start..end].copy_from_slice(bytes);

        let block_start = start - start % block_size_bytes;
        let block_end = self.live.len().min(block_start + block_size_bytes);
        let mut block = self.live[block_start..block_end].to_vec();
        block.resize(block_size_bytes, 0);
        self.pending.push(Change::Block(Version {
            start: block_start,
            bytes: block.into(),
            given_up: false,
        }));
    }

    /// Cuts or lengthens the file.
    pub(super) fn set_len(&mut self, len: usize) {
        if len != self.live.len() {
            self.live.resize(len, 0);
            self.pending.push(Change::Length(len));
        }
    }

    /// A sync that succeeds: all lasts, but for blocks that an earlier, failed sync gave
    /// up and nobody wrote again. The length lasts even then (the inode stays dirty).
    pub(super) fn sync(&mut self) {
        let mut given_up: Vec<Version> = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Length(len) => {
                    self.durable.resize(len, 0);
                    given_up.iter_mut().for_each(|version| version.cut_at(len));
                }
                Change::Block(version) if version.given_up => given_up.push(version),
                Change::Block(version) => {
                    given_up.retain(|earlier| earlier.start != version.start);
                    version.put_into(&mut self.durable);
                }
            }
        }
        self.pending = given_up.into_iter().map(Change::Block).collect();
    }

    /// A sync that fails: any block may have been written, none will be tried again.
    pub(super) fn fail_sync(&mut self) {
        for change in &mut self.pending {
            if let Change::Block(version) = change {
                version.given_up = true;
            }
        }
    }

    /// The file as it is now, whatever was not synced, is on the disk.
    pub(super) fn settle(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.live);
    }

    /// What a power cut may leave. Lengths are journalled: some first ones of them last.
    /// Of each block the durable or any one later version lasts, whatever the others do.
    pub(super) fn after_power_cut(&self, rng: &mut Rng) -> Vec<u8> {
        let lengths = self
            .pending
            .iter()
            .filter(|c| matches!(c, Change::Length(_)));
        let lengths = lengths.count() as u64;
        let mut lasting_lengths = match rng.below(4) {
            0 => 0,
            1 => lengths,
            _ => rng.below(lengths + 1),
        };
        // Some files lose one block of many, some lose all but one.
        let eighths = [1, 4, 7][rng.below(3) as usize];

        let mut image = self.durable.clone();
        for change in &self.pending {
            match change {
                Change::Length(len) if lasting_lengths > 0 => {
                    lasting_lengths -= 1;
                    image.resize(*len, 0);
                }
                Change::Length(_) => {}
                Change::Block(version) => {
                    if rng.chance(eighths) {
                        version.put_into(&mut image);
                    }
                }
            }
        }
        image
    }
}
