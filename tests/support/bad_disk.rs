//! A disk with bad sectors: an ext4 on a loop device, of which some blocks of some files lie where
//! the device has nothing. Reading them is a true EIO, and they can be written. Only root can have
//! one.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::mount::{SmallDisk, succeeds, unmount};
use super::tree::copy;

pub const BLOCK_BYTES: u64 = 4096;
const BLOCKS: u64 = (10 << 20) / BLOCK_BYTES;
/// The device ends here once all is on it.
const GOOD_BLOCKS: u64 = BLOCKS - 64;

/// It is unmounted when it is dropped.
pub struct BadDisk {
    path: PathBuf,
    _below: SmallDisk,
}

impl BadDisk {
    /// Mounts one with a copy of this directory, of which these blocks of these files are bad; none
    /// if that is not possible here.
    pub fn with_copy(of: &Path, path: &Path, bad: &[(PathBuf, u64)]) -> Option<BadDisk> {
        let below = path.with_extension("below");
        let kib = u32::try_from(((BLOCKS + 64) * BLOCK_BYTES) >> 10).expect("a small disk");
        let small = SmallDisk::mount(&below, kib)?;
        let image = below.join("image");
        let file = fs::File::create(&image).expect("a file");
        file.set_len(BLOCKS * BLOCK_BYTES).expect("an image");
        fs::create_dir_all(path).expect("a directory");
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-b", "4096", "-E", "nodiscard", "-O"]);
        // So that a block is changed in one place.
        make.arg("^has_journal,^extent,^metadata_csum,^64bit");
        if !succeeds(make.arg(&image)) || !mount(&image, path) {
            return None;
        }
        let disk = BadDisk {
            path: path.to_owned(),
            _below: small,
        };
        copy(of, path);
        unmount_whole(path);
        for (number, (name, block)) in bad.iter().enumerate() {
            let nowhere = GOOD_BLOCKS + number as u64;
            let name = name.to_str().expect("UTF-8");
            assert!(
                *block < 12,
                "debugfs reaches the first blocks of a file only"
            );
            let mut change = Command::new("debugfs");
            change.arg("-w").arg("-R");
            change.arg(format!("sif /{name} block[{block}] {nowhere}"));
            assert!(succeeds(change.arg(&image)));
        }
        assert!(mount(&image, path));
        let image = OpenOptions::new().write(true).open(&image);
        let cut = image.expect("the image").set_len(GOOD_BLOCKS * BLOCK_BYTES);
        cut.expect("it can be cut");
        for (name, block) in bad {
            let mut of_it = [0; 1];
            let file = fs::File::open(path.join(name)).expect("the file");
            let read = std::os::unix::fs::FileExt::read_at(&file, &mut of_it, block * BLOCK_BYTES);
            let error = read.expect_err("a bad sector");
            assert_eq!(error.raw_os_error(), Some(5), "{error}");
        }
        Some(disk)
    }
}

fn mount(image: &Path, path: &Path) -> bool {
    succeeds(
        Command::new("mount")
            .args(["-o", "loop"])
            .arg(image)
            .arg(path),
    )
}

/// Not lazily: all of it must be in the image. What another thread of this process starts has a file
/// of it open for a moment.
fn unmount_whole(path: &Path) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let ended = Command::new("umount").arg(path).output().expect("umount");
        if ended.status.success() {
            return;
        }
        assert!(Instant::now() < until, "it stays mounted: {ended:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for BadDisk {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}
