//! What the events look like. Everything in one follows from its number, so that any of a
//! hundred million can be sent again without having been kept; and all take the same bytes, so
//! that a request is made once and only its digits change.

use std::io::Write as _;

/// What an event takes in the request unless its payload is given, the comma behind it included.
pub const EVENT_BYTES: usize = 260;
/// Of an id, in hexadecimal digits.
const ID_BYTES: usize = 32;
/// Added to the number in a payload, so that it always has the same digits.
const NUMBER_FROM: u64 = 1_000_000_000_000;
const NUMBER_DIGITS: usize = 13;

const SOURCE: &str = "bench";
const TOPIC: &str = "orders.";
const TEXT: &str = ",\"text\":\"";

/// How ids follow each other.
#[derive(Copy, Clone, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ids {
    /// As UUIDs do.
    Random,
    /// Each greater than the one before it.
    Ordered,
}

/// One event to be sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Of its id, and so of all that is in it.
    pub number: u64,
    /// The id was sent, and acknowledged, before.
    pub is_repeat: bool,
}

/// What all events have in common.
#[derive(Clone, Debug)]
pub struct Shape {
    seed: u64,
    ids: Ids,
    topics: u64,
    topic_digits: usize,
    payload_bytes: usize,
    /// An event with the comma behind it, to be filled in.
    event: Vec<u8>,
    topic_at: usize,
    id_at: usize,
    payload_at: usize,
}

impl Shape {
    /// Events with payloads of so many bytes, or of [`EVENT_BYTES`] in all. `None` if they can
    /// not be that small.
    pub fn new(seed: u64, ids: Ids, topics: u64, payload_bytes: Option<usize>) -> Option<Shape> {
        let topics = topics.max(1);
        let topic_digits = (topics - 1).to_string().len();
        let mut event = Vec::new();
        event.extend_from_slice(b"{\"topic\":\"");
        let topic_at = event.len() + TOPIC.len();
        event.extend_from_slice(TOPIC.as_bytes());
        event.resize(topic_at + topic_digits, b'0');
        event.extend_from_slice(b"\",\"event_id\":\"");
        let id_at = event.len();
        event.resize(id_at + ID_BYTES, b'0');
        event.extend_from_slice(format!("\",\"source\":\"{SOURCE}\",\"payload\":").as_bytes());
        let payload_at = event.len();
        let payload_bytes = match payload_bytes {
            Some(bytes) => bytes,
            None => EVENT_BYTES.checked_sub(payload_at + "},".len())?,
        };
        let mut shape = Shape {
            seed,
            ids,
            topics,
            topic_digits,
            payload_bytes,
            event: Vec::new(),
            topic_at,
            id_at,
            payload_at,
        };
        shape.push_payload(0, &mut event)?;
        event.extend_from_slice(b"},");
        shape.event = event;
        Some(shape)
    }

    /// What an event takes in a request, the comma behind it included.
    pub fn event_bytes(&self) -> usize {
        self.event.len()
    }

    /// What its payload takes of that.
    pub fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// The topic of the event with this number.
    pub fn topic(&self, number: u64) -> String {
        let (topic, digits) = (number % self.topics, self.topic_digits);
        format!("{TOPIC}{topic:0digits$}")
    }

    /// Its id.
    pub fn id(&self, number: u64) -> [u8; ID_BYTES] {
        let words = match self.ids {
            Ids::Random => [
                mix(number ^ self.seed),
                mix(number.wrapping_add(self.seed.rotate_left(32))),
            ],
            Ids::Ordered => [mix(self.seed), number],
        };
        let mut id = [0; ID_BYTES];
        for (word, digits) in words.iter().zip(id.chunks_exact_mut(ID_BYTES / 2)) {
            for (byte, pair) in word.to_be_bytes().iter().zip(digits.chunks_exact_mut(2)) {
                pair.copy_from_slice(&HEX[usize::from(*byte)]);
            }
        }
        id
    }

