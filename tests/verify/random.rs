//! Random damages to a real store of several segments: each that leaves evidence is found, and
//! what is called intact is byte for byte what was sent.
//!
//! `ONCELOG_TEST_SEED` repeats a run, `ONCELOG_TEST_ROUNDS` sets how many damages are drawn.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::damages::{Victim, events};
use crate::random::Random;
use crate::scene::verify;

const ROUNDS: u64 = 40;

#[test]
fn each_that_leaves_evidence_is_found_and_what_is_intact_is_what_was_sent() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|now| now.subsec_nanos());
    let seed = number("ONCELOG_TEST_SEED").unwrap_or(u64::from(clock.unwrap_or(1)));
    let rounds = number("ONCELOG_TEST_ROUNDS").unwrap_or(ROUNDS);
    eprintln!("ONCELOG_TEST_SEED={seed} ONCELOG_TEST_ROUNDS={rounds}");
    let mut random = Random::new(seed);
    let victim = Victim::new();
    let (mut found, mut left) = (0, 0);
    for round in 0..rounds {
        let damaged = victim.damaged(&mut random);
        let place = tempfile::tempdir().expect("a directory");
        let with_index = round % 2 == 0;
        victim.put(&damaged, place.path(), with_index);
        let flushed = if with_index { victim.flushed } else { 0 };
        let ended = verify(place.path(), &["--json"]);
        let text = String::from_utf8_lossy(&ended.stdout);
        let case = format!(
            "round {round}: {}, flushed {flushed}: {text}{}",
            damaged.how, ended.stderr
        );
        assert!(matches!(ended.code, Some(0 | 1)), "{case}");
        let said: Value = serde_json::from_str(&text).expect("JSON");
        match victim.leaves_evidence(&damaged, flushed) {
            true => {
                assert!(said["log"]["wrong_total"].as_u64() > Some(0), "{case}");
                found += 1;
            }
            false => left += 1,
        }
        let (shown, sent) = (events(place.path()), &victim.sent);
        for range in said["log"]["intact"]["ranges"].as_array().expect("ranges") {
            let seq = |name: &str| range[name].as_u64().expect("a seq");
            for seq in seq("first_seq")..=seq("last_seq") {
                assert_eq!(shown.get(&seq), sent.get(&seq), "seq {seq}: {case}");
                assert!(shown.contains_key(&seq), "seq {seq}: {case}");
            }
        }
        if said["log"]["wrong_total"] == 0 {
            let from = said["log"]["undecidable_from"].as_u64().expect("a seq");
            let gone = sent.keys().find(|seq| !shown.contains_key(*seq));
            assert!(gone.is_none_or(|gone| *gone >= from), "{case}");
        }
    }
    eprintln!("{found} left evidence and were found, {left} did not");
    assert!(found > rounds / 2, "{found} of {rounds}");
}
