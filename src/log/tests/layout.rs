//! What a store looks like on disk, and what damage to it must lead to: taken from the
//! byte format alone, without the code under test.

use super::harness::{in_log, names};
use crate::log::storage::simulated::SimulatedDisk;

const HEADER: usize = 64;
const MARK: u8 = 2;
const SEAL: u8 = 3;

/// A frame of an intact segment.
#[derive(Clone, Debug)]
pub(super) struct FrameAt {
    pub(super) offset: usize,
    pub(super) end: usize,
    pub(super) type_number: u8,
    pub(super) flags: u16,
    pub(super) count: u64,
    pub(super) first_seq: u64,
    pub(super) durable_up_to: u64,
}

impl FrameAt {
    fn is_clean_end(&self) -> bool {
        self.type_number == SEAL || self.is_shutdown_mark()
    }

    /// The last frame of a clean stop.
    pub(super) fn is_shutdown_mark(&self) -> bool {
        self.type_number == MARK && self.flags & 1 != 0
    }

    /// Proof that all before it is durable, while nothing else is written.
    pub(super) fn is_idle_mark(&self) -> bool {
        self.type_number == MARK && self.flags & 1 == 0
    }

    /// The footer of a segment.
    pub(super) fn is_seal(&self) -> bool {
        self.type_number == SEAL
    }
}

/// An intact segment.
#[derive(Clone, Debug)]
pub(super) struct SegmentImage {
    pub(super) path: String,
    /// Its first seq, by its name.
    pub(super) id: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) frames: Vec<FrameAt>,
}

/// What a log with one damaged segment must do when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Refuse and name this place.
    Corrupt { offset: u64, seq: u64 },
    /// Refuse, since durable seqs behind this one are gone.
    BehindIndex { log_end: u64 },
    /// Serve all up to this seq, and save these torn bytes, which stood at this offset.
    Served {
        upto: u64,
        torn: Option<(usize, Vec<u8>)>,
    },
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len]
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The segments of a log, in order. They are intact.
pub(super) fn segments(disk: &SimulatedDisk) -> Vec<SegmentImage> {
    let names = names(disk, ".seg");
    names
        .iter()
        .map(|name| {
            let path = in_log(name);
            let bytes = disk.read_file(&path);
            SegmentImage {
                id: name[..20].parse().expect("the name of a segment"),
                frames: frames(&bytes),
                bytes,
                path,
            }
        })
        .collect()
}

fn frames(bytes: &[u8]) -> Vec<FrameAt> {
    let mut frames = Vec::new();
    let mut offset = HEADER;
    while bytes.len() >= offset + HEADER && bytes[offset..offset + 4] == *b"\xF7OLF" {
        let header = &bytes[offset..offset + HEADER];
        let payload = number(header, 8, 4) as usize;
        let end = offset + HEADER + payload.next_multiple_of(8);
        frames.push(FrameAt {
            offset,
            end,
            type_number: header[4],
            flags: number(header, 6, 2) as u16,
            count: number(header, 12, 4),
            first_seq: number(header, 16, 8),
            durable_up_to: number(header, 32, 8),
        });
        offset = end;
    }
    frames
}

impl SegmentImage {
    /// Where its frames end.
    pub(super) fn end(&self) -> usize {
        self.frames.last().map_or(HEADER, |frame| frame.end)
    }

    fn due_at_end(&self) -> u64 {
        let last = self.frames.last();
        last.map_or(self.id, |frame| frame.first_seq + frame.count)
    }

    /// What must happen when this segment's file is `now` and all others are intact.
    pub(super) fn expected(&self, now: &[u8], is_last: bool, index: Option<u64>) -> Expected {
        let same = |from: usize, to: usize| now.get(from..to) == Some(&self.bytes[from..to]);
        if !same(0, HEADER) {
            return Expected::Corrupt {
                offset: 0,
                seq: self.id,
            };
        }
        let first_bad = self
            .frames
            .iter()
            .position(|frame| !same(frame.offset, frame.end));
        let (offset, due) = match first_bad {
            Some(bad) => (self.frames[bad].offset, self.frames[bad].first_seq),
            None => (self.end(), self.due_at_end()),
        };
        let corrupt = Expected::Corrupt {
            offset: offset as u64,
            seq: due,
        };
        let proven = first_bad.is_some_and(|bad| {
            let later = &self.frames[bad + 1..];
            !is_last
                || later
                    .iter()
                    .filter(|frame| same(frame.offset, frame.offset + HEADER))
                    .any(|frame| {
                        let goes_on = frame.count > 0 && frame.first_seq == due;
                        frame.is_clean_end() || frame.durable_up_to >= due || goes_on
                    })
        });
        if proven {
            return corrupt;
        }
        let left = now.get(offset..).unwrap_or_default();
        let torn = left.iter().rposition(|byte| *byte != 0);
        if index.is_some_and(|flushed| flushed >= due) {
            return match torn {
                Some(_) => corrupt,
                None => Expected::BehindIndex { log_end: due - 1 },
            };
        }
        Expected::Served {
            upto: due - 1,
            torn: torn.map(|last| (offset, left[..=last].to_vec())),
        }
    }
}
