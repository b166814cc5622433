//! A small file system for a test that fills it. Only root can mount one.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs; it is unmounted when it is dropped, also by a panic.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of this many KiB, if that is possible here.
    pub fn mount(path: &Path, kib: u32) -> Option<SmallDisk> {
        fs::create_dir_all(path).expect("a directory");
        let size = format!("size={kib}k,nr_inodes=0");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "oncelog-test"])
            .arg(path)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk {
                path: path.to_owned(),
            }),
            failed => {
                super::say_skipped(&format!("no file system can be mounted here: {failed:?}"));
                None
            }
        }
    }

    /// Gives it another size.
    pub fn resize(&self, kib: u32) {
        let size = format!("remount,size={kib}k");
        let status = Command::new("mount")
            .args(["-o", &size])
            .arg(&self.path)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "no remount");
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
        // Lazily, as whoever still has a file open there is about to be killed.
        let status = Command::new("umount").arg("-l").arg(&self.path).status();
        let ended = status.is_ok_and(|status| status.success());
        assert!(ended || std::thread::panicking(), "it stays mounted");
    }
}
