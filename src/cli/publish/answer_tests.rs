//! Each kind of answer, and what it makes the publisher do.

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};

use super::*;

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    let mut map = HeaderMap::new();
    for &(name, value) in headers {
        map.insert(name, HeaderValue::from_static(value));
    }
    Answer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: map,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

const LOG: (&str, &str) = ("oncelog-log-id", "0123");

fn problem(code: &str, retry: &str) -> String {
    format!(
        r#"{{"type":"x","title":"x","status":1,"detail":"d","code":"{code}","retry":"{retry}"}}"#
    )
}

const JUDGED: &str = r#"{"status":"ok","message":"m","received":2,"unique":1,"duplicates":1,
    "conflicts":0,"first_seq":7,"last_seq":8,
    "receipts":[{"index":2,"verdict":"duplicate","seq":8,"original_seq":3}],
    "refused":[{"index":1,"pointer":"/1/topic","code":"missing_field","detail":"d"}],
    "refused_total":1,"refused_errors_total":1,"refused_indexes":[1]}"#;

#[test]
fn an_acknowledgement_must_be_of_what_was_sent() {
    let Meaning::Judged(read) = meaning(&answer(200, &[LOG], JUDGED), 3) else {
        panic!("it is acknowledged");
    };
    assert_eq!(read.receipts[0].verdict, Some(Verdict::Duplicate));
    assert_eq!(read.refused_indexes, [1]);
    for sent in [1, 2, 4] {
        let other = meaning(&answer(200, &[LOG], JUDGED), sent);
        assert!(matches!(other, Meaning::Again { .. }), "{sent}: {other:?}");
    }
    let cut = meaning(&answer(200, &[LOG], &JUDGED[..40]), 3);
    assert!(matches!(cut, Meaning::Again { .. }));
    let page = meaning(&answer(200, &[], "<html>"), 3);
    assert!(matches!(page, Meaning::Foreign(..)));
}

#[test]
fn pending_verdicts_are_put_in_by_seq() {
    let body = r#"{"status":"pending","message":"m","received":2,"unique":0,"duplicates":0,
        "conflicts":0,"first_seq":7,"last_seq":8,"receipts":[
        {"index":0,"verdict":"pending","seq":7,"original_seq":null},
        {"index":1,"verdict":"pending","seq":8,"original_seq":null}]}"#;
    let location = ("location", "/receipts?from=7&to=8");
    let pending = || match meaning(&answer(202, &[LOG, location], body), 2) {
        Meaning::Pending(read, path) => (read, path),
        other => panic!("{other:?}"),
    };
    let (mut read, path) = pending();
    assert_eq!(path, "/receipts?from=7&to=8");
    let judged = |seqs: [u64; 2], verdict: &str| {
        let list =
            seqs.map(|seq| format!(r#"{{"seq":{seq},"verdict":"{verdict}","original_seq":1}}"#));
        let body = format!(r#"{{"status":"ok","receipts":[{}]}}"#, list.join(","));
        verdicts(&answer(200, &[LOG], &body)).expect("verdicts")
    };
    assert_eq!(read.judge(&judged([7, 8], "conflict")), Some(()));
    assert_eq!((read.unique, read.duplicates, read.conflicts), (0, 2, 2));
    assert_eq!(read.receipts[1].original_seq, Some(1));
    // Not of these seqs, or in a hole: the promise is kept by publishing again.
    let (mut read, _) = pending();
    assert_eq!(read.judge(&judged([6, 7], "stored")), None);
    assert_eq!(read.judge(&judged([7, 8], "lost")), None);
}

#[test]
fn what_may_have_been_kept_is_sent_again_and_not_before_the_server_says() {
    let wait = |answer: Answer| match meaning(&answer, 1) {
        Meaning::Again { least_wait, .. } => least_wait.as_secs(),
        other => panic!("{other:?}"),
    };
    let after = ("retry-after", "5");
    assert_eq!(
        wait(answer(507, &[after], &problem("disk_full", "same_ids"))),
        5
    );
    assert_eq!(wait(answer(503, &[], &problem("opening", "same_ids"))), 0);
    assert_eq!(
        wait(answer(408, &[], &problem("body_timeout", "same_ids"))),
        0
    );
    assert_eq!(
        wait(answer(400, &[], &problem("incomplete_body", "same_ids"))),
        0
    );
    // Not from a store: what stands before it cannot reach it.
    assert_eq!(wait(answer(502, &[], "<html>")), 0);
    assert_eq!(wait(answer(429, &[after], "")), 5);
    assert_eq!(wait(answer(425, &[], "")), 0);
    let of_a_gateway = r#"{"code":"upstream_unavailable","detail":"no healthy upstream"}"#;
    for status in [500, 502, 503, 504, 507, 521] {
        assert_eq!(wait(answer(status, &[after], of_a_gateway)), 5, "{status}");
    }
}

#[test]
fn no_server_can_ask_for_a_wait_without_end() {
    for (asked, waits) in [
        ("7", 7),
        ("300", 300),
        ("86400", 300),
        ("18446744073709551615", 300),
        ("soon", 0),
    ] {
        let answer = answer(503, &[("retry-after", asked)], "");
        assert_eq!(retry_after(&answer).as_secs(), waits, "{asked}");
    }
}

#[test]
fn faults_of_events_are_told_from_what_concerns_every_batch() {
    for (status, code) in [
        (400, "duplicate_member"),
        (400, "invalid_utf8"),
        (413, "body_too_large"),
        (413, "too_many_events"),
        (422, "invalid_events"),
        (422, "too_many_topics"),
    ] {
        let meaning = meaning(&answer(status, &[LOG], &problem(code, "after_fix")), 1);
        assert!(
            matches!(meaning, Meaning::Refused(_)),
            "{code}: {meaning:?}"
        );
    }
    assert!(matches!(
        meaning(&answer(413, &[], "<html>"), 1),
        Meaning::Refused(_)
    ));
    for (status, code) in [
        (400, "malformed_request"),
        (400, "invalid_query"),
        (401, "unauthorized"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (415, "unsupported_media_type"),
        (500, "log_unreadable"),
    ] {
        let meaning = meaning(&answer(status, &[LOG], &problem(code, "after_fix")), 1);
        assert!(matches!(meaning, Meaning::Stop(_)), "{code}: {meaning:?}");
    }
    // What no store wrote condemns no event, whatever it looks like.
    for body in ["", r#"{"code":"bad","detail":"d"}"#] {
        for status in [204, 301, 400, 403, 404, 422, 501, 505] {
            let meaning = meaning(&answer(status, &[], body), 1);
            let is_foreign = matches!(meaning, Meaning::Foreign(..));
            assert!(is_foreign, "{status}: {meaning:?}");
        }
    }
}
