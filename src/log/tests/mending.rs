//! Risk: mending loses what is intact, keeps what is not, gives a seq twice, or leaves a log that
//! does not open; or it does so when it is stopped in the middle and done again.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

mod cases;

use cases::{Case, all_damaged};

use super::harness::{LOG, Publisher, in_log, names, open, with_index};
use super::history::History;
use super::identity;
use super::random_damage;
use super::stores::{self, Store};
use super::sweep::opened;
use crate::event::Seq;
use crate::log::LogError;
use crate::log::format::FrameType;
use crate::log::inventory::RESERVE_NAME;
use crate::log::mending::{Mender, Plan, plan};
use crate::log::storage::simulated::{FailKind, OpKind, Operation, SimulatedDisk, Survival};
use crate::log::storage::{Storage, is_disk_full};
use crate::log::sweep::{Found, SweepOptions};

const ASIDE: &str = "/set-aside";
const NOW: i64 = 1_700_000_000_000_001;

fn planned(disk: &SimulatedDisk, index: Option<u64>) -> Result<Plan, LogError> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    plan(
        &storage,
        Path::new(LOG),
        index.map(Seq::new),
        Path::new(ASIDE),
        &mut |_, _| {},
    )
}

fn mend(disk: &SimulatedDisk, index: Option<u64>) -> Result<Plan, LogError> {
    let plan = planned(disk, index)?;
    let mender = Mender {
        storage: disk,
        dir: Path::new(LOG),
        set_aside: Path::new(ASIDE),
        needed_bytes: 0,
        now: NOW,
        give: &|_| Ok(()),
    };
    mender.make_room()?;
    mender.act(&plan, &mut |_| {})?;
    Ok(plan)
}

/// The good frames with events, by their first seqs; holes have no payload.
type Frames = BTreeMap<u64, Vec<u8>>;

/// All that can be read of a log, and how much is wrong with it. The seqs follow on each other.
fn read(disk: &SimulatedDisk, index: Option<u64>) -> (Frames, usize, u64) {
    let options = SweepOptions {
        index_flushed: index.map(Seq::new),
        ..SweepOptions::default()
    };
    let mut sweep = opened(disk, options).expect("a log");
    let (mut frames, mut wrong, mut due) = (Frames::new(), 0, 1);
    while let Some(found) = sweep.next().expect("nothing is newer") {
        match found {
            Found::Frame(frame) => {
                let payload = match frame.frame_type {
                    Some(FrameType::Events) => sweep.payload().to_vec(),
                    _ => Vec::new(),
                };
                if frame.header.count > 0 {
                    frames.insert(frame.header.first_seq.get(), payload);
                }
                due = frame.header.next_seq().get();
            }
            Found::End(end) => wrong += usize::from(end.behind_index.is_some()),
            _ => wrong += 1,
        }
    }
    (frames, wrong, due)
}

fn events(frames: &Frames) -> Frames {
    let mut events = frames.clone();
    events.retain(|_, payload| !payload.is_empty());
    events
}

/// The log is whole, opens, and has exactly these events.
#[track_caller]
fn assert_mended(
    disk: &SimulatedDisk,
    index: Option<u64>,
    expected: &Frames,
    next: u64,
    what: &str,
) {
    let (frames, wrong, due) = read(disk, index);
    assert_eq!(wrong, 0, "{what}");
    assert!(events(&frames) == *expected, "{what}: other events");
    assert_eq!(due, next, "{what}");
    let copy = disk.snapshot();
    let opened = open(&copy, with_index(index));
    let opened = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(opened.next_seq.get(), next, "{what}");
    let again = planned(disk, index).expect("a log");
    assert!(
        again.is_empty() && again.wrong_count == 0,
        "{what}: {again:?}"
    );
}

/// Mends it, and holds the result against what could be read before; gives that, and the plan.
#[track_caller]
fn mended(case: &Case) -> (SimulatedDisk, Frames, Plan) {
    let (name, damaged, index) = case;
    let before = events(&read(damaged, *index).0);
    let disk = damaged.snapshot();
    let plan = mend(&disk, *index).unwrap_or_else(|error| panic!("{name}: {error}"));
    let after = events(&read(&disk, *index).0);
    for (first, payload) in &before {
        assert!(
            after.get(first) == Some(payload),
            "{name}: seq {first} is lost"
        );
    }
    if !name.contains("place") && !name.contains("next one") {
        assert!(before == after, "{name}: there is more than before");
    }
    assert_mended(&disk, *index, &after, plan.next_seq.get(), name);
    for id in &plan.set_aside {
        let kept = disk.read_file(format!("{ASIDE}/{}", id.file_name()));
        assert!(kept == damaged.read_file(in_log(&id.file_name())), "{name}");
    }
    (disk, after, plan)
}

