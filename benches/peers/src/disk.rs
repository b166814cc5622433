//! What the disk alone takes: one write and one sync after the other, as a store does that has
//! one batch to write at a time.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use hdrhistogram::Histogram;

/// A batch of a hundred events of 260 bytes.
const WRITE_BYTES: usize = 26_000;
/// Zeros that were written and synced before, as in a segment of oncelog.
const ROOM_BYTES: usize = 64 << 20;
const LOOK: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct DiskOptions {
    /// On the disk that is to be measured
    #[arg(long, default_value_os_t = super::default_dir())]
    dir: PathBuf,

    /// How long
    #[arg(long, default_value_t = 10)]
    seconds: u64,

    /// Of each write
    #[arg(long, default_value_t = WRITE_BYTES)]
    bytes: usize,
}

pub(crate) fn run(options: &DiskOptions) -> Result<()> {
    let seconds = Duration::from_secs(options.seconds);
    ensure!(
        (1..=ROOM_BYTES).contains(&options.bytes),
        "--bytes must be from 1 to {ROOM_BYTES}"
    );
    std::fs::create_dir_all(&options.dir)?;
    println!("{}", probe(&options.dir, seconds, options.bytes)?);
    Ok(())
}

/// A short one, to be told beside other figures.
pub(crate) fn look(dir: &Path) -> Result<String> {
    probe(dir, LOOK, WRITE_BYTES)
}

fn probe(dir: &Path, time: Duration, bytes: usize) -> Result<String> {
    let mut file = tempfile::tempfile_in(dir)?;
    file.write_all(&vec![0; ROOM_BYTES])?;
    file.sync_all()?;
    let mut latency = Histogram::<u64>::new(3)?;
    let block = vec![b'x'; bytes];
    let begin = Instant::now();
    let mut at = 0;
    while begin.elapsed() < time {
        if at + bytes > ROOM_BYTES {
            at = 0;
        }
        latency.record(write(&file, &block, at as u64)?.as_nanos() as u64)?;
        at += bytes;
    }
    let ms = |share| latency.value_at_quantile(share) as f64 / 1e6;
    Ok(format!(
        "disk: write of {bytes} bytes and fdatasync: p50 {:.3}, p99 {:.3}, p99.9 {:.3}, max {:.3} ms, {} times",
        ms(0.5),
        ms(0.99),
        ms(0.999),
        latency.max() as f64 / 1e6,
        latency.len()
    ))
}

fn write(file: &File, block: &[u8], at: u64) -> Result<Duration> {
    let begin = Instant::now();
    file.write_all_at(block, at)?;
    file.sync_data()?;
    Ok(begin.elapsed())
}
