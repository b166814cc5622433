//! Risk: some damage that nobody thought of makes a sweep panic, show what was not published, or
//! lose count of seqs.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::random_damage::{STORES, apply, damage};
use super::sweep::{Given, opened, rest_of};
use crate::event::Seq;
use crate::log::storage::simulated::SimulatedDisk;
use crate::log::sweep::SweepOptions;

fn check(
    disk: &SimulatedDisk,
    published: &HashMap<u64, Vec<u8>>,
    index: Option<u64>,
) -> Result<(), TestCaseError> {
    let options = SweepOptions {
        index_flushed: index.map(Seq::new),
        ..SweepOptions::default()
    };
    // No log is left, or none of its headers.
    let Ok(mut sweep) = opened(disk, options) else {
        return Ok(());
    };
    let swept = rest_of(&mut sweep);
    prop_assert_eq!(disk.operations(), 0);
    let swept = match swept {
        Ok(swept) => swept,
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    // Each seq is shown once or lost once, in order, up to where the log ends.
    let mut due = 1;
    for (first, next) in &swept.seqs {
        prop_assert_eq!(*first, due, "{:#?}", swept);
        due = (*next).max(due);
    }
    let end = swept.end.as_ref().expect("it ends");
    prop_assert_eq!(end.due.get(), due, "{:#?}", swept);
    prop_assert!(end.proven < end.due);
    for (_, _, seq, payload) in &swept.frames {
        if let Some(expected) = published.get(seq)
            && !payload.is_empty()
        {
            // A seal stands where the next event is due.
            let is_seal = payload.starts_with(b"\xF7ONCELOG");
            prop_assert!(is_seal || payload == expected, "{:#?}", swept);
        }
    }
    Ok(())
}

/// What a sweep from this seq on gives of it, and where the log ends.
fn seen_from(
    disk: &SimulatedDisk,
    from: Seq,
    only_from: bool,
) -> Result<Option<(Vec<Given>, Seq, Seq)>, TestCaseError> {
    let options = SweepOptions {
        from,
        only_from,
        ..SweepOptions::default()
    };
    let Ok(mut sweep) = opened(disk, options) else {
        return Ok(None);
    };
    let swept = rest_of(&mut sweep);
    let mut swept = swept.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let end = swept.end.expect("it ends");
    // Marks apart, which have no seq.
    swept
        .frames
        .retain(|frame| frame.2 >= from.get() && !frame.3.is_empty());
    Ok(Some((swept.frames, end.due, end.proven)))
}

/// What is not read before it changes nothing of what stands behind it.
fn check_only_from(disk: &SimulatedDisk, last: u64) -> Result<(), TestCaseError> {
    // The first ones begin in earlier segments.
    for from in last.saturating_sub(1)..=last + 1 {
        let [all, only] = [false, true].map(|only| seen_from(disk, Seq::new(from), only));
        let (Some((frames, due, proven)), Some(only)) = (all?, only?) else {
            continue;
        };
        prop_assert_eq!((&frames, due), (&only.0, only.1), "from {}", from);
        // A header that is good proves it also where its frame is damaged.
        prop_assert!(proven <= only.2 && only.2 < due, "from {}", from);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_sweep_of_a_damaged_store_accounts_for_every_seq_and_shows_only_what_was_published(
        state in any::<Index>(),
        damages in vec(damage(), 1..4),
        with_index in any::<bool>(),
    ) {
        let (store, other) = state.get(&STORES);
        let disk = store.disk.snapshot();
        for damage in &damages {
            apply(&disk, store, other, damage);
        }
        let published = store.history.in_order();
        let published = published.into_iter().map(|(seq, bytes)| (seq.get(), bytes.to_vec()));
        let index = with_index.then(|| store.history.last_acknowledged().get());
        check(&disk.snapshot(), &published.collect(), index)?;
    }

    #[test]
    fn a_sweep_that_begins_near_the_end_gives_what_one_over_all_gives_of_it(
        state in any::<Index>(),
        damages in vec(damage(), 0..4),
    ) {
        let (store, other) = state.get(&STORES);
        let disk = store.disk.snapshot();
        for damage in &damages {
            apply(&disk, store, other, damage);
        }
        check_only_from(&disk.snapshot(), store.history.last_acknowledged().get())?;
    }
}