#[test]
fn every_damage_is_taken_out_and_all_that_is_intact_is_kept() {
    let cases = all_damaged();
    let mut made = 0;
    for case in &cases {
        let (_, _, plan) = mended(case);
        assert_eq!(
            plan.is_empty(),
            plan.wrong_count == 0,
            "{}: {plan:?}",
            case.0
        );
        made += plan.new_segments.len();
    }
    assert!(
        cases.len() > 80 && made > 80,
        "{} cases, {made} made",
        cases.len()
    );
}

#[test]
fn a_log_that_is_whole_is_left_alone() {
    for store in stores::all() {
        let plan = planned(&store.disk, None).expect("a log");
        assert!(
            plan.is_empty() && plan.wrong_count == 0,
            "{}: {plan:?}",
            store.name
        );
    }
}

#[test]
fn segments_that_have_changed_places_cost_nothing() {
    let store = stores::all_sealed();
    let disk = store.disk.snapshot();
    let [one, other] = [&store.segments[0], &store.segments[1]];
    disk.write_file_durable(&one.path, &other.bytes);
    disk.write_file_durable(&other.path, &one.bytes);
    let all = events(&read(&store.disk, None).0);
    assert!(events(&read(&disk, None).0) != all);
    let (_, after, plan) = mended(&("changed places".into(), disk, None));
    assert!(after == all, "{plan:?}");
    assert_eq!(plan.holes().count(), 0);
}

#[test]
fn what_the_index_had_and_the_log_has_not_is_a_hole_and_more_is_not_denied() {
    let store = stores::cleanly_stopped();
    let (_, _, due) = read(&store.disk, None);
    let disk = store.disk.snapshot();
    let plan = mend(&disk, Some(due + 6)).expect("it is mended");
    let hole = (Seq::new(due), Seq::new(due + 7));
    assert_eq!(plan.holes().collect::<Vec<_>>(), [hole]);
    assert_eq!(plan.perhaps_from, Some(Seq::new(due + 7)));
    let mut publisher = Publisher::start(open(&disk, with_index(Some(due + 6))).expect("a log"));
    let mut history = History::default();
    publisher.publish(&mut history, 1, 10);
    assert_eq!(history.last_acknowledged().get(), due + 7);
    publisher.stop();
}

/// One that a later version wrote, and that says that less was durable than was known before it.
#[test]
fn a_frame_that_may_be_skipped_is_kept_and_none_unlearns_what_was_durable() {
    let (_, disk, _) = identity::with_frame(|header| {
        header.type_number = 200;
        header.durable_up_to = Seq::ZERO;
    });
    let (_, after, plan) = mended(&("from the future".into(), disk.snapshot(), None));
    assert_eq!((plan.wrong_count, plan.holes().count()), (1, 0));
    assert!(after == events(&read(&disk, None).0));
    mend(&disk, None).expect("it is mended");
    let mut sweep = opened(&disk, SweepOptions::default()).expect("a log");
    let mut kept = 0;
    while let Some(found) = sweep.next().expect("it may be skipped") {
        if let Found::Frame(frame) = found
            && frame.header.type_number == 200
        {
            kept += 1;
            assert_eq!(sweep.payload(), b"from the future");
        }
    }
    assert_eq!(kept, 1);
}

#[test]
fn a_log_of_which_not_one_segment_is_left_is_not_emptied() {
    let (store, other) = (stores::all_sealed(), stores::all_sealed());
    let disk = store.disk.snapshot();
    disk.write_file_durable(
        in_log("log.meta"),
        &other.disk.read_file(in_log("log.meta")),
    );
    let error = planned(&disk, None).expect_err("all of it is another log's");
    assert!(matches!(error, LogError::Foreign { .. }), "{error}");
}

/// Stops it at every operation, in several ways; the next one must finish it, and all that was
/// intact must be there. Gives the number of operations.
#[track_caller]
fn stopped_everywhere(case: &Case) -> u64 {
    let (name, damaged, index) = case;
    let (_, expected, plan) = mended(case);
    let next = plan.next_seq.get();
    for number in 1.. {
        let disk = damaged.snapshot();
        disk.crash_halfway_at(number);
        let acted = mend(&disk, *index);
        if !disk.is_dead() {
            acted.unwrap_or_else(|error| panic!("{name}: {error}"));
            return number - 1;
        }
        for survival in [
            Survival::Nothing,
            Survival::PageCache,
            Survival::Everything,
            Survival::Random(number),
        ] {
            let what = format!(
                "{name}, operation {number}, {survival:?}\n{}",
                disk.operation_log()
            );
            let left = disk.crash(survival);
            mend(&left, *index).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_mended(&left, *index, &expected, next, &what);
            let last = left.crash(Survival::Nothing);
            assert_mended(&last, *index, &expected, next, &what);
        }
    }
    unreachable!("it ends")
}

