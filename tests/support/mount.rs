//! Small file systems for tests that fill or break them. Only root can mount one.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::skipped::say_skipped;

/// A tmpfs; it is unmounted when it is dropped, also by a panic.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of this many KiB, if that is possible here.
    pub fn mount(path: &Path, kib: u32) -> Option<SmallDisk> {
        fs::create_dir_all(path).expect("a directory");
        let size = format!("size={kib}k,nr_inodes=0");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "oncelog-test"]);
        succeeds(mount.arg(path)).then(|| SmallDisk {
            path: path.to_owned(),
        })
    }

    /// Gives it another size.
    pub fn resize(&self, kib: u32) {
        self.remount(&format!("size={kib}k"));
    }

    /// Gives it other options.
    pub fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{options}")]);
        assert!(succeeds(mount.arg(&self.path)), "no remount");
    }

    /// Fills it up with a file. May be repeated.
    pub fn fill(&self) {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.filler());
        // Until it says that nothing more fits in.
        let filled = std::io::copy(&mut std::io::repeat(7), &mut file.expect("a file"));
        assert!(filled.is_err(), "it never gets full");
    }

    /// The file that fills it.
    pub fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

/// A directory that is seen in the place of another one; unmounted when it is dropped.
pub struct Bound {
    path: PathBuf,
}

impl Bound {
    /// Lets `dir` be seen at `path`, if that is possible here.
    pub fn mount(dir: &Path, path: &Path) -> Option<Bound> {
        let mut mount = Command::new("mount");
        succeeds(mount.arg("--bind").arg(dir).arg(path)).then(|| Bound {
            path: path.to_owned(),
        })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

const BLOCK_BYTES: u64 = 4096;

/// An ext4 on a loop device, whose image lies on a small disk; all are unmounted when it is
/// dropped.
pub struct LoopDisk {
    path: PathBuf,
    image: PathBuf,
    below: Below,
}

/// What the image of a loop device lies on.
enum Below {
    Small(SmallDisk),
    Loop(Box<LoopDisk>),
}

impl LoopDisk {
    /// Mounts one of this many MiB on a tmpfs, if that is possible here. A write that is lost
    /// below says ENOSPC at the sync.
    pub fn mount(path: &Path, below: &Path, mib: u64) -> Option<LoopDisk> {
        // Some room is left beside the image.
        let kib = u32::try_from((mib + 2) << 10).expect("a small disk");
        let small = SmallDisk::mount(below, kib)?;
        LoopDisk::on(Below::Small(small), path, below, mib, &[])
    }

    /// The same on another loop device, which is on a tmpfs. A write that is lost below says
    /// EIO at the sync, as the upper device learns of it when it flushes.
    pub fn mount_on_another(path: &Path, below: &Path, mib: u64) -> Option<LoopDisk> {
        let middle = below.with_extension("middle");
        let kib = u32::try_from((mib + 18) << 10).expect("a small disk");
        let small = Below::Small(SmallDisk::mount(below, kib)?);
        let no_journal = ["-O", "^has_journal"];
        let lower = LoopDisk::on(small, &middle, below, mib + 16, &no_journal)?;
        LoopDisk::on(Below::Loop(Box::new(lower)), path, &middle, mib, &[])
    }

    fn on(below: Below, path: &Path, dir: &Path, mib: u64, options: &[&str]) -> Option<LoopDisk> {
        let image = dir.join("image");
        // Every block of it is given, so that only what is taken away is missing.
        let mut file = fs::File::create(&image).expect("a file");
        std::io::copy(&mut std::io::repeat(0).take(mib << 20), &mut file).expect("an image");
        file.sync_all().expect("it is there");
        fs::create_dir_all(path).expect("a directory");
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-b", "4096", "-E", "nodiscard"]);
        let disk = LoopDisk {
            path: path.to_owned(),
            image,
            below,
        };
        let is_mounted = succeeds(make.args(options).arg(&disk.image)) && disk.mount_again();
        is_mounted.then_some(disk)
    }

    fn mount_again(&self) -> bool {
        let mut mount = Command::new("mount");
        succeeds(mount.args(["-o", "loop"]).arg(&self.image).arg(&self.path))
    }

    /// Takes the blocks of this file from this byte on away from under the file system, which
    /// does not know: what is written to them from now on is lost when it is synced.
    pub fn take_away(&self, file: &Path, from_bytes: u64) {
        self.take_blocks_away(file, from_bytes.div_ceil(BLOCK_BYTES), u64::MAX);
        self.small().fill();
    }

    fn take_blocks_away(&self, file: &Path, from: u64, to: u64) {
        for [logical, first, last] in extents(file) {
            let (begins, ends) = (from.max(logical), to.min(logical + last - first));
            if begins > ends {
                continue;
            }
            let (from, to) = (begins - logical + first, ends - logical + first);
            match &self.below {
                Below::Small(_) => {
                    let mut punch = Command::new("fallocate");
                    let offset = (from * BLOCK_BYTES).to_string();
                    let length = ((to + 1 - from) * BLOCK_BYTES).to_string();
                    punch.args(["--punch-hole", "--offset", &offset, "--length", &length]);
                    assert!(succeeds(punch.arg(&self.image)));
                }
                Below::Loop(lower) => lower.take_blocks_away(&self.image, from, to),
            }
        }
    }

    /// Gives back what was taken, and mounts it anew: what was not written is lost.
    pub fn give_back(&self) {
        fs::remove_file(self.small().filler()).expect("it goes away");
        self.unmount_all();
        self.mount_all();
    }

    fn small(&self) -> &SmallDisk {
        match &self.below {
            Below::Small(small) => small,
            Below::Loop(lower) => lower.small(),
        }
    }

    fn unmount_all(&self) {
        assert!(succeeds(Command::new("umount").arg(&self.path)));
        if let Below::Loop(lower) = &self.below {
            lower.unmount_all();
        }
    }

    fn mount_all(&self) {
        if let Below::Loop(lower) = &self.below {
            lower.mount_all();
        }
        assert!(self.mount_again());
    }
}

/// The extents of a file: the first block in the file; the first and the last on the disk.
fn extents(file: &Path) -> Vec<[u64; 3]> {
    let listed = Command::new("filefrag")
        .args(["-s", "-v", "-b4096"])
        .arg(file)
        .output()
        .expect("filefrag");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    let extents: Vec<[u64; 3]> = listed.lines().filter_map(extent).collect();
    assert!(!extents.is_empty(), "{listed}");
    extents
}

/// In a line about an extent: its first block in the file; its first and last on the disk.
fn extent(line: &str) -> Option<[u64; 3]> {
    let mut parts = line.split(':').skip(1);
    let (logical, _) = parts.next()?.split_once("..")?;
    let (first, last) = parts.next()?.split_once("..")?;
    let number = |text: &str| text.trim().parse().ok();
    Some([number(logical)?, number(first)?, number(last)?])
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

pub fn unmount(path: &Path) {
    // Lazily, as whoever still has a file open there is about to be killed.
    let ended = succeeds(Command::new("umount").arg("-l").arg(path));
    assert!(ended || std::thread::panicking(), "it stays mounted");
}

/// Runs it. What it needs may be missing here: then it says why a test is skipped.
pub fn succeeds(command: &mut Command) -> bool {
    let output = command.output();
    let success = matches!(&output, Ok(output) if output.status.success());
    if !success {
        say_skipped(&format!("{command:?} is not possible here: {output:?}"));
    }
    success
}
