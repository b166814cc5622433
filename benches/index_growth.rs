//! How the index alone fares as it grows: random ids, in this process, no log and no HTTP.
//!
//! ```sh
//! cargo bench --bench index_growth -- 100000000 --dir /var/tmp
//! ```
//!
//! For each tenth of the ids: new ids a second, CPU seconds a million of the thread that
//! applies and of the one that flushes and merges, live bytes an id, the most bytes an id
//! that the directory had, anonymous memory, and the longest that one batch had to wait.
//! At the end: duplicates of the last ids and of random age, the time to open it again, and
//! how long the first new ids take then, while nothing of it is in memory.
//! Every verdict is checked. Put it into a cgroup or a container to limit its memory; page
//! cache counts there too.
#![allow(clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use oncelog::event::Seq;
use oncelog::index::digest::{KeyDigest, PayloadDigest};
use oncelog::index::fold::{
    Arrival, Arrivals, FoldInput, Judged, LoggedPayload, PayloadUnreadable, Payloads, Verdict,
};
use oncelog::index::{Index, IndexError, IndexOptions};

const TOPICS: u64 = 50;

#[derive(Parser)]
struct Options {
    /// How many ids
    #[arg(default_value_t = 10_000_000)]
    ids: u64,
    /// Where to make the index; it is removed afterwards
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Ids of a batch
    #[arg(long, default_value_t = 1000)]
    batch: u64,
    /// Events in memory and not yet flushed, at most; the default of the index
    #[arg(long)]
    delta_events: Option<u64>,
    /// Bytes of filters and fences in memory, at most; the default of the index
    #[arg(long)]
    filter_memory: Option<u64>,
    /// Duplicates of each kind at the end
    #[arg(long, default_value_t = 100_000)]
    duplicates: u64,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let directory = tempfile::tempdir_in(&options.dir)?;
    let mut index_options = IndexOptions::default();
    if let Some(events) = options.delta_events {
        index_options.delta_events_max = events;
        index_options.flush_at_events = events * 48 / 100;
    }
    if let Some(bytes) = options.filter_memory {
        index_options.filter_memory_bytes = bytes;
    }
    let open = || Index::open(directory.path(), [1; 16], index_options.clone());
    let index = open()?;
    let mut growth = Growth {
        index: &index,
        directory: directory.path(),
        batch: options.batch,
        figures: Figures::default(),
    };
    println!(
        "{:>12} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>9}",
        "ids", "k ids/s", "apply", "behind", "live B", "peak B", "anon MB", "stall ms"
    );
    let mut done = 0;
    for step in 1..=10 {
        let until = options.ids * step / 10;
        growth.grow(done, until)?;
        done = until;
    }
    for (kind, age) in [
        ("of the last million", Some(1_000_000)),
        ("of random age", None),
    ] {
        growth.repeat(kind, age, options.ids, options.duplicates)?;
    }
    let state = index.state();
    let begun = Instant::now();
    index.close()?;
    println!("close: {:?}", begun.elapsed());
    let begun = Instant::now();
    let index = open()?;
    println!("open: {:?}", begun.elapsed());
    ensure!(index.state() == state, "another state after opening");
    ensure!(state.counters.unique == options.ids, "{state:?}");
    let mut growth = Growth {
        index: &index,
        directory: directory.path(),
        batch: options.batch,
        figures: Figures::default(),
    };
    growth.first_ids(options.ids)
}

#[derive(Default)]
struct Figures {
    stall: Duration,
    peak_bytes: u64,
    anonymous_kib: u64,
}

struct Growth<'i> {
    index: &'i Index,
    directory: &'i Path,
    batch: u64,
    figures: Figures,
}

