//! The shapes that publishers rely on.

use super::*;
use crate::index::digest::{KeyDigest, PayloadDigest};
use crate::index::fold::Arrival;

fn arrivals(count: usize) -> Arc<Arrivals> {
    let arrival = |position: usize| Arrival {
        key: KeyDigest([0; 16]),
        payload: PayloadDigest([position as u8; 16]),
        topic: 0,
    };
    Arc::new(Arrivals {
        list: (0..count).map(arrival).collect(),
        topics: vec!["a\"b".into()],
        ..Arrivals::default()
    })
}

fn judged(seq: u64, verdict: Verdict, original_seq: u64) -> Judged {
    Judged {
        seq: Seq::new(seq),
        verdict,
        original_seq: Seq::new(original_seq),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_receipt_is_byte_for_byte_the_one_of_the_design() {
    let answer = PublishAnswer::new(3, arrivals(3), Receipts::NotStored);
    let verdicts = [
        judged(7, Verdict::Stored, 7),
        judged(8, Verdict::Stored, 8),
        judged(9, Verdict::Duplicate, 4),
    ];
    assert_eq!(
        text(answer.judged(&verdicts)),
        concat!(
            r#"{"status":"ok","message":"Processed 2 events, dropped 1 duplicates","received":3,"unique":2,"#,
            r#""duplicates":1,"conflicts":0,"first_seq":7,"last_seq":9,"#,
            r#""receipts":[{"index":2,"verdict":"duplicate","seq":9,"original_seq":4}]}"#
        )
    );
}

#[test]
fn a_conflict_counts_among_the_duplicates_too() {
    let answer = PublishAnswer::new(2, arrivals(2), Receipts::NotStored);
    let text = text(answer.judged(&[
        judged(1, Verdict::Stored, 1),
        judged(2, Verdict::Conflict, 1),
    ]));
    assert!(
        text.contains(r#""message":"Processed 1 events, dropped 1 duplicates""#),
        "{text}"
    );
    assert!(
        text.contains(r#""unique":1,"duplicates":1,"conflicts":1"#),
        "{text}"
    );
}

#[test]
fn a_full_receipt_has_what_proves_it() {
    let mut answer = PublishAnswer::new(1, arrivals(1), Receipts::All);
    answer.names = vec!["x\n".into()];
    let json: serde_json::Value =
        serde_json::from_slice(&answer.judged(&[judged(1, Verdict::Stored, 1)])).expect("JSON");
    assert_eq!(
        json["receipts"],
        serde_json::json!([{
            "index": 0, "verdict": "stored", "seq": 1, "original_seq": 1,
            "topic": "a\"b", "event_id": "x\n", "payload_digest": "0".repeat(32),
        }])
    );
}

#[test]
fn what_is_pending_has_the_same_shape_and_claims_no_verdict() {
    let answer = PublishAnswer::new(2, arrivals(2), Receipts::NotStored);
    let json: serde_json::Value =
        serde_json::from_slice(&answer.pending(Seq::new(7))).expect("JSON");
    assert_eq!(json["status"], "pending");
    assert_eq!((&json["received"], &json["unique"]), (&2.into(), &0.into()));
    assert_eq!(
        (&json["first_seq"], &json["last_seq"]),
        (&7.into(), &8.into())
    );
    assert_eq!(
        json["receipts"],
        serde_json::json!([
            {"index": 0, "verdict": "pending", "seq": 7, "original_seq": null},
            {"index": 1, "verdict": "pending", "seq": 8, "original_seq": null},
        ])
    );
}

#[test]
fn indexes_are_places_in_the_request_even_behind_refused_events() {
    let mut answer = PublishAnswer::new(3, arrivals(3), Receipts::NotStored);
    answer.refused_indexes = Some(vec![0, 2, 5]);
    let verdicts = [
        judged(1, Verdict::Duplicate, 9),
        judged(2, Verdict::Duplicate, 9),
        judged(3, Verdict::Duplicate, 9),
    ];
    let json: serde_json::Value = serde_json::from_slice(&answer.judged(&verdicts)).expect("JSON");
    let indexes: Vec<_> = json["receipts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|receipt| &receipt["index"])
        .collect();
    assert_eq!(indexes, [1, 3, 4]);
    assert_eq!(json["refused_total"], 3);
    assert_eq!(json["refused_indexes"], serde_json::json!([0, 2, 5]));
    assert_eq!(json["refused"], serde_json::json!([]));
}
