//! A clock that jumps by a year, back and forth, under traffic and between restarts. Only the
//! server's own: libfaketime stands between it and the machine's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::life::{Killed, OPTIONS, Place};
use crate::process::{Oncelog, Starting, run_command, serve_command};
use crate::random::Random;
use crate::skipped::say_skipped;

/// Where the package `libfaketime` has it.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib",
    "/usr/lib64",
];
const OFFSETS: [&str; 4] = ["+0", "-365d", "+365d", "-1h"];

/// A directory whose server is killed, and has such a clock.
pub(crate) struct Clock<'d> {
    killed: Killed<'d>,
    library: PathBuf,
    /// What the clock is off by.
    offset: tempfile::TempDir,
}

impl Clock<'_> {
    /// None where that is not possible.
    pub(crate) fn in_dir(dir: &Path) -> Option<Clock<'_>> {
        let mut found = LIBRARIES.iter().map(|dir| Path::new(dir).join(LIBRARY));
        let Some(library) = found.find(|path| path.exists()) else {
            say_skipped(&format!("{LIBRARY} is not there: install libfaketime"));
            return None;
        };
        let clock = Clock {
            killed: Killed(dir),
            library,
            offset: tempfile::tempdir().expect("a directory"),
        };
        clock.set(OFFSETS[1]);
        let now = |given: fn(&Clock<'_>, Command) -> Command| -> i64 {
            let mut date = Command::new("date");
            date.arg("+%s");
            let text = run_command(given(&clock, date)).stdout;
            let text = String::from_utf8(text).expect("UTF-8");
            text.trim().parse().expect("a number")
        };
        let is_off = now(|clock, date| clock.given_to(date)) - now(|_, date| date);
        assert!(is_off < -364 * 86_400, "the clock is off by {is_off} s");
        clock.set(OFFSETS[0]);
        Some(clock)
    }

    fn file(&self) -> PathBuf {
        self.offset.path().join("offset")
    }

    fn set(&self, offset: &str) {
        let next = self.offset.path().join("next");
        std::fs::write(&next, offset).expect("a file");
        std::fs::rename(next, self.file()).expect("it takes its place");
    }

    /// This command with this clock.
    fn given_to(&self, mut command: Command) -> Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.file())
            .env("FAKETIME_NO_CACHE", "1")
            // Only what the clock says, not how long things take, nor when files were changed.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        command
    }
}

impl Place for Clock<'_> {
    fn data_dir(&self) -> &Path {
        self.killed.data_dir()
    }

    fn start(&mut self) -> Oncelog {
        let serve = serve_command(self.data_dir(), &OPTIONS);
        Starting::spawn(self.given_to(serve)).ready()
    }

    fn trouble(&mut self, _server: &Oncelog, random: &mut Random) {
        for _ in 0..random.between(1, 4) {
            self.set(OFFSETS[random.between(0, OFFSETS.len() as u64 - 1) as usize]);
            std::thread::sleep(Duration::from_millis(random.between(0, 250)));
        }
    }

    fn crash(&mut self, server: Oncelog) {
        self.killed.crash(server);
    }
}
