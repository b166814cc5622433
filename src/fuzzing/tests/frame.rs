use proptest::prelude::*;
use proptest::sample::Index;

use super::changes::{changed, changes};
use super::{real, try_on_corpus};
use crate::fuzzing::frame;

#[test]
fn what_the_fuzzer_has_kept_holds() {
    try_on_corpus("frame", frame);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_real_frames_hold(real in any::<Index>(), choices in any::<Option<u8>>(), changes in changes(4)) {
        let mut bytes = changed(real.get(&real::frames()).as_slice(), &changes);
        if let (Some(choices), Some(first)) = (choices, bytes.first_mut()) {
            *first = choices;
        }
        frame(&bytes);
    }
}
