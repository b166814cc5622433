//! A power cut as a file system sees it: what was not flushed is gone.
//!
//! The store lives on an ext4 of its own, on a loop device. It is stopped, so that no call returns
//! after the cut; then the file system is shut down without a flush of its journal, the store
//! killed, and the file system mounted anew.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::life::Place;
use crate::process::{Oncelog, PATIENCE};
use crate::random::Random;
use crate::skipped::say_skipped;
use crate::strace::{self, Attached, Plan};
use crate::tool::run;

const IMAGE_MIB: u64 = 256;

/// So many cuts come while each sync of the log is so late, by far longer than a cut takes: what was
/// written last is not synced then, and whoever was told of it was told too early.
const LATE_PERCENT: u64 = 40;
const LATE_MICROSECONDS: u32 = 2_000_000;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, as in the kernel's `fs/ext4/ext4.h`.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A file system that loses its power.
pub(crate) struct PowerCut {
    image: PathBuf,
    mounted_at: PathBuf,
    data_dir: PathBuf,
    late: Option<Attached>,
}

impl PowerCut {
    /// In this empty directory; none where that is not possible.
    pub(crate) fn in_dir(dir: &Path) -> Option<PowerCut> {
        strace::command_itself(&Command::new("true"), &late_syncs())?;
        let (image, mounted_at) = (dir.join("image"), dir.join("mounted"));
        let file = std::fs::File::create(&image).expect("a file");
        file.set_len(IMAGE_MIB << 20).expect("a sparse file");
        std::fs::create_dir(&mounted_at).expect("a directory");
        let data_dir = mounted_at.join("data");
        let place = PowerCut {
            image,
            mounted_at,
            data_dir,
            late: None,
        };
        let made = run(Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(&place.image));
        if let Err(why) = made.and_then(|_| place.mount()) {
            say_skipped(&why);
            return None;
        }
        Some(place)
    }

    /// The power goes, and the process with it; then the power is back.
    pub(crate) fn cut(&self, kill: impl FnOnce()) {
        let mut shut_down = Command::new("python3");
        run(shut_down.args(["-c", SHUT_DOWN]).arg(&self.mounted_at)).expect("a cut");
        kill();
        self.unmount();
        self.mount().expect("it can be mounted again");
    }

    fn mount(&self) -> Result<String, String> {
        let mut mount = Command::new("mount");
        run(mount
            .args(["-o", "loop"])
            .arg(&self.image)
            .arg(&self.mounted_at))
    }

    /// The last handle on it goes when the last thread of a killed process does.
    fn unmount(&self) {
        let until = Instant::now() + PATIENCE;
        while let Err(why) = run(Command::new("umount").arg(&self.mounted_at)) {
            assert!(Instant::now() < until, "{why}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Place for PowerCut {
    fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn trouble(&mut self, server: &Oncelog, random: &mut Random) {
        if random.percent(LATE_PERCENT) {
            self.late = strace::attach(server.pid(), "committer", &late_syncs());
            std::thread::sleep(Duration::from_millis(random.between(0, 600)));
        }
    }

    fn crash(&mut self, server: Oncelog) {
        server.pause();
        wait_until_stopped(server.pid());
        self.cut(|| drop(server.kill()));
        self.late = None;
    }
}

impl Drop for PowerCut {
    fn drop(&mut self) {
        // Lazily, and whatever it says: a failed round may have left it unmounted.
        let _ = run(Command::new("umount").arg("-l").arg(&self.mounted_at));
    }
}

fn late_syncs() -> Plan {
    Plan::on(
        "fdatasync",
        &format!("delay_enter={LATE_MICROSECONDS}:when=1+"),
    )
}

fn wait_until_stopped(pid: u32) {
    let until = Instant::now() + PATIENCE;
    while !is_stopped(pid) {
        assert!(Instant::now() < until, "it does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_stopped(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    tasks
        .map(|task| task.expect("a thread").path())
        .all(|task| {
            // A thread that has ended meanwhile does nothing any more.
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            let state = stat
                .rsplit_once(')')
                .and_then(|(_, rest)| rest.trim_start().chars().next());
            // One that is held at a late call does not go on from there either.
            matches!(state, None | Some('T' | 't'))
        })
}
