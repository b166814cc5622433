use proptest::prelude::*;
use proptest::sample::Index;

use super::changes::{changed, changes};
use super::{real, try_on_corpus};
use crate::fuzzing::fold;

#[test]
fn what_the_fuzzer_has_kept_holds() {
    try_on_corpus("fold", fold);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_real_histories_hold(real in any::<Index>(), changes in changes(4)) {
        let bytes = changed(real.get(&real::histories()).as_slice(), &changes);
        fold(&bytes);
    }
}
