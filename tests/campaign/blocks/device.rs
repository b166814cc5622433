//! An ext4 on a loop device.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::PATIENCE;
use crate::tool::run;

/// Makes a file system in this file, all of it at once and nothing later.
pub(crate) fn make(image: &Path) -> Result<(), String> {
    let mut make = Command::new("mkfs.ext4");
    make.args(["-q", "-F", "-b", "4096", "-E"])
        .arg("lazy_itable_init=0,lazy_journal_init=0,nodiscard")
        .arg(image);
    run(&make).map(drop)
}

/// A mounted one; unmounted when it is dropped.
#[derive(Debug)]
pub(crate) struct Mounted {
    at: PathBuf,
    is_mounted: bool,
}

impl Mounted {
    /// Mounts this image, as after a crash: its journal is replayed.
    pub(crate) fn new(image: &Path, at: &Path) -> Result<Mounted, String> {
        let mut set_up = Command::new("losetup");
        // Directly, so that each write and each flush passes through as it is.
        set_up
            .args(["--find", "--show", "--direct-io=on"])
            .arg(image);
        let device = run(&set_up)?;
        let mounted = run(Command::new("mount").arg(&device).arg(at));
        // From now on the device lasts as long as it is mounted.
        let detached = run(Command::new("losetup").args(["-d", &device]));
        mounted.and(detached)?;
        Ok(Mounted {
            at: at.to_owned(),
            is_mounted: true,
        })
    }

    /// The last handle on it goes when the last thread of a killed process does.
    pub(crate) fn unmount(mut self) {
        let until = Instant::now() + PATIENCE;
        while let Err(why) = run(Command::new("umount").arg(&self.at)) {
            assert!(Instant::now() < until, "{why}");
            std::thread::sleep(Duration::from_millis(2));
        }
        self.is_mounted = false;
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_mounted {
            // A server may still be at it, when a round has failed.
            let _ = run(Command::new("umount").arg("-l").arg(&self.at));
        }
    }
}
