//! What the campaign's block replay takes for a crash: nothing flushed is ever lost, nothing is
//! there that was not written yet, and what is in between is lost in parts.

#[path = "campaign/blocks/crash.rs"]
mod crash;
#[path = "support/random.rs"]
mod random;

use std::collections::HashSet;

use crash::{Crash, Durable, Loss, Op, draw, flush_points};
use random::Random;

const DISK_BYTES: usize = 16 * 4096;
const SECTOR_BYTES: usize = 512;

/// Writes of a block, each byte of them with the number of its write, and a flush after
/// every fourth one.
fn ops() -> Vec<Op> {
    let mut ops = Vec::new();
    for number in 1..=40 {
        ops.push(Op::Write {
            offset: number % 14 * 4096 + 4096,
            bytes: vec![u8::try_from(number).expect("a small number"); 4096],
        });
        if number % 4 == 0 {
            ops.push(Op::Flush);
        }
    }
    ops
}

/// What a disk holds that lost nothing.
fn whole(ops: &[Op]) -> Vec<u8> {
    let mut disk = vec![0; DISK_BYTES];
    for op in ops {
        if let Op::Write { offset, bytes } = op {
            let from = usize::try_from(*offset).expect("an offset");
            disk[from..from + bytes.len()].copy_from_slice(bytes);
        }
    }
    disk
}

#[test]
fn each_sector_is_as_it_was_flushed_or_as_it_was_written_since() {
    let ops = ops();
    for seed in 0..20 {
        let mut durable = Durable::new(vec![0; DISK_BYTES], &ops);
        for crash in draw(&ops, 60, &mut Random::new(seed)) {
            let disk = durable.after(&crash);
            let before = &ops[..crash.after_ops];
            let flushed = flush_points(before).last().copied().unwrap_or(0);
            // Of no block there is more than one write between two flushes here.
            let (least, most) = (whole(&ops[..flushed]), whole(before));
            for (at, found) in disk.chunks(SECTOR_BYTES).enumerate() {
                let at = at * SECTOR_BYTES..(at + 1) * SECTOR_BYTES;
                assert!(
                    found == &least[at.clone()] || found == &most[at.clone()],
                    "{crash:?} has something else at {at:?}"
                );
            }
            match crash.loss {
                Loss::Nothing => assert!(disk == most, "{crash:?}"),
                Loss::Everything => assert!(disk == least, "{crash:?}"),
                _ => {}
            }
        }
    }
}

#[test]
fn every_flush_has_its_turn_before_one_comes_again() {
    let ops = ops();
    let points = flush_points(&ops);
    assert_eq!(points.len(), 10);
    // And the disk before all of them.
    let drawn = draw(&ops, 22, &mut Random::new(5));
    let at_flushes: HashSet<usize> = drawn
        .iter()
        .filter(|crash| crash.is_at_a_flush(&ops))
        .map(|crash| crash.after_ops)
        .collect();
    assert_eq!(at_flushes.len(), 11);
    assert!(points.iter().all(|point| at_flushes.contains(point)));
    assert_eq!(
        drawn.iter().filter(|c| c.is_at_a_flush(&ops)).count(),
        11,
        "the others are amid writes"
    );
    assert_eq!(drawn, draw(&ops, 22, &mut Random::new(5)));
}

#[test]
fn blocks_are_torn_and_ext4s_superblock_is_not() {
    let write = |offset| Op::Write {
        offset,
        bytes: vec![1; 4096],
    };
    let ops = [write(0), write(4096)];
    let (mut torn, mut gone) = (0, 0);
    for seed in 0..50 {
        let crash = Crash {
            after_ops: 2,
            loss: Loss::Sectors(50),
            seed,
        };
        let disk = Durable::new(vec![0; DISK_BYTES], &ops).after(&crash);
        let is_one_piece = |block: &[u8]| block.iter().all(|byte| *byte == block[0]);
        assert!(is_one_piece(&disk[..4096]));
        gone += usize::from(disk[0] == 0);
        torn += usize::from(!is_one_piece(&disk[4096..8192]));
    }
    assert!((10..40).contains(&gone), "{gone}");
    assert!(torn > 45, "{torn}");
}
