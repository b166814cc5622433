//! Risk: some rare order of kills, power cuts, failed operations and clean stops, over
//! several lives, loses or repeats something.

use super::harness::{Publisher, disk_with, reopen};
use super::history::{History, Violation};
use crate::log::LogError;
use crate::log::storage::simulated::{FailKind, Options, Rng, SimulatedDisk, Survival};

const LIVES: u64 = 7;

/// Publishes until something stops it.
fn live_once(opened: crate::log::OpenedLog, history: &mut History, chance: &mut Rng) {
    let mut publisher = Publisher::start(opened);
    for _ in 0..chance.below(12) {
        let size = |chance: &mut Rng| {
            let most = if chance.chance(1) { 5000 } else { 400 };
            let bytes = chance.below(most);
            (1 + chance.below(3) as u32, bytes as usize)
        };
        if chance.chance(2) {
            let together: Vec<_> = (0..1 + chance.below(4)).map(|_| size(chance)).collect();
            publisher.publish_together(history, &together);
        } else {
            let (events, bytes) = size(chance);
            publisher.publish(history, events, bytes);
        }
        if publisher.poisoned {
            break;
        }
        if chance.chance(1) {
            publisher.wait_for_mark();
        }
    }
    // On a disk that still works this is a clean stop.
    publisher.stop();
}

fn many_lives(seed: u64) {
    let mut chance = Rng::new(seed);
    let mut history = History::default();
    // A mark may have a block of its own, or share it with its neighbours.
    let mut disk = disk_with(Options {
        block_size_bytes: [64, 512][(seed % 2) as usize],
        ..Options::default()
    });
    for life in 0..LIVES {
        let last = disk.snapshot();
        plan(&disk, &mut chance);
        match reopen(&disk, &mut history) {
            Ok(opened) => live_once(opened, &mut history, &mut chance),
            // What was planned happened within recovery; the next life must manage.
            Err(Violation::Refused(LogError::Io { .. })) => {}
            Err(Violation::Unreadable(_)) if disk.is_dead() => {}
            Err(violation) => panic!(
                "seed {seed}, life {life}: {violation:?}\nfound {:#?}\n{}",
                last.tree(),
                disk.operation_log()
            ),
        }
        disk = disk.crash(match chance.below(6) {
            0 => Survival::Nothing,
            1 => Survival::Everything,
            2 | 3 => Survival::PageCache,
            _ => Survival::Random(chance.next()),
        });
    }
    if let Err(violation) = reopen(&disk, &mut history) {
        panic!("seed {seed}, at the end: {violation:?}\n{:#?}", disk.tree());
    }
}

/// What is to go wrong in this life.
fn plan(disk: &SimulatedDisk, chance: &mut Rng) {
    let number = 1 + chance.below(60);
    match chance.below(8) {
        0 | 1 => disk.crash_at(number),
        2 | 3 => disk.crash_halfway_at(number),
        4 => disk.fail_at(number, FailKind::Io),
        5 => disk.fail_at(number, FailKind::NoSpace),
        _ => {}
    }
}

#[test]
fn no_order_of_crashes_and_failures_over_many_lives_loses_or_repeats_anything() {
    (0..120).for_each(many_lives);
}

/// Run with `ONCELOG_TEST_SEED` set to begin elsewhere, and `--ignored`.
#[test]
#[ignore = "a long campaign"]
fn many_more_lives() {
    let first = std::env::var("ONCELOG_TEST_SEED").map_or(1_000, |seed| {
        seed.parse().expect("ONCELOG_TEST_SEED is a number")
    });
    (first..first + 20_000).for_each(many_lives);
}
