//! Two servers that are started on one directory at the same moment, and one more while one of
//! them serves: exactly one serves, and the others say so and end.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::life::{Killed, OPTIONS, Place};
use crate::process::{Ended, Oncelog, PATIENCE, Starting, serve_command};
use crate::random::Random;

/// A directory whose server is killed, and never started alone.
pub(crate) struct Twins<'d>(pub(crate) Killed<'d>);

impl Twins<'_> {
    fn spawn(&self) -> Starting {
        Starting::spawn(serve_command(self.data_dir(), &OPTIONS))
    }
}

impl Place for Twins<'_> {
    fn data_dir(&self) -> &Path {
        self.0.data_dir()
    }

    fn start(&mut self) -> Oncelog {
        let (mut one, mut other) = (self.spawn(), self.spawn());
        let until = Instant::now() + PATIENCE;
        let serves = loop {
            match (one.has_ended(), other.has_ended()) {
                (false, false) => {}
                (true, false) => {
                    check_refused(&one.end());
                    break other;
                }
                (false, true) => {
                    check_refused(&other.end());
                    break one;
                }
                (true, true) => panic!("both ended: {:?} {:?}", one.end(), other.end()),
            }
            assert!(Instant::now() < until, "both serve");
            std::thread::sleep(Duration::from_millis(1));
        };
        serves.ready()
    }

    fn trouble(&mut self, _server: &Oncelog, random: &mut Random) {
        check_refused(&self.spawn().end());
        std::thread::sleep(Duration::from_millis(random.between(0, 100)));
    }

    fn crash(&mut self, server: Oncelog) {
        self.0.crash(server);
    }
}

fn check_refused(ended: &Ended) {
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("is in use by another process (pid "),
        "{}",
        ended.stderr
    );
}
