//! A store of several segments, and copies of it on disks that have a bad sector.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::bad_disk::{BLOCK_BYTES, BadDisk};
use crate::client::{Client, Shape, ShownEvent, event};
use crate::mount::Bound;
use crate::process::{Ended, Oncelog, command, run_command};
use crate::skipped::say_skipped;
use crate::store::{ShownFrame, frames};
use crate::tree::copy;

/// Seqs in all.
pub(crate) const ALL: u64 = 120;
const BATCH: u64 = 10;
pub(crate) const SEGMENTS: usize = 3;

/// What the bad sector lies under.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Under {
    /// The middle of a frame.
    Payload,
    /// The header of a frame.
    Header,
    /// The first bytes of the segment.
    SegmentHeader,
    /// The last ones.
    Seal,
}

/// Three lives of four batches of about ten kB each; the id of each event has its seq.
fn store() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        for life in 0..3 {
            let options = ["--segment-size", "64KiB", "--reserve", "64KiB"];
            let server = Oncelog::start_with(directory.path(), &options);
            let client = Client::new(server.address);
            for batch in life * 4..life * 4 + 4 {
                let events: Vec<String> = (1..=BATCH)
                    .map(|place| {
                        let seq = batch * BATCH + place;
                        let payload = format!("\"{}\"", "x".repeat(900 + seq as usize));
                        event("orders", &format!("id-{seq}"), &payload)
                    })
                    .collect();
                client.publish(Shape::Array.body(&events));
            }
            client.settled();
            match life {
                2 => assert_eq!(server.terminate().code, Some(0)),
                _ => drop(server.kill()),
            }
        }
        directory
    });
    made.path()
}

/// A copy of the store with a bad sector under its second segment.
pub(crate) struct Bad {
    data_dir: PathBuf,
    pub(crate) under: Under,
    pub(crate) segment: String,
    block: u64,
    /// Seqs that cannot be read.
    lost: Vec<u64>,
    /// Before what they lie on, and the directory behind that.
    _bound: Option<Bound>,
    _disk: BadDisk,
    _directory: TempDir,
}

/// One of each kind; none where such a disk cannot be had.
pub(crate) fn each_place() -> Vec<Bad> {
    let all = [
        Under::Payload,
        Under::Header,
        Under::SegmentHeader,
        Under::Seal,
    ];
    let made: Vec<Bad> = all
        .into_iter()
        .map_while(|under| bad(under, false))
        .collect();
    if made.len() < all.len() {
        say_skipped("bad sectors: no disk can be mounted that has some");
    }
    made
}

/// One whose log alone lies on such a disk.
pub(crate) fn log_on_bad_disk() -> Option<Bad> {
    bad(Under::Payload, true)
}

fn bad(under: Under, only_log: bool) -> Option<Bad> {
    let all = frames(store());
    let mut names: Vec<&String> = all.iter().map(|frame| &frame.segment).collect();
    names.dedup();
    assert_eq!(names.len(), SEGMENTS, "{names:?}");
    let segment = names[1].clone();
    let of_it: Vec<&ShownFrame> = all
        .iter()
        .filter(|frame| frame.segment == segment)
        .collect();
    let second = of_it[1];
    let block = match under {
        Under::Payload => (second.offset as u64 + 64).div_ceil(BLOCK_BYTES),
        Under::Header => second.offset as u64 / BLOCK_BYTES,
        Under::SegmentHeader => 0,
        Under::Seal => (of_it.last().expect("a seal").end() as u64 - 1) / BLOCK_BYTES,
    };
    let bytes = block * BLOCK_BYTES..(block + 1) * BLOCK_BYTES;
    let is_hit = |frame: &&&ShownFrame| {
        (frame.offset as u64) < bytes.end && bytes.start < frame.end() as u64
    };
    let hit = of_it.iter().filter(is_hit);
    let lost: Vec<u64> = hit
        .flat_map(|frame| frame.first_seq..frame.first_seq + frame.count)
        .collect();

    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let mounted = directory.path().join(if only_log { "log" } else { "data" });
    let file = PathBuf::from(if only_log { "" } else { "log" }).join(&segment);
    let of = if only_log {
        store().join("log")
    } else {
        store().to_owned()
    };
    let disk = BadDisk::with_copy(&of, &mounted, &[(file, block)])?;
    let mut bound = None;
    if only_log {
        copy(&store().join("index"), &data_dir.join("index"));
        fs::create_dir(data_dir.join("log")).expect("a directory");
        bound = Some(Bound::mount(&mounted, &data_dir.join("log"))?);
    }
    Some(Bad {
        data_dir,
        under,
        segment,
        block,
        lost,
        _bound: bound,
        _disk: disk,
        _directory: directory,
    })
}

