//! What a disk may hold after a crash, made from what was done to it.
//!
//! The rule: what was written before the last flush is there. Of what was written after it
//! anything may be there, and anything may be missing, in any order.

use std::ops::Range;

use crate::random::Random;

const SECTOR_BYTES: usize = 512;
const BLOCK_BYTES: usize = 4096;

/// What was done to the disk.
#[derive(Debug)]
pub(crate) enum Op {
    Write { offset: u64, bytes: Vec<u8> },
    Flush,
}

/// The part of the disk from this byte on, no further than its end.
pub(crate) fn range(disk: &[u8], offset: u64, length: usize) -> Range<usize> {
    let from = usize::try_from(offset).map_or(disk.len(), |offset| offset.min(disk.len()));
    from..disk.len().min(from.saturating_add(length))
}

/// What became of what was written after the last flush.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// All of it is there.
    Nothing,
    /// All of it is gone.
    Everything,
    /// So many percent of its writes are gone.
    Writes(u64),
    /// So many percent of its blocks are gone.
    Blocks(u64),
    /// So many percent of its sectors are gone: torn blocks. The block with ext4's own superblock
    /// is there or gone as a whole: ext4 writes it in one piece, across two sectors and with one
    /// checksum, and does not mount when it is torn.
    Sectors(u64),
}

/// A crash after so many operations, and what it loses.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) after_ops: usize,
    pub(crate) loss: Loss,
    /// Which writes, blocks or sectors those are.
    pub(crate) seed: u64,
}

impl Crash {
    /// Whether nothing was written after the last flush.
    pub(crate) fn is_at_a_flush(&self, ops: &[Op]) -> bool {
        let last = ops[..self.after_ops].last();
        last.is_none_or(|op| matches!(op, Op::Flush))
    }
}

/// How many operations each flush has made durable: itself, and those before it.
pub(crate) fn flush_points(ops: &[Op]) -> Vec<usize> {
    let flushes = ops.iter().enumerate();
    let flushes = flushes.filter(|(_, op)| matches!(op, Op::Flush));
    flushes.map(|(at, _)| at + 1).collect()
}

/// Draws so many crashes, in their order in time: half of them right after a flush, and no flush
/// twice before each had its turn; the others amid the writes after one.
pub(crate) fn draw(ops: &[Op], count: usize, random: &mut Random) -> Vec<Crash> {
    // The disk as it was made counts as flushed.
    let mut points = flush_points(ops);
    points.insert(0, 0);
    let amid: Vec<Range<usize>> = (0..points.len())
        .map(|at| points[at]..points.get(at + 1).map_or(ops.len(), |next| next - 1))
        .filter(|writes| !writes.is_empty())
        .collect();
    let (exact, torn) = (
        in_turn(points.len(), count.div_ceil(2), random),
        in_turn(amid.len(), count / 2, random),
    );
    let mut crashes: Vec<Crash> = exact
        .into_iter()
        .map(|at| Crash {
            after_ops: points[at],
            loss: Loss::Nothing,
            seed: 0,
        })
        .collect();
    crashes.extend(torn.into_iter().map(|at| {
        let writes = &amid[at];
        let percent = random.between(5, 95);
        Crash {
            after_ops: random.between(writes.start as u64 + 1, writes.end as u64) as usize,
            loss: match random.between(0, 6) {
                0 => Loss::Everything,
                1 => Loss::Nothing,
                2 => Loss::Writes(percent),
                3 | 4 => Loss::Blocks(percent),
                _ => Loss::Sectors(percent),
            },
            seed: random.next(),
        }
    }));
    crashes.sort_by_key(|crash| crash.after_ops);
    crashes
}

/// So many of the numbers below `of`, shuffled, and all of them before one comes again.
fn in_turn(of: usize, count: usize, random: &mut Random) -> Vec<usize> {
    let mut drawn = Vec::new();
    while of > 0 && drawn.len() < count {
        let mut turn: Vec<usize> = (0..of).collect();
        for at in (1..of).rev() {
            turn.swap(at, random.between(0, at as u64) as usize);
        }
        drawn.extend(turn.into_iter().take(count - drawn.len()));
    }
    drawn
}

/// The disk up to a flush. It goes on in time and never back.
pub(crate) struct Durable<'o> {
    disk: Vec<u8>,
    ops: &'o [Op],
    done: usize,
}

impl<'o> Durable<'o> {
    pub(crate) fn new(disk: Vec<u8>, ops: &'o [Op]) -> Durable<'o> {
        Durable { disk, ops, done: 0 }
    }

    /// What the disk holds after this crash, which is not before the one asked for last.
    pub(crate) fn after(&mut self, crash: &Crash) -> Vec<u8> {
        let before = &self.ops[..crash.after_ops];
        let flushed = flush_points(before).last().copied().unwrap_or(0);
        assert!(self.done <= flushed, "crashes come in their order in time");
        for op in &self.ops[self.done..flushed] {
            write(&mut self.disk, op, |_| true, usize::MAX);
        }
        self.done = flushed;

        let mut disk = self.disk.clone();
        let mut random = Random::new(crash.seed);
        for op in &before[flushed..] {
            match crash.loss {
                Loss::Nothing => write(&mut disk, op, |_| true, usize::MAX),
                Loss::Everything => {}
                Loss::Writes(percent) => {
                    let kept = !random.percent(percent);
                    write(&mut disk, op, |_| kept, usize::MAX);
                }
                Loss::Blocks(percent) => {
                    write(&mut disk, op, |_| !random.percent(percent), BLOCK_BYTES);
                }
                Loss::Sectors(percent) => {
                    let part_bytes = if is_superblock(op) {
                        BLOCK_BYTES
                    } else {
                        SECTOR_BYTES
                    };
                    write(&mut disk, op, |_| !random.percent(percent), part_bytes);
                }
            }
        }
        disk
    }
}

fn is_superblock(op: &Op) -> bool {
    matches!(op, Op::Write { offset, .. } if *offset < BLOCK_BYTES as u64)
}

/// Does it again, those parts of it that are kept.
fn write(disk: &mut [u8], op: &Op, mut is_kept: impl FnMut(usize) -> bool, part_bytes: usize) {
    let Op::Write { offset, bytes } = op else {
        return;
    };
    let to = range(disk, *offset, bytes.len());
    let parts = disk[to]
        .chunks_mut(part_bytes)
        .zip(bytes.chunks(part_bytes));
    for (at, (to, from)) in parts.enumerate() {
        if is_kept(at) {
            to.copy_from_slice(from);
        }
    }
}
