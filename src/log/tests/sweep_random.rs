//! Risk: some damage that nobody thought of makes a sweep panic, show what was not published, or
//! lose count of seqs.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::random_damage::{STORES, apply, damage};
use super::sweep::{opened, rest_of};
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
}
