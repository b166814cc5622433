//! Risk: a lock, a full disk or a meddled file that stops verdicts, loses a delta or goes
//! unnoticed.

mod failing_merges;
mod frames;
mod meddled;
mod waited_out;

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::Index;
use super::super::digest::{KeyDigest, PayloadDigest};
use super::super::fold::{Arrival, Arrivals};
use super::model::{Frame, Model, history, open};

fn new_events(from: u16, count: u16) -> Frame {
    Frame::Events(true, (from..from + count).map(|id| (9, id, 0)).collect())
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !reached() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn filled(directory: &Path) -> (Index, Model) {
    let model = history(30);
    let index = open(directory).unwrap();
    model.replay_into(&index).unwrap();
    index.flush_now().unwrap();
    (index, model)
}

fn arrivals_of(count: u8) -> Arrivals {
    let arrival = |number: u8| Arrival {
        key: KeyDigest([number ^ 0xa5; 16]),
        payload: PayloadDigest([number; 16]),
        topic: 0,
    };
    Arrivals {
        list: (0..count).map(arrival).collect(),
        topics: vec!["full".into()],
        ..Arrivals::default()
    }
}
