//! A book of all that was sent and answered, to be held against the plainest model of what is
//! right.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::http::Answer;
use super::served::Served;

/// The topics of all events; which one follows from the id.
pub const TOPICS: u64 = 3;

/// An event as it is sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: u64,
    /// 0 and 1 say the same in other words; 2 says something else.
    pub variant: u8,
}

impl Event {
    pub fn new(id: u64) -> Event {
        Event { id, variant: 0 }
    }

    fn topic(self) -> String {
        format!("topic-{}", self.id % TOPICS)
    }

    fn payload(self) -> String {
        match self.variant {
            0 => format!(r#"{{"n":{},"list":[1,2]}}"#, self.id),
            1 => format!(r#"{{ "list": [1.0, 2e0], "n": {} }}"#, self.id),
            _ => format!(r#"{{"n":{},"list":[1,3]}}"#, self.id),
        }
    }

    fn says(self) -> u8 {
        self.variant / 2
    }
}

/// The body of a publish.
pub fn body(events: &[Event]) -> String {
    let events: Vec<String> = events
        .iter()
        .map(|event| {
            let (topic, payload) = (event.topic(), event.payload());
            format!(
                r#"{{"topic":"{topic}","event_id":"e{}","payload":{payload}}}"#,
                event.id
            )
        })
        .collect();
    format!("[{}]", events.join(","))
}

/// What became of an event: its verdict, and the seq of the first with its key.
type Verdict = (String, u64);

/// All that was acknowledged.
#[derive(Default)]
pub struct Book {
    /// By seq; what was said about it, once something was.
    pub(super) events: BTreeMap<u64, (Event, Option<Verdict>)>,
    /// The receipts that were promised by a 202.
    pub(super) promised: Vec<String>,
    pub answers: HashMap<u16, u64>,
}

impl Book {
    /// Takes an answer to a publish down.
    pub fn take(&mut self, sent: &[Event], answer: &Answer) {
        *self.answers.entry(answer.status).or_default() += 1;
        if answer.status == 503 {
            let problem = answer.assert_problem(503, "backlog_full");
            assert_eq!(problem["retry"], "same_ids");
            assert!(answer.header("retry-after").is_some());
            return;
        }
        let said = answer.json();
        let (first, last) = (number(&said["first_seq"]), number(&said["last_seq"]));
        match answer.status {
            200 => assert_eq!(said["status"], "ok"),
            202 => {
                let promised = format!("/receipts?from={first}&to={last}");
                assert_eq!(answer.header("location"), Some(promised.as_str()));
                assert!(answer.header("retry-after").is_some());
                self.promised.push(promised);
            }
            other => panic!("{other}: {}", answer.text),
        }
        let receipts = said["receipts"].as_array().expect("receipts");
        assert_eq!(receipts.len(), sent.len());
        for ((seq, event), receipt) in (first..=last).zip(sent).zip(receipts) {
            assert_eq!(number(&receipt["seq"]), seq);
            let verdict = (receipt["verdict"] != "pending").then(|| verdict(receipt));
            assert_eq!(verdict.is_some(), answer.status == 200, "{}", answer.text);
            let before = self.events.insert(seq, (*event, verdict));
            assert!(before.is_none(), "seq {seq} was given twice");
        }
    }

    /// Takes an answer to a GET of promised receipts down; whether they were there.
    pub(super) fn take_receipts(&mut self, path: &str, answer: &Answer) -> bool {
        match answer.status {
            200 => {
                for receipt in answer.json()["receipts"].as_array().expect("receipts") {
                    let seq = number(&receipt["seq"]);
                    let (_, known) = self.events.get_mut(&seq).expect("a seq that was given");
                    let verdict = verdict(receipt);
                    let before = known.replace(verdict.clone());
                    assert!(
                        before.is_none_or(|before| before == verdict),
                        "{path}: {seq}"
                    );
                }
                true
            }
            202 => false,
            _ => {
                answer.assert_problem(503, "index_unavailable");
                false
            }
        }
    }

    /// The seqs that are known to have this verdict.
    pub(super) fn known_to_be(&self, wanted: &str) -> BTreeSet<u64> {
        let is_wanted =
            |known: &Option<Verdict>| known.as_ref().is_some_and(|known| known.0 == wanted);
        let found = self
            .events
            .iter()
            .filter(|(_, (_, known))| is_wanted(known));
        found.map(|(seq, _)| *seq).collect()
    }

    /// What the verdicts must be, by seq.
    pub fn model(&self) -> BTreeMap<u64, Verdict> {
        let mut firsts: HashMap<u64, (u64, u8)> = HashMap::new();
        let judge = |(&seq, (event, _)): (&u64, &(Event, Option<Verdict>))| {
            let (first, says) = *firsts.entry(event.id).or_insert((seq, event.says()));
            let verdict = match (first == seq, says == event.says()) {
                (true, _) => "stored",
                (false, true) => "duplicate",
                (false, false) => "conflict",
            };
            (seq, (verdict.to_owned(), first))
        };
        self.events.iter().map(judge).collect()
    }

    /// All events, in order of arrival.
    pub fn sent(&self) -> Vec<Event> {
        self.events.values().map(|(event, _)| *event).collect()
    }

    /// Checks that no seq is missing, and that no verdict was ever wrong.
    pub fn check_verdicts(&self) {
        let count = self.events.len() as u64;
        assert!(
            self.events.keys().copied().eq(1..=count),
            "a seq is missing"
        );
        for (seq, right) in self.model() {
            let (event, known) = &self.events[&seq];
            let is_right = known.as_ref().is_none_or(|known| *known == right);
            assert!(
                is_right,
                "{seq}: {event:?} is {right:?}, {known:?} was said"
            );
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn verdict(receipt: &Value) -> Verdict {
    let verdict = receipt["verdict"].as_str().expect("a verdict");
    (verdict.to_owned(), number(&receipt["original_seq"]))
}

pub(super) fn seqs(answer: &Answer) -> impl Iterator<Item = u64> {
    let events = answer.json();
    let events = events.as_array().expect("an array").clone();
    events.into_iter().map(|event| number(&event["seq"]))
}

/// Checks everything that the server says at rest against the book.
pub fn check_at_rest(server: &Served, book: &mut Book) -> Value {
    let stats = server.wait_until_well();
    for path in std::mem::take(&mut book.promised) {
        assert!(book.take_receipts(&path, &server.get(&path)), "{path}");
    }
    book.check_verdicts();
    let model = book.model();
    let count = |wanted| {
        model
            .values()
            .filter(|(verdict, _)| verdict == wanted)
            .count() as u64
    };
    let (unique, conflicts) = (count("stored"), count("conflict"));
    let received = model.len() as u64;
    let figures = [
        "received",
        "unique_processed",
        "duplicate_dropped",
        "conflicts",
        "lost",
    ]
    .map(|name| number(&stats[name]));
    assert_eq!(figures, [received, unique, received - unique, conflicts, 0]);
    assert_eq!(number(&stats["topics_total"]), TOPICS);
    assert!(stats["index"]["degraded_since"].is_null(), "{stats:#}");

    let receipts = server
        .get(&format!("/receipts?from=1&to={received}"))
        .json();
    let receipts = receipts["receipts"].as_array().expect("receipts");
    let said = receipts
        .iter()
        .map(|one| (number(&one["seq"]), verdict(one)));
    assert!(said.eq(model.clone()), "receipts");

    for wanted in ["stored", "duplicate", "conflict"] {
        let due = model.iter().filter(|(_, verdict)| verdict.0 == wanted);
        let listed = server.get(&format!("/events?verdict={wanted}"));
        assert!(seqs(&listed).eq(due.map(|(seq, _)| *seq)), "{wanted}");
    }
    let by_topic = (0..TOPICS).map(|topic| {
        let path = format!("/events?topic=topic-{topic}");
        seqs(&server.get(&path)).count() as u64
    });
    assert_eq!(by_topic.sum::<u64>(), unique);
    stats
}

/// The hash and the counters of a store that got the same events.
pub fn fresh_store_stats(sent: &[Event]) -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Served::start(directory.path(), &[]);
    for batch in sent.chunks(100) {
        assert_eq!(server.publish(body(batch)).status, 200);
    }
    server.stats()
}
