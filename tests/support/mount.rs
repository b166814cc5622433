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

const BLOCK_BYTES: u64 = 4096;

/// An ext4 on a loop device, whose image lies on a tmpfs; both are unmounted when it is
/// dropped.
pub struct LoopDisk {
    path: PathBuf,
    below: SmallDisk,
}

impl LoopDisk {
    /// Mounts one of this many MiB, if that is possible here.
    pub fn mount(path: &Path, below: &Path, mib: u64) -> Option<LoopDisk> {
        // Some room is left beside the image.
        let kib = u32::try_from((mib + 2) << 10).expect("a small disk");
        let below = SmallDisk::mount(below, kib)?;
        let image = below.path.join("image");
        // Every block of it is given, so that only what is taken away is missing.
        let zeros = std::io::repeat(0).take(mib << 20);
        std::io::copy(
            &mut { zeros },
            &mut fs::File::create(&image).expect("a file"),
        )
        .expect("an image");
        fs::create_dir_all(path).expect("a directory");
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-b", "4096", "-E", "nodiscard"]);
        let mut mount = Command::new("mount");
        let is_mounted = succeeds(make.arg(&image))
            && succeeds(mount.args(["-o", "loop"]).arg(&image).arg(path));
        is_mounted.then(|| LoopDisk {
            path: path.to_owned(),
            below,
        })
    }

    /// Takes the blocks of this file from this byte on away from under the file system, which
    /// does not know: what is written to them from now on is lost when it is synced.
    pub fn take_away(&self, file: &Path, from_bytes: u64) {
        let listed = Command::new("filefrag")
            .args(["-v", "-b4096"])
            .arg(file)
            .output()
            .expect("filefrag");
        let listed = String::from_utf8(listed.stdout).expect("UTF-8");
        let kept = from_bytes.div_ceil(BLOCK_BYTES);
        let extents: Vec<[u64; 3]> = listed.lines().filter_map(extent).collect();
        assert!(!extents.is_empty(), "{listed}");
        for [logical, first, last] in extents {
            let first = first + kept.saturating_sub(logical);
            if first > last {
                continue;
            }
            let mut punch = Command::new("fallocate");
            let offset = (first * BLOCK_BYTES).to_string();
            let length = ((last + 1 - first) * BLOCK_BYTES).to_string();
            punch.args(["--punch-hole", "--offset", &offset, "--length", &length]);
            assert!(succeeds(punch.arg(self.below.path.join("image"))));
        }
        self.below.fill();
    }

    /// Gives back what was taken, and mounts it anew: what was not written is lost.
    pub fn give_back(&self) {
        fs::remove_file(self.below.filler()).expect("it goes away");
        let mut mount = Command::new("mount");
        mount
            .args(["-o", "loop"])
            .arg(self.below.path.join("image"));
        assert!(succeeds(Command::new("umount").arg(&self.path)));
        assert!(succeeds(mount.arg(&self.path)));
    }
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

fn unmount(path: &Path) {
    // Lazily, as whoever still has a file open there is about to be killed.
    let ended = succeeds(Command::new("umount").arg("-l").arg(path));
    assert!(ended || std::thread::panicking(), "it stays mounted");
}

/// Runs it. What it needs may be missing here: then it says why a test is skipped.
fn succeeds(command: &mut Command) -> bool {
    let output = command.output();
    let success = matches!(&output, Ok(output) if output.status.success());
    if !success {
        say_skipped(&format!("{command:?} is not possible here: {output:?}"));
    }
    success
}