#[test]
fn a_stop_at_any_operation_loses_nothing_and_the_next_attempt_ends() {
    let cases = all_damaged();
    // The first of each kind, and all in which segments take each other's places.
    let mut seen = std::collections::HashSet::new();
    let mut operations = 0;
    for case in &cases {
        let (kind, _) = case.0.split_once(" at ").unwrap_or((&case.0, ""));
        if seen.insert(kind.to_owned()) {
            operations += stopped_everywhere(case);
        }
    }
    assert!(operations > 500, "only {operations} operations");
}

#[test]
fn a_full_disk_stops_it_and_nothing_is_lost() {
    let store = stores::all_sealed();
    let disk = store.disk.snapshot();
    let first = &store.segments[0];
    disk.flip_bit(&first.path, first.frames[0].offset + 70, 1);
    let expected = events(&read(&disk, None).0);
    let used: usize = names(&disk, "")
        .iter()
        .filter(|name| !name.starts_with(".tmp-") && *name != RESERVE_NAME)
        .map(|name| disk.read_file(in_log(name)).len())
        .sum();
    for free in [0, 64, 300, 500] {
        let full = disk.crash(Survival::Everything);
        full.set_capacity(Some(used as u64 + free));
        let reserve = in_log(RESERVE_NAME);
        full.remove(Path::new(&reserve)).expect("the reserve");
        match mend(&full, None) {
            Err(LogError::Io { source, .. }) if is_disk_full(&source) => {}
            other => panic!("{free}: {other:?}"),
        }
        assert!(events(&read(&full, None).0) == expected);
        assert!(names(&full, ".tmp-").is_empty());
        full.set_capacity(None);
        let plan = mend(&full, None).expect("there is room");
        assert_mended(&full, None, &expected, plan.next_seq.get(), "with room");
    }
    // That is what the reserve is for.
    let full = disk.crash(Survival::Everything);
    let reserved = disk.read_file(in_log(RESERVE_NAME)).len();
    full.set_capacity(Some((used + reserved) as u64));
    mend(&full, None).expect("the reserve is given up for it");
    assert!(names(&full, RESERVE_NAME).is_empty());
}

#[test]
fn where_no_second_name_can_be_had_a_copy_is_kept() {
    for kind in [ErrorKind::CrossesDevices, ErrorKind::Unsupported] {
        let store = stores::all_sealed();
        let disk = store.disk.snapshot();
        let first = &store.segments[0];
        disk.flip_bit(&first.path, first.frames[0].offset + 70, 1);
        let damaged = disk.read_file(&first.path);
        let is_link = |operation: &Operation| operation.kind == OpKind::Link;
        for _ in 0..2 {
            let again = disk.snapshot();
            again.fail_when(is_link, u64::MAX, FailKind::Kind(kind));
            mend(&again, None).expect("it is mended");
            assert_eq!(
                again.read_file(format!("{ASIDE}/{}", &first.path[5..])),
                damaged
            );
            assert_eq!(again.list(Path::new(ASIDE)).expect("a directory").len(), 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_damaged_what_can_be_read_before_can_be_read_after(
        damages in prop::collection::vec(random_damage::damage(), 1..4),
        is_sealed: bool,
        ahead in prop::option::of(0_u64..4),
    ) {
        thread_local! {
            static STORES: [Store; 3] =
                [stores::all_sealed(), stores::killed_after_an_ack(), stores::all_sealed()];
        }
        STORES.with(|[sealed, killed, other]| {
            let store = if is_sealed { sealed } else { killed };
            let disk = store.disk.snapshot();
            for damage in &damages {
                random_damage::apply(&disk, store, other, damage);
            }
            let (_, _, due) = read(&store.disk, None);
            let index = ahead.map(|ahead| due - 1 + ahead);
            if opened(&disk, SweepOptions::default()).is_err() || planned(&disk, index).is_err() {
                // Not one segment says which log it is.
                return;
            }
            let kept: Frames = events(&read(&store.disk, None).0);
            let (_, after, _) = mended(&("in its place".into(), disk, index));
            for (first, payload) in &after {
                assert!(kept.get(first) == Some(payload), "seq {first} was never published so");
            }
        });
    }
}
