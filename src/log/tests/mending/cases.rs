//! Each kind of damage to each kind of store.

use std::path::Path;

use crate::log::storage::Storage;
use crate::log::storage::simulated::{SimulatedDisk, Survival};
use crate::log::tests::harness::{Publisher, in_log, names, new_disk, open, options};
use crate::log::tests::history::History;
use crate::log::tests::layout::SegmentImage;
use crate::log::tests::stores::{self, Store};

/// A way to damage a store, what its index had, and how it is called.
pub(super) type Case = (String, SimulatedDisk, Option<u64>);

fn damaged(store: &Store) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: String, index: Option<u64>, meddle: &dyn Fn(&SimulatedDisk)| {
        let disk = store.disk.snapshot();
        meddle(&disk);
        let disk = disk.crash(Survival::Everything);
        cases.push((format!("{}, {name}", store.name), disk, index));
    };
    let last_seq = |segment: &SegmentImage| {
        let last = segment.frames.last().expect("frames");
        last.first_seq + last.count - 1
    };
    let all = last_seq(store.segments.last().expect("segments"));
    for (place, segment) in store.segments.iter().enumerate() {
        let (path, bytes) = (&segment.path, &segment.bytes);
        for frame in &segment.frames {
            case(
                format!("{path}: header at {}", frame.offset),
                None,
                &|disk| disk.flip_bit(path, frame.offset + 20, 3),
            );
            if frame.end > frame.offset + 64 {
                case(
                    format!("{path}: payload at {}", frame.offset),
                    None,
                    &|disk| disk.flip_bit(path, frame.offset + 70, 3),
                );
                case(
                    format!("{path}: unreadable at {}", frame.offset),
                    None,
                    &|disk| {
                        let at = frame.offset as u64 + 64;
                        disk.make_unreadable(path, at..at + 8)
                    },
                );
            }
        }
        let first = &segment.frames[0];
        case(format!("{path}: a frame twice"), None, &|disk| {
            let mut now = bytes.clone();
            let frame = bytes[first.offset..first.end].to_vec();
            now.splice(first.end..first.end, frame);
            disk.write_file_durable(path, &now)
        });
        case(format!("{path}: zeros"), None, &|disk| {
            let mut now = bytes.clone();
            now[first.offset + 32..first.end + 16].fill(0);
            disk.write_file_durable(path, &now)
        });
        case(format!("{path}: cut"), None, &|disk| {
            disk.truncate_durable(path, first.end)
        });
        case(format!("{path}: empty"), None, &|disk| {
            disk.truncate_durable(path, 0)
        });
        case(format!("{path}: a byte of its header"), None, &|disk| {
            disk.flip_bit(path, 45, 1)
        });
        case(format!("{path}: its header"), None, &|disk| {
            let mut now = bytes.clone();
            now[..64].fill(0xA5);
            disk.write_file_durable(path, &now)
        });
        case(format!("{path}: missing"), None, &|disk| {
            disk.remove(Path::new(path)).expect("it is there")
        });
        case(
            format!("{path}: missing, and the index knows"),
            Some(all),
            &|disk| disk.remove(Path::new(path)).expect("it is there"),
        );
        if let Some(next) = store.segments.get(place + 1) {
            case(format!("{path}: changed places"), None, &|disk| {
                disk.write_file_durable(path, &next.bytes);
                disk.write_file_durable(&next.path, bytes);
            });
            case(
                format!("{path}: under the next one's name only"),
                None,
                &|disk| {
                    disk.write_file_durable(&next.path, bytes);
                    disk.remove(Path::new(path)).expect("it is there");
                },
            );
        }
    }
    for ahead in [1, 5] {
        case(
            format!("an index that is ahead by {ahead}"),
            Some(all + ahead),
            &|_| {},
        );
    }
    cases
}

pub(super) fn all_damaged() -> Vec<Case> {
    let stores = [
        stores::killed_after_an_ack(),
        stores::cleanly_stopped(),
        stores::all_sealed(),
    ];
    let mut cases: Vec<Case> = stores.iter().flat_map(damaged).collect();
    let other = stores::all_sealed();
    let disk = stores[2].disk.snapshot();
    disk.write_file_durable(&stores[2].segments[0].path, &other.segments[0].bytes);
    cases.push(("a segment of another log".into(), disk, None));
    cases.extend(two_states());
    cases
}

/// Two lives of one log, from the same state on, whose segments lie in one directory.
fn two_states() -> Vec<Case> {
    let (disk, mut history) = (new_disk(), History::default());
    let mut publisher = Publisher::start(open(&disk, options()).expect("a new log"));
    publisher.publish(&mut history, 2, 900);
    publisher.stop();
    let other = disk.snapshot();
    // So that segments of the one end in the middle of those of the other.
    for (disk, bytes) in [(&disk, 700), (&other, 1100)] {
        let mut publisher = Publisher::start(open(disk, options()).expect("an intact log"));
        for _ in 0..16 {
            publisher.publish(&mut History::default(), 1, bytes);
        }
        publisher.stop();
    }
    let own = names(&disk, ".seg");
    let theirs = names(&other, ".seg").into_iter();
    let mixed = theirs.filter(|name| !own.contains(name)).map(|name| {
        let both = disk.snapshot();
        both.write_file_durable(in_log(&name), &other.read_file(in_log(&name)));
        (format!("{name} of another state"), both, None)
    });
    let mut cases: Vec<Case> = mixed.collect();
    assert!(cases.len() > 1);
    // Each of theirs goes on behind the beginning of the next one of these, and so on.
    let all = cases[0].1.snapshot();
    for (name, both, _) in &cases {
        let name = &name[..24];
        all.write_file_durable(in_log(name), &both.read_file(in_log(name)));
    }
    cases.push(("all of two states".into(), all, None));
    cases
}
