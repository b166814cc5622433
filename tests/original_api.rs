//! What users of the original service rely on: the same calls, the same members, the same
//! figures, now from the real binary.

mod support {
    pub mod client;
    pub mod process;
}

use std::path::Path;

use support::client::{Client, Shape, event};
use support::process::Oncelog;
use tempfile::TempDir;

/// A running server with a data directory of its own.
struct Service {
    data_dir: TempDir,
    process: Option<Oncelog>,
    client: Client,
}

impl Service {
    fn start() -> Service {
        let data_dir = tempfile::tempdir().expect("a directory");
        let (process, client) = serve(data_dir.path());
        Service {
            data_dir,
            process: Some(process),
            client,
        }
    }

    /// As a container that is stopped and started.
    fn restart(&mut self) {
        let process = self.process.take().expect("a running server");
        let ended = process.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let (process, client) = serve(self.data_dir.path());
        self.client = client;
        self.process = Some(process);
    }
}

fn serve(data_dir: &Path) -> (Oncelog, Client) {
    let process = Oncelog::start(data_dir);
    let client = Client::new(process.address);
    (process, client)
}

fn ids(service: &Service, query: &str) -> Vec<String> {
    let events = service.client.events(query);
    events.into_iter().map(|event| event.event_id).collect()
}

mod api {
    use super::*;

    #[test]
    fn one_event_an_array_and_an_envelope_are_taken() {
        let service = Service::start();
        for (shape, sent) in [
            (Shape::One, vec![event("orders", "1", "{}")]),
            (
                Shape::Array,
                vec![event("orders", "2", "{}"), event("orders", "3", "{}")],
            ),
            (
                Shape::Envelope,
                vec![event("orders", "4", "{}"), event("orders", "5", "{}")],
            ),
        ] {
            let receipt = service.client.publish(shape.body(&sent));
            let count = sent.len() as u64;
            assert_eq!(receipt.status, "ok");
            assert_eq!(
                receipt.message,
                format!("Processed {count} events, dropped 0 duplicates")
            );
            assert_eq!((receipt.received, receipt.unique), (count, count));
        }
        assert_eq!(ids(&service, ""), ["1", "2", "3", "4", "5"]);
    }

    #[test]
    fn an_event_comes_back_with_every_member_that_was_sent() {
        let service = Service::start();
        service.client.publish(
            r#"{"topic":"orders","event_id":"o-1","timestamp":"2025-10-20T10:00:00Z",
                "source":"shop","payload":{"amount": 12.50}}"#,
        );
        let events = service.client.events("");
        let [shown] = events.as_slice() else {
            panic!("one event is expected: {events:?}")
        };
        assert_eq!((shown.seq, shown.topic.as_str()), (1, "orders"));
        assert_eq!(
            (shown.event_id.as_str(), shown.source.as_str()),
            ("o-1", "shop")
        );
        assert_eq!(shown.timestamp.as_deref(), Some("2025-10-20T10:00:00Z"));
        assert_eq!(shown.payload.get(), r#"{"amount": 12.50}"#);
    }

    #[test]
    fn events_can_be_filtered_by_topic() {
        let service = Service::start();
        service.client.publish(Shape::Array.body(&[
            event("orders", "1", "{}"),
            event("users", "2", "{}"),
            event("orders", "3", "{}"),
        ]));
        assert_eq!(ids(&service, "?topic=orders"), ["1", "3"]);
        assert_eq!(ids(&service, "?topic=users"), ["2"]);
        assert!(ids(&service, "?topic=nobody").is_empty());
        assert_eq!(ids(&service, ""), ["1", "2", "3"]);
    }

    #[test]
    fn the_figures_agree_with_each_other_and_with_the_events() {
        let service = Service::start();
        let before = service.client.stats();
        assert_eq!(before.counts(), (0, 0, 0, 0));
        assert!(before.topics.is_empty());
        service.client.publish(Shape::Array.body(&[
            event("users", "1", "1"),
            event("orders", "1", "1"),
            event("users", "1", "1"),
            event("users", "1", "2"),
        ]));
        let stats = service.client.stats();
        assert_eq!(stats.counts(), (4, 2, 2, 1));
        assert_eq!((stats.lost, stats.pending), (0, 0));
        assert_eq!(stats.topics, ["users", "orders"]);
        assert_eq!(stats.topics_total, 2);
        assert_eq!(ids(&service, "").len() as u64, stats.unique_processed);
        assert!(stats.uptime > 0.0);
        let later = service.client.stats();
        assert!(
            later.uptime > before.uptime,
            "{} then {}",
            before.uptime,
            later.uptime
        );
    }

    #[test]
    fn timestamps_of_isoformat_are_taken_and_kept_as_sent() {
        let service = Service::start();
        let written_by_python = [
            "2025-10-20T10:00:00",
            "2025-10-20T10:00:00.123456",
            "2025-10-20T10:00:00+00:00",
            "2025-10-20T10:00:00.000001+07:00",
            "2025-10-20T10:00:00-03:30",
            "2025-10-20T10:00:00Z",
        ];
        let sent: Vec<String> = written_by_python
            .iter()
            .enumerate()
            .map(|(id, time)| {
                format!(
                    r#"{{"topic":"t","event_id":"{id}","timestamp":"{time}","source":"s","payload":{{}}}}"#
                )
            })
            .collect();
        let receipt = service.client.publish(Shape::Envelope.body(&sent));
        assert_eq!(receipt.unique, written_by_python.len() as u64);
        let shown = service.client.events("");
        let shown: Vec<_> = shown
            .iter()
            .map(|event| event.timestamp.as_deref().unwrap_or(""))
            .collect();
        assert_eq!(shown, written_by_python);
    }

