//! Damages that chance draws to a real log of several segments, and what is to be seen of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, event};
use crate::dump::{dump, events_and_damages};
use crate::process::{Oncelog, PATIENCE, command, run_command};
use crate::random::Random;
use crate::store::{PAYLOAD_AT, segments, wait_for_mark};
use crate::tree::copy;

const SMALL: [&str; 2] = ["--segment-size", "64KiB"];
const LIVES: u32 = 3;
const BATCHES: u32 = 100;
const EVENTS: u32 = 5;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Framed {
    segment: String,
    offset: usize,
    first_seq: u64,
    count: u64,
    payload_bytes: usize,
    #[serde(rename = "durable_up_to")]
    proves: u64,
}

impl Framed {
    fn end(&self) -> usize {
        (self.offset + PAYLOAD_AT + self.payload_bytes).next_multiple_of(8)
    }

    /// Whether one may stand in the place of the other.
    fn is_shaped_like(&self, other: &Framed) -> bool {
        let shape = |of: &Framed| (of.offset, of.first_seq, of.count, of.payload_bytes);
        self.segment == other.segment && shape(self) == shape(other) && self.count > 0
    }
}

/// Segments by their names.
pub(crate) type Bytes = BTreeMap<String, Vec<u8>>;

/// Those of a store.
pub(crate) fn bytes_of(data_dir: &Path) -> Bytes {
    let named = segments(data_dir).into_iter().map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        (name.into_owned(), fs::read(&path).expect("it"))
    });
    named.collect()
}

/// The events that can be read, their ids and payloads, however damaged the log is.
pub(crate) fn events(data_dir: &Path) -> BTreeMap<u64, (String, String)> {
    let (events, _) = events_and_damages(&dump(data_dir, &["--json"]));
    let pair = |payload: &str, id: String| (id, payload.to_owned());
    let all = events.into_iter();
    all.map(|event| (event.seq, pair(event.payload.get(), event.event_id)))
        .collect()
}

/// A store that was killed, and what may take the place of a part of it.
pub(crate) struct Victim {
    store: TempDir,
    /// The same log at an earlier time.
    older: Bytes,
    /// Another log that was made in the same way, of other payloads.
    foreign: Bytes,
    pub(crate) bytes: Bytes,
    frames: Vec<Framed>,
    /// Those of the other log that are at the same places, with the same seqs and lengths.
    twins: Vec<Framed>,
    /// As they were sent.
    pub(crate) sent: BTreeMap<u64, (String, String)>,
    /// Up to where the index was flushed.
    pub(crate) flushed: u64,
}

/// What is left of its log.
pub(crate) struct Damaged {
    pub(crate) how: String,
    pub(crate) bytes: Bytes,
    /// The seq from which on everything is gone, and nothing else is wrong.
    gone_from: Option<u64>,
}

/// Three lives, of which two are killed: one when its index is flushed, one at once.
fn live(filling: &str, older: &mut Bytes) -> TempDir {
    let store = tempfile::tempdir().expect("a directory");
    for life in 0..LIVES {
        let server = Oncelog::start_with(store.path(), &SMALL);
        let client = Client::new(server.address);
        for batch in 0..BATCHES {
            let payload = format!("\"{}\"", filling.repeat(40 * (batch % 9 + 1) as usize));
            let events: Vec<String> = (0..EVENTS)
                .map(|place| event("t", &format!("{life}-{batch}-{place}"), &payload))
                .collect();
            client.publish(format!("[{}]", events.join(",")));
        }
        match life {
            0 => {
                wait_for_mark(store.path());
                *older = bytes_of(store.path());
                assert_eq!(server.terminate().code, Some(0));
            }
            _ => {
                if life == 1 {
                    wait_for_flush(store.path(), client.settled().received);
                }
                server.kill();
            }
        }
    }
    store
}