impl Bad {
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What cannot be read.
    pub(crate) fn bytes(&self) -> Range<u64> {
        self.block * BLOCK_BYTES..(self.block + 1) * BLOCK_BYTES
    }

    pub(crate) fn lost_seqs(&self) -> &[u64] {
        &self.lost
    }

    /// Whether an event stands behind what is lost, in the same segment.
    pub(crate) fn hides(&self, seq: u64) -> bool {
        let last = *self.lost.last().expect("a lost one");
        (last..=self.segment_end()).contains(&seq)
    }

    /// The last seq of the second of the segments.
    fn segment_end(&self) -> u64 {
        ALL / 3 * 2
    }

    pub(crate) fn lost_count(&self) -> u64 {
        self.lost.len() as u64
    }

    /// The last seq in front of what is lost; of a seal, the last one of the segment.
    pub(crate) fn seq_before(&self) -> u64 {
        self.lost.first().map_or(ALL / 3 * 2, |first| first - 1)
    }

    pub(crate) fn expected_seqs(&self) -> Vec<u64> {
        (1..=ALL).filter(|seq| !self.lost.contains(seq)).collect()
    }

    pub(crate) fn expected_ids(&self) -> Vec<(u64, String)> {
        let id = |seq: u64| (seq, format!("id-{seq}"));
        self.expected_seqs().into_iter().map(id).collect()
    }

    /// The old segment is kept, byte for byte where it can be read.
    #[track_caller]
    pub(crate) fn assert_set_aside(&self) {
        let kept = crate::tree::names(&self.data_dir)
            .into_iter()
            .find(|name| name.starts_with("set-aside-"));
        let kept = self
            .data_dir
            .join(kept.expect("a directory for it"))
            .join(&self.segment);
        let old = fs::read(store().join("log").join(&self.segment)).expect("the segment");
        let file = fs::File::open(kept).expect("it is kept");
        for (number, page) in old.chunks(BLOCK_BYTES as usize).enumerate() {
            if number as u64 != self.block {
                let mut found = vec![0; page.len()];
                let at = number as u64 * BLOCK_BYTES;
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut found, at).expect("a page");
                assert!(found == page, "page {number}");
            }
        }
    }
}

/// A tool as a command.
pub(crate) fn tool(name: &str, data_dir: &Path, options: &[&str]) -> Command {
    let mut command = command();
    command
        .args([name, "--data-dir"])
        .arg(data_dir)
        .args(options);
    command
}

#[track_caller]
pub(crate) fn text(bad: &Bad, name: &str, options: &[&str], code: i32) -> String {
    let ended = run_command(tool(name, bad.data_dir(), options));
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    let case = format!("{name} {options:?}, {:?}", bad.under);
    assert_eq!(ended.code, Some(code), "{case}: {text}{}", ended.stderr);
    text
}

/// What it says with `--json`, of which there is one object.
#[track_caller]
pub(crate) fn said(bad: &Bad, name: &str, options: &[&str], code: i32) -> Value {
    serde_json::from_str(&text(bad, name, options, code)).expect("JSON")
}

/// The seqs that `verify` calls intact.
pub(crate) fn intact(said: &Value) -> Vec<u64> {
    let ranges = said["log"]["intact"]["ranges"].as_array().expect("ranges");
    let seq = |range: &Value, name: &str| range[name].as_u64().expect("a seq");
    let of = |range: &Value| seq(range, "first_seq")..=seq(range, "last_seq");
    ranges.iter().flat_map(of).collect()
}

pub(crate) fn ids(events: &[ShownEvent]) -> Vec<(u64, String)> {
    let id = |event: &ShownEvent| (event.seq, event.event_id.clone());
    events.iter().map(id).collect()
}

/// Of the events that a dump shows, holes apart.
pub(crate) fn seqs(ended: &Ended) -> Vec<u64> {
    let text = std::str::from_utf8(&ended.stdout).expect("UTF-8");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines
        .filter(|line| line["verdict"] != "lost")
        .map(|line| line["seq"].as_u64().expect("a seq"))
        .collect()
}
