//! The store, what is typed, and what is said without what differs from run to run.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, Shape};
use crate::process::{Oncelog, command, run_command};
use crate::publish::real_events;
use crate::snapshot;
use crate::store;

/// Members of JSON that each run has of its own.
const OF_THE_RUN: [&str; 28] = [
    "at",
    "bytes",
    "disk_free_bytes",
    "durable_up_to",
    "end",
    "fold_seconds",
    "frame_bytes",
    "frames",
    "free_bytes",
    "goes_on_at",
    "header_crc",
    "index_bytes",
    "lock",
    "log_id",
    "made_at",
    "made_at_us",
    "needed_bytes",
    "offset",
    "payload_crc",
    "received_at",
    "received_at_us",
    "first_received_at",
    "last_received_at",
    "runs",
    "segment_bytes",
    "used_bytes",
    "proven_seq",
    "version",
];

pub(crate) struct Scene {
    store: TempDir,
    other: TempDir,
    id: String,
    topic: String,
}

impl Scene {
    /// The first twelve real events, some of them again, and one id with another payload. Stopped.
    pub(crate) fn new() -> Scene {
        let store = tempfile::tempdir().expect("a directory");
        let other = tempfile::tempdir().expect("a directory");
        let server = Oncelog::start(store.path());
        let client = Client::new(server.address);
        let text = fs::read_to_string(real_events()).expect("the real events");
        let events: Vec<&str> = text.lines().take(12).collect();
        let mut sixth: Value = serde_json::from_str(events[5]).expect("JSON");
        let word = |name: &str| sixth[name].as_str().expect("text").to_owned();
        let (id, topic) = (word("event_id"), word("topic"));
        sixth["payload"] = json!({ "another": "payload" });
        let conflict = sixth.to_string();
        let mut receipts = String::new();
        for batch in [
            &events[..4],
            &events[4..8],
            &[events[8], events[1], events[9]],
            &[&conflict, events[10], events[5], events[11]],
        ] {
            let answer = client.try_publish("?receipts=all", Shape::Array.body(batch));
            receipts += &(answer.expect("an answer").ok().text + "\n");
        }
        client.settled();
        assert_eq!(server.terminate().code, Some(0));
        fs::write(other.path().join("receipts"), receipts).expect("a file");
        Scene {
            store,
            other,
            id,
            topic,
        }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.store.path()
    }

    /// In the batch that the event with the conflict came in.
    pub(crate) fn damage(&self) {
        store::damage(self.store.path(), 6);
    }

    /// Runs what is typed, which must end with this code; gives stdout and stderr.
    #[track_caller]
    pub(crate) fn says(&self, line: &[&str], code: i32) -> (String, String) {
        let path = |name: &str| self.other.path().join(name).display().to_string();
        let (receipts, tmp) = (path("receipts"), path(""));
        let typed = line.iter().map(|word| match *word {
            "RECEIPTS" => &receipts,
            "TMP" => &tmp,
            "ID" => &self.id,
            "TOPIC" => &self.topic,
            word => word,
        });
        let mut command = command();
        command.args(typed).arg("--data-dir").arg(self.store.path());
        let ended = run_command(command);
        let out = String::from_utf8(ended.stdout).expect("UTF-8");
        assert_eq!(ended.code, Some(code), "{line:?}: {out}{}", ended.stderr);
        let own = |text: &str| {
            let text = text.replace(&self.store.path().display().to_string(), "<dir>");
            self.without_log_id(&text)
        };
        let out = match line.contains(&"--json") {
            true => out.lines().map(|line| pretty(&own(line))).collect(),
            false => own(&out).lines().filter_map(line_of_text).collect(),
        };
        (out, own(&ended.stderr))
    }

    fn without_log_id(&self, text: &str) -> String {
        let meta = fs::read(self.store.path().join("log/log.meta")).expect("log.meta");
        let id: String = meta[16..32]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        text.replace(&id, "<log>")
    }
}

/// A member a line; nothing of a mark, which may come between any two batches.
fn pretty(line: &str) -> String {
    let mut value: Value = serde_json::from_str(line).expect("JSON");
    if value["type"] == "mark" {
        return String::new();
    }
    mask(&mut value);
    serde_json::to_string_pretty(&value).expect("JSON") + "\n"
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    // Of the event, whatever is in it.
                    "payload" => {}
                    name if OF_THE_RUN.contains(&name) && !value.is_null() => *value = json!("*"),
                    "kept_in" if value.is_string() => *value = json!("*"),
                    // The system's temporary directory.
                    "room_to_verify" => *value = json!("*"),
                    _ => mask(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        _ => {}
    }
}

fn line_of_text(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let masked = match words.as_slice() {
        _ if words.contains(&"mark") => return None,
        ["disk", ..] => "disk        <free>".to_owned(),
        ["room", ..] => "room        <sizes>".to_owned(),
        [.., "to", "verify", "it,", "where", _, _, "are", "free"] => {
            "            <sizes>".to_owned()
        }
        ["set", "aside", _, _, _, "which", ..] => {
            "set aside   <sizes>, which a repair has kept".to_owned()
        }
        ["oncelog", _] => "oncelog     <version>".to_owned(),
        [_, "segments,", ..] | ["schema", ..] => "            <sizes>".to_owned(),
        ["format", ..] => "            <sizes>".to_owned(),
        _ if line.starts_with("the index is rebuilt ") => {
            let (before, _) = line.split_once("; ")?;
            format!("{before}; <sizes>")
        }
        _ => words_masked(line),
    };
    Some(masked + "\n")
}

/// `name=value` of the run, and the name of the directory for what is set aside.
fn words_masked(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.split_once('=') {
        Some((name, _)) if OF_THE_RUN.contains(&name) => format!("{name}=*"),
        _ => match word.split_once("set-aside-") {
            Some((before, _)) => format!("{before}set-aside-*"),
            None => word.to_owned(),
        },
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Compares with the file of this name.
#[track_caller]
pub(crate) fn is_as_before(name: &str, said: &str) {
    snapshot::is_as_before("tools", name, said.as_bytes());
}
