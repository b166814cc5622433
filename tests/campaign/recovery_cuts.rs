//! Power cuts amid recovery. The server is killed, so that what it had written and not synced is
//! in the page cache only; what recovers from that loses its power after the Nth of its calls, or
//! serves for a while and loses it then. Whatever recovery took for durable must be so.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::life::{OPTIONS, Place};
use crate::power_cut::PowerCut;
use crate::process::{Oncelog, PATIENCE, Starting, serve_command};
use crate::random::Random;
use crate::strace::{self, Plan};

/// The calls of a recovery that change what is on the disk, and how many of them it may make.
const CALLS: [(&str, u64); 6] = [
    ("pwrite64", 12),
    ("fdatasync", 8),
    ("fsync", 6),
    ("ftruncate", 3),
    ("rename", 3),
    ("unlink", 2),
];
const CUTS_MAX: u64 = 2;

/// A file system that loses its power also while a store recovers on it.
pub(crate) struct RecoveryCuts {
    disk: PowerCut,
    random: Random,
}

impl RecoveryCuts {
    /// In this empty directory; none where that is not possible.
    pub(crate) fn in_dir(dir: &Path) -> Option<RecoveryCuts> {
        strace::command_itself(&Command::new("true"), &stop_at("fsync", 1))?;
        Some(RecoveryCuts {
            disk: PowerCut::in_dir(dir)?,
            random: Random::new(0),
        })
    }

    /// Recovers, and loses the power amid that, or as soon as it serves.
    fn cut_a_recovery(&mut self) {
        let (call, most) = CALLS[self.random.between(0, CALLS.len() as u64 - 1) as usize];
        let told = tempfile::NamedTempFile::new().expect("a file");
        let plan = stop_at(call, self.random.between(1, most)).told_in(told.path());
        let serve = serve_command(self.disk.data_dir(), &OPTIONS);
        let serve = strace::command_itself(&serve, &plan).expect("it was possible before");
        let mut recovers = Starting::spawn(serve);
        let until = Instant::now() + PATIENCE;
        while recovers.address().is_none() && !is_stopped(told.path()) {
            assert!(!recovers.has_ended(), "{}", recovers.end().stderr);
            assert!(Instant::now() < until, "it neither serves nor stops");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.disk.cut(|| drop(recovers.kill()));
    }
}

fn stop_at(call: &'static str, nth: u64) -> Plan {
    Plan::on(call, &format!("signal=STOP:when={nth}"))
}

fn is_stopped(told: &Path) -> bool {
    let told = std::fs::read_to_string(told).expect("what strace tells");
    told.contains("stopped by SIGSTOP")
}

impl Place for RecoveryCuts {
    fn data_dir(&self) -> &Path {
        self.disk.data_dir()
    }

    fn trouble(&mut self, _server: &Oncelog, random: &mut Random) {
        self.random = Random::new(random.next());
    }

    fn crash(&mut self, server: Oncelog) {
        if self.random.percent(40) {
            self.disk.crash(server);
            return;
        }
        server.kill();
        for _ in 0..self.random.between(0, CUTS_MAX) {
            self.cut_a_recovery();
        }
    }
}