    #[test]
    fn an_event_that_is_none_is_refused_and_leaves_no_trace() {
        let service = Service::start();
        for body in [
            r#"{"event_id":"1","payload":{}}"#,
            r#"{"topic":"t","payload":{}}"#,
            r#"{"topic":"t","event_id":"1"}"#,
            r#"{"topic":"t","event_id":"1","payload":{},"timestamp":"yesterday"}"#,
        ] {
            let answer = service.client.try_publish("", body.to_owned());
            assert_eq!(answer.expect("an answer").status, 422, "{body}");
        }
        assert_eq!(service.client.stats().counts(), (0, 0, 0, 0));
    }
}

mod dedup {
    use super::*;

    #[test]
    fn a_repeated_event_is_dropped_and_counted() {
        let service = Service::start();
        let sent = event("orders", "1", r#"{"a":1}"#);
        assert_eq!(service.client.publish(sent.clone()).unique, 1);
        for _ in 0..2 {
            let receipt = service.client.publish(sent.clone());
            assert_eq!((receipt.unique, receipt.duplicates), (0, 1));
            assert_eq!(receipt.message, "Processed 0 events, dropped 1 duplicates");
            assert_eq!(receipt.receipts[0].original_seq, Some(1));
        }
        assert_eq!(service.client.stats().counts(), (3, 1, 2, 0));
        assert_eq!(ids(&service, ""), ["1"]);
    }

    #[test]
    fn the_same_id_in_another_topic_is_another_event() {
        let service = Service::start();
        service.client.publish(event("orders", "1", "{}"));
        service.client.publish(event("users", "1", "{}"));
        assert_eq!(service.client.stats().counts(), (2, 2, 0, 0));
    }

    #[test]
    fn publishers_that_send_the_same_at_the_same_time_keep_it_once() {
        let service = Service::start();
        let sent: Vec<String> = (0..50)
            .map(|id| event("orders", &id.to_string(), "{}"))
            .collect();
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    for batch in sent.chunks(10) {
                        service.client.publish(Shape::Array.body(batch));
                    }
                });
            }
        });
        assert_eq!(service.client.stats().counts(), (400, 50, 350, 0));
        let mut kept: Vec<u32> = ids(&service, "")
            .iter()
            .map(|id| id.parse().expect("a number"))
            .collect();
        kept.sort_unstable();
        assert!(kept.into_iter().eq(0..50));
    }
}

mod batch {
    use super::*;

    /// 800 events, and 200 of them once more, spread among the others.
    fn thousand() -> Vec<String> {
        (0..1_000)
            .map(|place| {
                let id = if place % 5 == 4 { place - 4 } else { place };
                event("orders", &format!("o-{id}"), &format!(r#"{{"n":{id}}}"#))
            })
            .collect()
    }

    #[test]
    fn a_thousand_events_of_which_two_hundred_repeat() {
        let service = Service::start();
        let receipt = service.client.publish(Shape::Array.body(&thousand()));
        assert_eq!(
            (receipt.received, receipt.unique, receipt.duplicates),
            (1_000, 800, 200)
        );
        assert_eq!((receipt.first_seq, receipt.last_seq), (1, 1_000));
        let dropped: Vec<usize> = receipt.receipts.iter().map(|one| one.index).collect();
        assert!(dropped.into_iter().eq((0..200).map(|n| 5 * n + 4)));
        assert_eq!(service.client.stats().counts(), (1_000, 800, 200, 0));
        let kept = service.client.events("?topic=orders");
        let expected = (0..1_000).filter(|place| place % 5 != 4);
        assert!(
            kept.iter()
                .map(|event| event.event_id.clone())
                .eq(expected.map(|id| format!("o-{id}"))),
            "each once, in the order sent"
        );
    }

    #[test]
    fn one_bad_event_refuses_its_whole_batch() {
        let service = Service::start();
        let mut sent = thousand();
        sent[999] = r#"{"topic":"orders","event_id":"","payload":1}"#.to_owned();
        let answer = service.client.try_publish("", Shape::Array.body(&sent));
        assert_eq!(answer.expect("an answer").status, 422);
        assert_eq!(service.client.stats().received, 0);
    }
}

mod persistence {
    use super::*;

    #[test]
    fn duplicates_are_still_known_after_a_restart() {
        let mut service = Service::start();
        let sent = [event("orders", "1", "{}"), event("users", "2", "[]")];
        service.client.publish(Shape::Array.body(&sent));
        service.restart();
        let receipt = service.client.publish(Shape::Array.body(&sent));
        assert_eq!((receipt.unique, receipt.duplicates), (0, 2));
        service.restart();
        service.client.publish(event("orders", "3", "{}"));
        assert_eq!(service.client.stats().counts(), (5, 3, 2, 0));
        assert_eq!(ids(&service, ""), ["1", "2", "3"]);
    }

    #[test]
    fn events_and_figures_survive_a_restart() {
        let mut service = Service::start();
        let sent: Vec<String> = (0..300)
            .map(|id| event(["a", "b", "c"][id % 3], &id.to_string(), "{}"))
            .collect();
        service.client.publish(Shape::Array.body(&sent));
        service.client.publish(Shape::Array.body(&sent[..40]));
        let (before, events) = (service.client.settled(), ids(&service, ""));
        service.restart();
        let after = service.client.settled();
        assert_eq!(after.counts(), before.counts());
        assert_eq!(after.topics, before.topics);
        assert_eq!(after.fold_hash, before.fold_hash);
        assert_eq!(ids(&service, ""), events);
        assert!(
            after.uptime < 60.0,
            "uptime is the process's, not the store's"
        );
    }
}