    /// Appends its payload. `None` if one cannot be that small.
    pub fn push_payload(&self, number: u64, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        // Into memory: it cannot fail.
        let _ = write!(out, "{{\"number\":{}{TEXT}", NUMBER_FROM + number);
        let end = start + self.payload_bytes.checked_sub("\"}".len())?;
        (out.len() <= end).then(|| {
            out.resize(end, b'x');
            out.extend_from_slice(b"\"}");
        })
    }

    /// A JSON array of so many events, to be filled in.
    pub fn array(&self, events: usize) -> Vec<u8> {
        let mut array = Vec::with_capacity(events * self.event.len() + 2);
        array.push(b'[');
        for _ in 0..events {
            array.extend_from_slice(&self.event);
        }
        // Behind the last one, where no comma may be.
        if let Some(comma) = array.last_mut() {
            *comma = b' ';
        }
        array.push(b']');
        array
    }

    /// Makes these the events of an [`array`](Shape::array) of as many.
    pub fn fill(&self, array: &mut [u8], events: &[Sent]) {
        let number_at = self.payload_at + "{\"number\":".len();
        let places = array[1..].chunks_exact_mut(self.event.len());
        for (event, place) in events.iter().zip(places) {
            place[self.id_at..][..ID_BYTES].copy_from_slice(&self.id(event.number));
            put_decimal(
                &mut place[self.topic_at..][..self.topic_digits],
                event.number % self.topics,
            );
            put_decimal(
                &mut place[number_at..][..NUMBER_DIGITS],
                NUMBER_FROM + event.number,
            );
        }
    }
}

fn put_decimal(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Each byte's two digits.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

/// splitmix64's finaliser: one to one, and without a pattern.
pub(super) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_filled_in_is_what_the_number_says() {
        for (topics, payload_bytes) in [(1, None), (16, None), (10_000, Some(100))] {
            let shape = Shape::new(7, Ids::Random, topics, payload_bytes).expect("a shape");
            let sent = [0, 41, 99_999_999].map(|number| Sent {
                number,
                is_repeat: false,
            });
            let mut array = shape.array(sent.len());
            shape.fill(&mut array, &sent);
            assert_eq!(array.len(), 3 * shape.event_bytes() + 2);
            let events: Vec<Value> = serde_json::from_slice(&array).expect("JSON");
            for (event, sent) in events.iter().zip(sent) {
                let id = shape.id(sent.number);
                assert_eq!(event["event_id"].as_str().map(str::as_bytes), Some(&id[..]));
                assert_eq!(event["topic"], shape.topic(sent.number));
                let mut payload = Vec::new();
                shape.push_payload(sent.number, &mut payload);
                assert_eq!(payload.len(), shape.payload_bytes());
                let payload: Value = serde_json::from_slice(&payload).expect("JSON");
                assert_eq!(event["payload"], payload);
            }
        }
    }

    #[test]
    fn an_event_takes_260_bytes_unless_its_payload_is_given() {
        for topics in [1, 16, 10_000] {
            let shape = Shape::new(1, Ids::Random, topics, None).expect("a shape");
            assert_eq!(shape.event_bytes(), 260);
        }
        let small = Shape::new(1, Ids::Random, 16, Some(34)).expect("a shape");
        assert_eq!(small.payload_bytes(), 34);
        assert!(Shape::new(1, Ids::Random, 16, Some(33)).is_none());
    }

    #[test]
    fn ordered_ids_grow_and_random_ones_differ_by_seed() {
        let shape = |seed, ids| Shape::new(seed, ids, 1, None).expect("a shape");
        let ordered = shape(1, Ids::Ordered);
        let ids: Vec<_> = (0..1000).map(|number| ordered.id(number)).collect();
        assert!(ids.is_sorted());
        assert_ne!(shape(1, Ids::Random).id(5), shape(2, Ids::Random).id(5));
    }
}
