//! A process that stands still for a while under traffic, as by `docker pause`, and goes on: what
//! was under way is then late by every clock, and nobody may be told that it failed.

use std::path::Path;
use std::time::Duration;

use crate::life::{Killed, OPTIONS, Place};
use crate::process::Oncelog;
use crate::random::Random;

/// So short that most pauses are longer.
const DEADLINES: [&str; 4] = ["--verdict-wait", "500ms", "--durable-wait", "1s"];

/// Longer than any deadline of the server and of the publishers.
const LONG: Duration = Duration::from_secs(70);
const LONG_PERCENT: u64 = 3;

/// A directory whose server is paused, goes on, and is killed.
pub(crate) struct Paused<'d>(pub(crate) Killed<'d>);

impl Place for Paused<'_> {
    fn data_dir(&self) -> &Path {
        self.0.data_dir()
    }

    fn start(&mut self) -> Oncelog {
        Oncelog::start_with(self.data_dir(), &[&OPTIONS[..], &DEADLINES].concat())
    }

    fn trouble(&mut self, server: &Oncelog, random: &mut Random) {
        server.pause();
        std::thread::sleep(if random.percent(LONG_PERCENT) {
            LONG
        } else {
            Duration::from_millis(random.between(200, 4000))
        });
        server.resume();
        std::thread::sleep(Duration::from_millis(random.between(0, 300)));
    }

    fn crash(&mut self, server: Oncelog) {
        self.0.crash(server);
    }
}
