//! Request bodies: synthetic ones of several sizes, and real events.

use std::fmt::Write as _;

use oncelog::event::{Batch, EventLimits, InvalidEvents, parse_publish};

/// What one synthetic event takes in a request, the comma behind it included.
const EVENT_BYTES: usize = 260;
/// Different topics of synthetic events.
const TOPICS: u64 = 1_000;

/// A request body.
pub(crate) struct Input {
    /// Stands in the name of each measurement.
    pub(crate) name: String,
    pub(crate) body: String,
    pub(crate) events: u64,
}

impl Input {
    /// The batch that it is.
    pub(crate) fn batch(&self) -> Batch<'_> {
        parse_publish(
            self.body.as_bytes(),
            &EventLimits::default(),
            InvalidEvents::Refuse,
        )
        .expect("events are valid")
        .into_batch()
    }
}

/// Events of 260 bytes in batches of 1, 100 and 1 000, and 255 real ones of 10 kB on average.
pub(crate) fn inputs() -> Vec<Input> {
    let mut inputs: Vec<Input> = [1, 100, 1_000]
        .into_iter()
        .map(|count| synthetic(1, count))
        .collect();
    inputs.push(real());
    inputs
}

/// A batch of events numbered from `first` on, each with an id of its own.
pub(crate) fn synthetic(first: u64, count: u64) -> Input {
    let mut body = String::from("[");
    for number in first..first + count {
        if number > first {
            body.push(',');
        }
        let start = body.len();
        let _ = write!(
            body,
            r#"{{"topic":"orders.{}","event_id":"{:016x}{:016x}","source":"bench","payload":{{"number":{number},"text":""#,
            number % TOPICS,
            mix(number),
            mix(!number),
        );
        let filled = body.len() - start;
        body.extend(std::iter::repeat_n('x', EVENT_BYTES - 4 - filled));
        body.push_str(r#""}}"#);
    }
    body.push(']');
    Input {
        name: format!("260B/{count}"),
        body,
        events: count,
    }
}

fn real() -> Input {
    let lines = include_str!("../../tests/data/github-webhooks.ndjson");
    let events: Vec<&str> = lines.lines().collect();
    Input {
        name: format!("webhooks/{}", events.len()),
        body: format!("[{}]", events.join(",")),
        events: events.len() as u64,
    }
}

/// splitmix64's finaliser: ids without order, the same in each run.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