fn frames(data_dir: &Path) -> Vec<Framed> {
    let ended = dump(data_dir, &["--frames", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let frame = |line| serde_json::from_str(line).expect("a frame");
    text.lines().map(frame).collect()
}

fn flushed(data_dir: &Path) -> u64 {
    let mut verify = command();
    verify.args(["verify", "--json", "--log-only", "--data-dir"]);
    verify.arg(data_dir);
    let said: Value = serde_json::from_slice(&run_command(verify).stdout).expect("JSON");
    said["index"]["flushed_seq"].as_u64().expect("a seq")
}

fn wait_for_flush(data_dir: &Path, seq: u64) {
    let until = Instant::now() + PATIENCE;
    while flushed(data_dir) < seq {
        assert!(Instant::now() < until, "the index is not flushed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Victim {
    pub(crate) fn new() -> Victim {
        let (mut older, mut other) = (Bytes::new(), Bytes::new());
        let (store, foreign) = (live("x", &mut older), live("y", &mut other));
        let (path, other) = (store.path(), foreign.path());
        let (frames, mut twins) = (frames(path), frames(other));
        twins.retain(|twin| frames.iter().any(|frame| frame.is_shaped_like(twin)));
        let bytes = bytes_of(path);
        assert!(bytes.len() > 3, "several segments");
        assert!(!twins.is_empty(), "they begin in the same way");
        Victim {
            older,
            foreign: bytes_of(other),
            bytes,
            frames,
            twins,
            sent: events(path),
            flushed: flushed(path),
            store,
        }
    }

    /// How many seqs it has.
    pub(crate) fn received(&self) -> u64 {
        self.sent.len() as u64
    }

    /// Damages a copy of its log.
    pub(crate) fn damaged(&self, random: &mut Random) -> Damaged {
        let mut bytes = self.bytes.clone();
        let mut gone_from = None;
        let names: Vec<String> = bytes.keys().cloned().collect();
        let name = one_of(&names, random).clone();
        let of = bytes.get_mut(&name).expect("it");
        let at = random.between(0, of.len() as u64 - 1) as usize;
        let how = match random.between(0, 9) {
            0 => {
                let bit = random.between(0, 7);
                of[at] ^= 1 << bit;
                format!("a bit at {at} of {name}")
            }
            1 => {
                let end = of.len().min(at + random.between(1, 4096) as usize);
                of[at..end].fill(0);
                format!("zeros from {at} to {end} of {name}")
            }
            2 => {
                let other = one_of(&names, random).clone();
                let (one, two) = (bytes[&name].clone(), bytes[&other].clone());
                bytes.insert(name.clone(), two);
                bytes.insert(other.clone(), one);
                format!("{name} and {other} changed places")
            }
            3 => {
                let theirs: Vec<&String> = self.foreign.keys().collect();
                let theirs = *one_of(&theirs, random);
                bytes.insert(theirs.clone(), self.foreign[theirs].clone());
                format!("{theirs} of another log")
            }
            4 => {
                let end = of.len().min(at + random.between(1, 2000) as usize);
                of.drain(at..end);
                format!("{at} to {end} of {name} are gone")
            }
            5 => {
                let frames = self.frames.iter().filter(|frame| frame.segment == name);
                let frame = *one_of(&frames.collect::<Vec<_>>(), random);
                let again = of[frame.offset..frame.end()].to_vec();
                of.splice(frame.end()..frame.end(), again);
                format!("the frame at {} of {name} twice", frame.offset)
            }
            6 => {
                let older: Vec<&String> = self.older.keys().collect();
                let older = *one_of(&older, random);
                bytes.insert(older.clone(), self.older[older].clone());
                format!("{older} as it was before")
            }
            7 => {
                let twin = one_of(&self.twins, random);
                let place = twin.offset..twin.end();
                let of = bytes.get_mut(&twin.segment).expect("it");
                of[place.clone()].copy_from_slice(&self.foreign[&twin.segment][place]);
                format!("of another log the frame with seq {}", twin.first_seq)
            }
            8 => {
                let frame = one_of(&self.frames, random);
                bytes.retain(|name, _| *name <= frame.segment);
                bytes.get_mut(&frame.segment).expect("it")[frame.offset..].fill(0);
                gone_from = Some(frame.first_seq);
                format!("gone from seq {} on", frame.first_seq)
            }
            _ => {
                bytes = self.older.clone();
                gone_from = Some(u64::from(BATCHES * EVENTS) + 1);
                "all of it as it was before".to_owned()
            }
        };
        Damaged {
            how,
            bytes,
            gone_from,
        }
    }

    /// Puts what is left into an empty directory, beside the index if that is wanted.
    pub(crate) fn put(&self, damaged: &Damaged, data_dir: &Path, with_index: bool) {
        let (log, own) = (data_dir.join("log"), self.store.path());
        fs::create_dir(&log).expect("a directory");
        for (name, bytes) in &damaged.bytes {
            fs::write(log.join(name), bytes).expect("it");
        }
        fs::copy(own.join("log/log.meta"), log.join("log.meta")).expect("it");
        if with_index {
            copy(&own.join("index"), &data_dir.join("index"));
        }
    }

    /// Whether anything proves that what was damaged had been durable.
    pub(crate) fn leaves_evidence(&self, damaged: &Damaged, flushed: u64) -> bool {
        if let Some(gone_from) = damaged.gone_from {
            return gone_from <= flushed.min(self.received());
        }
        let last = self.bytes.keys().next_back().expect("it");
        let is_more = damaged
            .bytes
            .keys()
            .any(|name| !self.bytes.contains_key(name));
        let mut sealed = self.bytes.keys().filter(|name| *name != last);
        let in_sealed = sealed.any(|name| self.bytes[name] != damaged.bytes[name]);
        if is_more || in_sealed || self.differs(damaged, last, 0, PAYLOAD_AT) {
            return true;
        }
        let of_last = self.frames.iter().filter(|frame| frame.segment == *last);
        let (mut hit, mut proven) = (None, flushed);
        for frame in of_last {
            if !self.is_hit(damaged, frame) {
                proven = proven.max(frame.proves);
            } else if frame.count > 0 {
                hit = hit.or(Some(frame.first_seq));
            }
        }
        hit.is_some_and(|first| first <= proven)
    }

    /// The last seq in front of the damage.
    #[allow(dead_code, reason = "only who starts a store on it asks for it")]
    pub(crate) fn last_in_front_of(&self, damaged: &Damaged) -> u64 {
        let mut hit = self.frames.iter().filter(|one| self.is_hit(damaged, one));
        hit.next()
            .map_or(self.received(), |frame| frame.first_seq - 1)
    }

    fn is_hit(&self, damaged: &Damaged, frame: &Framed) -> bool {
        self.differs(damaged, &frame.segment, frame.offset, frame.end())
    }

    fn differs(&self, damaged: &Damaged, name: &String, from: usize, to: usize) -> bool {
        let nothing = Vec::new();
        let (before, after) = (
            &self.bytes[name],
            damaged.bytes.get(name).unwrap_or(&nothing),
        );
        let byte = |of: &Vec<u8>, at: usize| of.get(at).copied().unwrap_or(0);
        (from..to).any(|at| byte(before, at) != byte(after, at))
    }
}

fn one_of<'t, T>(of: &'t [T], random: &mut Random) -> &'t T {
    &of[random.between(0, of.len() as u64 - 1) as usize]
}
