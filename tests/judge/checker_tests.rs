//! The checker is itself able to fail: each kind of damage to an honest history is caught.

use std::collections::HashSet;

use crate::checker::{Violation, check_settled};
use crate::history::{Attempt, Figures, Logged, Outcome};
use crate::honest::{BATCH, History, honest};

/// That the damage is found, and found as what it is.
fn assert_caught(history: &History, is_expected: impl Fn(&Violation) -> bool) {
    let violations = history.check();
    assert!(violations.iter().any(is_expected), "{violations:?}");
}

#[test]
fn an_honest_history_passes() {
    let history = honest();
    assert_eq!(history.check(), []);
    assert_eq!(check_settled(&history.attempts), []);
    let verdicts: HashSet<&str> = history
        .log
        .iter()
        .map(|logged| logged.told.verdict.as_str())
        .collect();
    assert_eq!(verdicts.len(), 3, "all three verdicts are in it");
}

#[test]
fn an_acknowledged_batch_that_is_gone_is_caught() {
    for (batch, attempt) in [(0, 0), (3, 2)] {
        let mut history = honest();
        let range = history.range(1, batch, attempt);
        history.log.drain(range);
        history.judge();
        assert_caught(&history, |violation| {
            matches!(violation, Violation::LostAck { mark }
                if (mark.publisher, mark.batch) == (1, batch))
        });
    }
}

#[test]
fn an_acknowledged_end_of_the_log_that_is_gone_is_caught() {
    let mut history = honest();
    history.log.truncate(history.log.len() - BATCH);
    history.judge();
    assert_caught(&history, |violation| {
        matches!(violation, Violation::LostAck { .. })
    });
}

#[test]
fn a_batch_that_is_kept_twice_is_caught() {
    let mut history = honest();
    let again = history.log[history.range(0, 1, 0)].to_vec();
    history.log.extend(again);
    history.judge();
    assert_caught(
        &history,
        |violation| matches!(violation, Violation::Doubled { mark } if mark.batch == 1),
    );
}

#[test]
fn an_event_that_is_kept_twice_is_caught() {
    let mut history = honest();
    let at = history.range(0, 2, 0).end;
    history.log.insert(at, history.log[at - 1].clone());
    history.judge();
    assert_ne!(history.check(), []);

    // Its id stored twice, as if the first had been forgotten.
    let mut history = honest();
    let at = history.range(0, 2, 0).end - 1;
    history.log[at].told.verdict = "stored".to_owned();
    history.log[at].told.original_seq = Some(history.log[at].told.seq);
    assert_caught(
        &history,
        |violation| matches!(violation, Violation::WrongVerdict { found, .. } if found.verdict == "stored"),
    );
}

#[test]
fn batches_of_a_publisher_in_another_order_are_caught() {
    let mut history = honest();
    let (first, then) = (history.range(2, 0, 0), history.range(2, 2, 0));
    for (a, b) in first.zip(then) {
        history.log.swap(a, b);
    }
    history.judge();
    assert_caught(
        &history,
        |violation| matches!(violation, Violation::OutOfOrder { then, .. } if then.publisher == 2),
    );
}

#[test]
fn only_a_repeat_that_nobody_answered_may_come_late() {
    let late = |attempt: u32| {
        let mut history = honest();
        let moved = history.range(2, 1, attempt);
        let moved: Vec<Logged> = history.log.drain(moved).collect();
        history.log.extend(moved);
        history.judge();
        history
    };
    assert_eq!(late(0).check(), []);
    let is_caught = |history: &History| {
        assert_caught(
            history,
            |violation| matches!(violation, Violation::OutOfOrder { then, .. } if then.publisher == 2),
        );
    };
    is_caught(&late(2));

    // Nothing of its batch was there before.
    let mut alone = late(0);
    let other = alone.range(2, 1, 2);
    alone.log.drain(other);
    let lost = |attempt: &Attempt| (attempt.mark.batch, attempt.mark.attempt) == (1, 2);
    alone.attempts.retain(|attempt| !lost(attempt));
    alone.judge();
    is_caught(&alone);
}

#[test]
fn events_of_a_batch_in_another_order_are_caught() {
    let mut history = honest();
    let range = history.range(2, 2, 0);
    history.log.swap(range.start, range.start + 1);
    history.judge();
    assert_caught(&history, |violation| {
        matches!(violation, Violation::NotSent { .. })
    });
}