impl Growth<'_> {
    /// Applies the ids from `from` to `until`, and prints a line.
    fn grow(&mut self, from: u64, until: u64) -> Result<()> {
        self.figures = Figures::default();
        let (begun, cpu) = (Instant::now(), Cpu::now()?);
        let mut next = from;
        let mut sampled = from;
        while next < until {
            let end = (next + self.batch).min(until);
            let judged = self.apply(&(next..end).collect::<Vec<_>>())?;
            ensure!(
                judged.iter().all(|one| one.verdict == Verdict::Stored),
                "a new id is not new"
            );
            next = end;
            if next - sampled >= 200_000 || next == until {
                sampled = next;
                self.sample()?;
            }
        }
        let took = begun.elapsed().as_secs_f64();
        let used = Cpu::now()?;
        let millions = (until - from) as f64 / 1e6;
        let live = self.index.database_bytes()? as f64 / self.index.flushed().get() as f64;
        println!(
            "{:>12} {:>9.0} {:>9.3} {:>9.3} {:>8.1} {:>8.1} {:>8.0} {:>9.1}",
            until,
            millions * 1e3 / took,
            (used.applying - cpu.applying) / millions,
            (used.behind - cpu.behind) / millions,
            live,
            self.figures.peak_bytes as f64 / until as f64,
            self.figures.anonymous_kib as f64 / 1024.0,
            self.figures.stall.as_secs_f64() * 1e3,
        );
        Ok(())
    }

    /// New ids right after opening.
    fn first_ids(&mut self, ids: u64) -> Result<()> {
        let begun = Instant::now();
        for (so_far, upto) in [(0, 1000), (1000, 100_000), (100_000, 1_000_000)] {
            let mut next = so_far;
            while next < upto {
                let end = (next + self.batch).min(upto);
                self.apply(&(ids + next..ids + end).collect::<Vec<_>>())?;
                next = end;
            }
            println!("the first {upto} new ids after that: {:?}", begun.elapsed());
        }
        Ok(())
    }

    /// Sends ids again, at most `age` old.
    fn repeat(&mut self, kind: &str, age: Option<u64>, ids: u64, count: u64) -> Result<()> {
        let age = age.unwrap_or(ids).min(ids);
        let begun = Instant::now();
        let mut sent = 0;
        while sent < count {
            let numbers: Vec<u64> = (sent..sent + self.batch.min(count - sent))
                .map(|draw| ids - 1 - scatter(draw ^ (ids << 1)) % age)
                .collect();
            let judged = self.apply(&numbers)?;
            for (one, number) in judged.iter().zip(&numbers) {
                ensure!(
                    one.verdict == Verdict::Duplicate && one.original_seq == Seq::new(number + 1),
                    "{one:?} of id {number}"
                );
            }
            sent += numbers.len() as u64;
        }
        let each = begun.elapsed().as_secs_f64() * 1e6 / count as f64;
        println!("duplicates {kind}: {each:.2} µs each");
        Ok(())
    }

    fn apply(&mut self, numbers: &[u64]) -> Result<Vec<Judged>> {
        let arrivals = arrivals(numbers);
        let begun = Instant::now();
        let judged = loop {
            let first = self.index.applied().next();
            match self
                .index
                .apply(first, FoldInput::Arrivals(&arrivals), &NoPayloads)
            {
                Err(IndexError::DeltaFull) => self
                    .index
                    .wait_for_room(numbers.len() as u64, Duration::from_secs(1)),
                other => break other?,
            }
        };
        self.figures.stall = self.figures.stall.max(begun.elapsed());
        Ok(judged)
    }

    fn sample(&mut self) -> Result<()> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.directory)? {
            // One that is gone since has no bytes.
            bytes += entry?.metadata().map_or(0, |found| found.len());
        }
        self.figures.peak_bytes = self.figures.peak_bytes.max(bytes);
        let anonymous = status("RssAnon:")?;
        self.figures.anonymous_kib = self.figures.anonymous_kib.max(anonymous);
        Ok(())
    }
}

/// Nothing differs, so nothing is read.
struct NoPayloads;

impl Payloads for NoPayloads {
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable> {
        let source = "there are no payloads here".into();
        Err(PayloadUnreadable { seq, source })
    }
}

fn arrivals(numbers: &[u64]) -> Arrivals {
    let arrival = |number: &u64| {
        let digest = |salt: u64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&scatter(number * 4 + salt).to_be_bytes());
            bytes[8..].copy_from_slice(&scatter(number * 4 + salt + 1).to_be_bytes());
            bytes
        };
        Arrival {
            key: KeyDigest(digest(0)),
            payload: PayloadDigest(digest(2)),
            topic: (number % TOPICS) as u32,
        }
    };
    Arrivals {
        list: numbers.iter().map(arrival).collect(),
        topics: (0..TOPICS)
            .map(|topic| format!("topic {topic}").into())
            .collect(),
        ..Arrivals::default()
    }
}

/// SplitMix64's output function: every number has another image, without a pattern.
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// CPU seconds of this thread and of all others.
struct Cpu {
    applying: f64,
    behind: f64,
}

impl Cpu {
    fn now() -> Result<Cpu> {
        let applying = on_cpu(Path::new("/proc/thread-self/schedstat"))?;
        let mut all = 0.0;
        for task in fs::read_dir("/proc/self/task")? {
            all += on_cpu(&task?.path().join("schedstat"))?;
        }
        Ok(Cpu {
            applying,
            behind: all - applying,
        })
    }
}

fn on_cpu(path: &Path) -> Result<f64> {
    let text = fs::read_to_string(path)?;
    let nanoseconds: f64 = text.split(' ').next().context("a figure")?.parse()?;
    Ok(nanoseconds / 1e9)
}

fn status(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.context("such a line")?.trim().trim_end_matches(" kB");
    Ok(figure.parse()?)
}
