//! Random damages to a real store of several segments: each that leaves evidence is found, and
//! what is called intact is byte for byte what was sent.
//!
//! `ONCELOG_TEST_SEED` repeats a run, `ONCELOG_TEST_ROUNDS` sets how many damages are drawn.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, event};
use crate::dump::{dump, events_and_damages};
use crate::process::Oncelog;
use crate::random::Random;
use crate::scene::verify;
use crate::store::{segments, wait_for_mark};
use crate::tree::copy;

const ROUNDS: u64 = 40;
const SMALL: [&str; 2] = ["--segment-size", "64KiB"];

#[derive(Deserialize)]
struct Framed {
    segment: String,
    offset: usize,
    first_seq: u64,
    count: u64,
    payload_bytes: usize,
    durable_up_to: u64,
}

impl Framed {
    fn end(&self) -> usize {
        (self.offset + 64 + self.payload_bytes).next_multiple_of(8)
    }
}

/// Segments by their names.
type Bytes = BTreeMap<String, Vec<u8>>;

fn bytes_of(data_dir: &Path) -> Bytes {
    let name = |path: &PathBuf| {
        path.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    let all = segments(data_dir).into_iter();
    all.map(|path| (name(&path), fs::read(&path).expect("it")))
        .collect()
}

struct Scene {
    store: TempDir,
    /// The same log at an earlier time.
    older: Bytes,
    foreign: Bytes,
    bytes: Bytes,
    frames: Vec<Framed>,
    /// As they were sent.
    sent: BTreeMap<u64, (String, String)>,
    /// Up to where the index was flushed.
    flushed: u64,
}

/// Three lives, of which the last one is killed.
fn store_of_several_segments(older: &mut Bytes) -> TempDir {
    let store = tempfile::tempdir().expect("a directory");
    for life in 0..3u32 {
        let server = Oncelog::start_with(store.path(), &SMALL);
        let client = Client::new(server.address);
        for batch in 0..100u32 {
            let events: Vec<String> = (0..5)
                .map(|place| {
                    let payload = format!("\"{}\"", "x".repeat(40 * (batch % 9 + 1) as usize));
                    event("t", &format!("{life}-{batch}-{place}"), &payload)
                })
                .collect();
            client.publish(format!("[{}]", events.join(",")));
        }
        match life {
            0 => {
                wait_for_mark(store.path());
                *older = bytes_of(store.path());
                assert_eq!(server.terminate().code, Some(0));
            }
            _ => drop(server.kill()),
        }
    }
    store
}

fn scene() -> Scene {
    let (mut older, mut other) = (Bytes::new(), Bytes::new());
    let store = store_of_several_segments(&mut older);
    let foreign = bytes_of(store_of_several_segments(&mut other).path());
    let ended = dump(store.path(), &["--frames", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let frames = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a frame"));
    let ended = verify(store.path(), &["--json", "--log-only"]);
    let said: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    Scene {
        older,
        foreign,
        bytes: bytes_of(store.path()),
        frames: frames.collect(),
        sent: events(store.path()),
        flushed: said["index"]["flushed_seq"].as_u64().expect("a seq"),
        store,
    }
}

fn events(data_dir: &Path) -> BTreeMap<u64, (String, String)> {
    let (events, _) = events_and_damages(&dump(data_dir, &["--json"]));
    let pair = |payload: &str, id: String| (id, payload.to_owned());
    let all = events.into_iter();
    all.map(|event| (event.seq, pair(event.payload.get(), event.event_id)))
        .collect()
}

impl Scene {
    /// Damages these bytes, and says how.
    fn damage(&self, bytes: &mut Bytes, random: &mut Random) -> String {
        let names: Vec<String> = bytes.keys().cloned().collect();
        let any =
            |random: &mut Random| names[random.between(0, names.len() as u64 - 1) as usize].clone();
        let name = any(random);
        let of = bytes.get_mut(&name).expect("it");
        let at = random.between(0, of.len() as u64 - 1) as usize;
        match random.between(0, 6) {
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
                let other = any(random);
                let (one, two) = (bytes[&name].clone(), bytes[&other].clone());
                bytes.insert(name.clone(), two);
                bytes.insert(other.clone(), one);
                format!("{name} and {other} changed places")
            }
            3 => {
                let number = random.between(0, self.foreign.len() as u64 - 1) as usize;
                let (theirs, foreign) = self.foreign.iter().nth(number).expect("it");
                bytes.insert(theirs.clone(), foreign.clone());
                format!("{theirs} of another log")
            }
            4 => {
                let end = of.len().min(at + random.between(1, 2000) as usize);
                of.drain(at..end);
                format!("{at} to {end} of {name} are gone")
            }
            5 => {
                let frames = self.frames.iter().filter(|frame| frame.segment == name);
                let frames: Vec<&Framed> = frames.collect();
                let frame = frames[random.between(0, frames.len() as u64 - 1) as usize];
                let again = of[frame.offset..frame.end()].to_vec();
                of.splice(frame.end()..frame.end(), again);
                format!("the frame at {} of {name} twice", frame.offset)
            }
            _ => {
                let number = random.between(0, self.older.len() as u64 - 1) as usize;
                let (older, before) = self.older.iter().nth(number).expect("it");
                bytes.insert(older.clone(), before.clone());
                format!("{older} as it was before")
            }
        }
    }

    /// Whether anything proves that what was damaged had been durable.
    fn leaves_evidence(&self, damaged: &Bytes, flushed: u64) -> bool {
        let byte = |of: &Vec<u8>, at: usize| of.get(at).copied().unwrap_or(0);
        let differs = |name: &String, from: usize, to: usize| {
            let (before, after) = (&self.bytes[name], &damaged[name]);
            (from..to).any(|at| byte(before, at) != byte(after, at))
        };
        let (last, sealed) = self
            .bytes
            .keys()
            .next_back()
            .zip(Some(self.bytes.len() - 1))
            .expect("it");
        let is_more = damaged.keys().any(|name| !self.bytes.contains_key(name));
        let in_sealed = self
            .bytes
            .keys()
            .take(sealed)
            .any(|name| self.bytes[name] != damaged[name]);
        if is_more || in_sealed || differs(last, 0, 64) {
            return true;
        }
        let of_last = self.frames.iter().filter(|frame| frame.segment == *last);
        let (mut hit, mut proven) = (None, flushed);
        for frame in of_last {
            if !differs(last, frame.offset, frame.end()) {
                proven = proven.max(frame.durable_up_to);
            } else if frame.count > 0 {
                hit = hit.or(Some(frame.first_seq));
            }
        }
        hit.is_some_and(|first| first <= proven)
    }
}

#[test]
fn each_that_leaves_evidence_is_found_and_what_is_intact_is_what_was_sent() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|now| now.subsec_nanos());
    let seed = number("ONCELOG_TEST_SEED").unwrap_or(u64::from(clock.unwrap_or(1)));
    let rounds = number("ONCELOG_TEST_ROUNDS").unwrap_or(ROUNDS);
    eprintln!("ONCELOG_TEST_SEED={seed} ONCELOG_TEST_ROUNDS={rounds}");
    let mut random = Random::new(seed);
    let scene = scene();
    assert!(scene.bytes.len() > 3, "several segments");
    let (mut found, mut left) = (0, 0);
    for round in 0..rounds {
        let mut bytes = scene.bytes.clone();
        let how = scene.damage(&mut bytes, &mut random);
        let place = tempfile::tempdir().expect("a directory");
        fs::create_dir(place.path().join("log")).expect("a directory");
        for (name, bytes) in &bytes {
            fs::write(place.path().join("log").join(name), bytes).expect("it");
        }
        let meta = scene.store.path().join("log/log.meta");
        fs::copy(meta, place.path().join("log/log.meta")).expect("it");
        let mut flushed = 0;
        if round % 2 == 0 {
            let index = scene.store.path().join("index");
            copy(&index, &place.path().join("index"));
            flushed = scene.flushed;
        }
        let ended = verify(place.path(), &["--json"]);
        let text = String::from_utf8_lossy(&ended.stdout);
        let case = format!(
            "round {round}: {how}, flushed {flushed}: {text}{}",
            ended.stderr
        );
        assert!(matches!(ended.code, Some(0 | 1)), "{case}");
        let said: Value = serde_json::from_str(&text).expect("JSON");
        match scene.leaves_evidence(&bytes, flushed) {
            true => {
                assert!(said["log"]["wrong_total"].as_u64() > Some(0), "{case}");
                found += 1;
            }
            false => left += 1,
        }
        let shown = events(place.path());
        for range in said["log"]["intact"]["ranges"].as_array().expect("ranges") {
            let seq = |name: &str| range[name].as_u64().expect("a seq");
            for seq in seq("first_seq")..=seq("last_seq") {
                assert_eq!(shown.get(&seq), scene.sent.get(&seq), "seq {seq}: {case}");
                assert!(shown.contains_key(&seq), "seq {seq}: {case}");
            }
        }
        if said["log"]["wrong_total"] == 0 {
            let from = said["log"]["undecidable_from"].as_u64().expect("a seq");
            let gone = scene.sent.keys().find(|seq| !shown.contains_key(*seq));
            assert!(gone.is_none_or(|gone| *gone >= from), "{case}");
        }
    }
    eprintln!("{found} left evidence and were found, {left} did not");
    assert!(found > rounds / 2, "{found} of {rounds}");
}