#[test]
fn half_a_batch_is_caught_even_if_nobody_was_told_of_it() {
    for is_first_half in [true, false] {
        let mut history = honest();
        let range = history.range(1, 1, 0);
        let half = if is_first_half {
            range.start + 1..range.end
        } else {
            range.start..range.end - 1
        };
        history.log.drain(half);
        history.judge();
        assert_caught(&history, |violation| {
            matches!(violation, Violation::HalfBatch { mark, .. }
                if (mark.publisher, mark.batch) == (1, 1))
        });
    }
}

#[test]
fn a_batch_that_another_one_interrupts_is_caught() {
    let mut history = honest();
    let range = history.range(1, 2, 0);
    history.log.swap(range.end - 1, range.end);
    history.judge();
    assert_caught(&history, |violation| {
        matches!(violation, Violation::HalfBatch { .. })
    });
}

#[test]
fn bytes_that_nobody_sent_are_caught() {
    let mut history = honest();
    let payload = &mut history.log[4].sent.payload;
    *payload = payload.replace("false", "true");
    history.judge();
    assert_caught(&history, |violation| {
        matches!(violation, Violation::NotSent { seq: 5 })
    });

    let mut history = honest();
    history.log[4].source = "p9/b9/a9".to_owned();
    assert_caught(&history, |violation| {
        matches!(violation, Violation::NotSent { seq: 5 })
    });
}

#[test]
fn seqs_with_a_hole_are_caught() {
    let mut history = honest();
    for logged in &mut history.log[7..] {
        logged.told.seq += 1;
    }
    assert_caught(&history, |violation| {
        *violation == Violation::Hole { due: 8, found: 9 }
    });
}

#[test]
fn a_receipt_that_does_not_hold_is_caught() {
    let mut history = honest();
    let Outcome::Judged(told) = &mut history.attempts[1].outcome else {
        panic!("the second attempt was judged")
    };
    told[1].verdict = "duplicate".to_owned();
    assert_caught(&history, |violation| {
        matches!(violation, Violation::NotAsTold { .. })
    });

    let mut history = honest();
    for attempt in &mut history.attempts {
        if let Outcome::Durable { first_seq } = &mut attempt.outcome {
            *first_seq += 1;
        }
    }
    assert_caught(&history, |violation| {
        matches!(violation, Violation::NotAsTold { .. })
    });
}

#[test]
fn a_batch_that_was_refused_and_is_there_is_caught() {
    let mut history = honest();
    history.attempts[0].outcome = Outcome::Refused("disk_full".to_owned());
    assert_caught(&history, |violation| {
        matches!(violation, Violation::KeptThoughRefused { .. })
    });
}

#[test]
fn a_verdict_or_a_counter_that_is_wrong_is_caught() {
    let conflict = |logged: &&mut Logged| logged.told.verdict == "conflict";
    let mut history = honest();
    let found = history.log.iter_mut().find(conflict).expect("a conflict");
    found.told.verdict = "duplicate".to_owned();
    assert_caught(
        &history,
        |violation| matches!(violation, Violation::WrongVerdict { expected, .. } if expected.verdict == "conflict"),
    );

    let mut history = honest();
    let found = history.log.iter_mut().find(conflict).expect("a conflict");
    found.told.original_seq = found.told.original_seq.map(|seq| seq + 1);
    assert_caught(&history, |violation| {
        matches!(violation, Violation::WrongVerdict { .. })
    });

    for spoil in [
        |figures: &mut Figures| figures.received -= 1,
        |figures: &mut Figures| figures.unique += 1,
        |figures: &mut Figures| figures.duplicates -= 1,
        |figures: &mut Figures| figures.conflicts += 1,
        |figures: &mut Figures| figures.lost += 1,
        |figures: &mut Figures| figures.pending += 1,
    ] {
        let mut history = honest();
        spoil(&mut history.figures);
        assert_caught(&history, |violation| {
            matches!(violation, Violation::WrongFigures { .. })
        });
    }
}

#[test]
fn a_batch_that_is_never_acknowledged_is_caught() {
    let mut history = honest();
    history
        .attempts
        .retain(|attempt| attempt.mark.publisher != 0 || attempt.mark.attempt != 2);
    let violations = check_settled(&history.attempts);
    assert_eq!(violations.len(), 2, "{violations:?}");
}
