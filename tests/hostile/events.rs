//! Well-formed bodies whose events break rules.

use serde_json::{Value, json};

use crate::bodies::{EVENTS_MAX, with_payload};
use crate::bystander::Bystander;
use crate::target::Target;

/// The most errors that an answer lists.
const LISTED_MAX: usize = 100;

/// Each error as its code and its pointer.
fn codes_and_pointers(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().expect("errors");
    let text = |error: &'_ Value, name: &str| error[name].as_str().is_some();
    assert!(
        errors.iter().all(|error| text(error, "detail")),
        "{problem}"
    );
    errors
        .iter()
        .filter_map(|error| Some((error["code"].as_str()?, error["pointer"].as_str()?)))
        .collect()
}

#[test]
fn each_broken_rule_is_named_with_its_place_and_the_batch_is_not_kept() {
    let target = Target::start();
    let good = |member: &str, value: Value| {
        let mut event = json!({"topic": "a", "event_id": "1", "payload": 1});
        event[member] = value;
        event
    };
    let without = |member: &str| {
        let mut event = good("source", json!("s"));
        event.as_object_mut().expect("an object").remove(member);
        event
    };
    let long = "x".repeat(257);
    let wide = "ü".repeat(129);
    for (event, code, pointer) in [
        (good("topic", json!("")), "invalid_topic", "/0/topic"),
        (good("topic", json!(long)), "invalid_topic", "/0/topic"),
        (good("topic", json!(wide)), "invalid_topic", "/0/topic"),
        (good("topic", json!("a\nb")), "invalid_topic", "/0/topic"),
        (good("topic", json!("a\0")), "invalid_topic", "/0/topic"),
        (good("topic", json!("\u{7f}")), "invalid_topic", "/0/topic"),
        (good("topic", json!("\u{85}")), "invalid_topic", "/0/topic"),
        (good("topic", json!(1)), "wrong_type", "/0/topic"),
        (good("topic", json!(null)), "wrong_type", "/0/topic"),
        (without("topic"), "missing_field", "/0/topic"),
        (
            good("event_id", json!("")),
            "invalid_event_id",
            "/0/event_id",
        ),
        (
            good("event_id", json!(long)),
            "invalid_event_id",
            "/0/event_id",
        ),
        (
            good("event_id", json!("\u{1b}[2J")),
            "invalid_event_id",
            "/0/event_id",
        ),
        (good("event_id", json!(17)), "wrong_type", "/0/event_id"),
        (good("event_id", json!(["1"])), "wrong_type", "/0/event_id"),
        (without("event_id"), "missing_field", "/0/event_id"),
        (without("payload"), "missing_field", "/0/payload"),
        (good("source", json!(long)), "invalid_source", "/0/source"),
        (good("source", json!("\r")), "invalid_source", "/0/source"),
        (good("source", json!({})), "wrong_type", "/0/source"),
        (
            good("timestamp", json!("yesterday")),
            "invalid_timestamp",
            "/0/timestamp",
        ),
        (
            good("timestamp", json!("")),
            "invalid_timestamp",
            "/0/timestamp",
        ),
        (
            good("timestamp", json!("2024-02-30T00:00:00Z")),
            "invalid_timestamp",
            "/0/timestamp",
        ),
        (
            good("timestamp", json!("9".repeat(1 << 20))),
            "invalid_timestamp",
            "/0/timestamp",
        ),
        (
            good("timestamp", json!(1_700_000_000)),
            "wrong_type",
            "/0/timestamp",
        ),
        (good("Topic", json!("a")), "unknown_field", "/0/Topic"),
        (good("a/b~c", json!(1)), "unknown_field", "/0/a~1b~0c"),
        (good("", json!(1)), "unknown_field", "/0/"),
        (json!("an event"), "wrong_type", "/0"),
        (json!(null), "wrong_type", "/0"),
        (json!([]), "wrong_type", "/0"),
    ] {
        let problem = target.refuses("", json!([event]).to_string(), 422, "invalid_events");
        assert_eq!(codes_and_pointers(&problem), [(code, pointer)], "{problem}");
        assert_eq!(problem["errors"][0]["index"], 0);
        assert_eq!(problem["errors_total"], 1);
    }
    for lone in [r#""\ud800""#, r#""\udc00\ud800""#, r#""a\udfff""#] {
        let body = with_payload("1", "1").replace("\"a\"", lone);
        target.refuses("", body, 422, "invalid_events");
    }
}

#[test]
fn a_body_that_holds_no_events_is_told_what_is_wrong_with_it() {
    let target = Target::start();
    for body in ["[]", r#"{"events":[]}"#] {
        target.refuses("", body, 422, "empty_batch");
        target.refuses("invalid=skip", body, 422, "empty_batch");
    }
    for (body, code, pointer) in [
        ("7", "wrong_type", ""),
        (r#""events""#, "wrong_type", ""),
        (r#"{"events":{}}"#, "wrong_type", "/events"),
        (r#"{"events":null}"#, "wrong_type", "/events"),
        (r#"{"events":[],"more":1}"#, "unknown_field", "/more"),
        (r#"{"events":[],"topic":"a"}"#, "unknown_field", "/topic"),
    ] {
        for query in ["", "invalid=skip"] {
            let problem = target.refuses(query, body, 422, "invalid_events");
            assert_eq!(codes_and_pointers(&problem), [(code, pointer)], "{problem}");
            assert_eq!(problem["errors"][0]["index"], Value::Null);
        }
    }
}

#[test]
fn all_faults_of_a_batch_are_listed_and_one_refuses_all_of_it() {
    let target = Target::start();
    let good = with_payload("1", "1");
    let body = format!(
        r#"{{"events":[{good},{{"topic":"","event_id":2,"payload":1}},{good},{{}},7,{good}]}}"#
    );
    let problem = target.refuses("", body, 422, "invalid_events");
    let found: Vec<_> = problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .collect();
    let found: Vec<Value> = found
        .into_iter()
        .map(|error| json!([error["index"], error["code"], error["pointer"]]))
        .collect();
    assert_eq!(
        json!(found),
        json!([
            [1, "wrong_type", "/events/1/event_id"],
            [1, "invalid_topic", "/events/1/topic"],
            [3, "missing_field", "/events/3/topic"],
            [3, "missing_field", "/events/3/event_id"],
            [3, "missing_field", "/events/3/payload"],
            [4, "wrong_type", "/events/4"],
        ])
    );
    assert_eq!(problem["errors_total"], 6);
}

#[test]
fn a_flood_of_faults_gets_a_short_answer() {
    let target = Target::start();
    let bystander = Bystander::start(&target);
    let long = "x".repeat(200);
    let unknown: Vec<String> = (0..500_000)
        .map(|name| format!("\"{name}{long:.40}\":0"))
        .collect();
    for (body, least) in [
        (
            format!("[{}]", vec!["{}"; EVENTS_MAX].join(",")),
            3 * EVENTS_MAX,
        ),
        (
            format!(
                "[{}]",
                vec![format!("{{\"{long}\":1}}"); EVENTS_MAX].join(",")
            ),
            4 * EVENTS_MAX,
        ),
        (format!("[{}]", vec!["0"; EVENTS_MAX].join(",")), EVENTS_MAX),
        (format!("{{{}}}", unknown.join(",")), unknown.len()),
    ] {
        let answer = target.publish("", body);
        let problem = answer.assert_problem(422, "invalid_events");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(LISTED_MAX));
        let total = problem["errors_total"].as_u64().expect("a number");
        assert!(total >= least as u64, "{total}");
        assert!(answer.text.len() < 100 << 10, "{} bytes", answer.text.len());
    }
    bystander.end();
    assert_eq!(target.server().get("/events?topic=a").text, "[]");
}

#[test]
fn skipping_keeps_the_good_events_as_one_batch_and_lists_the_refused() {
    let target = Target::start();
    let before = target.server().stats();
    let good = with_payload("1", "1");
    let body =
        format!(r#"[7,{good},{{}},{good},{{"topic":"a","event_id":"2","payload":2,"x":0}}]"#);
    let receipt = target.takes("invalid=skip", body);
    let after = target.server().wait_until_well();
    let batches = |stats: &Value| stats["log"]["batches"].as_u64().expect("a number");
    assert_eq!(batches(&after), batches(&before) + 1, "one batch");
    assert_eq!(receipt["received"], 2);
    // The places are those among the events sent.
    let duplicate = &receipt["receipts"][0];
    assert_eq!(
        (&duplicate["index"], &duplicate["verdict"]),
        (&json!(3), &json!("duplicate"))
    );
    assert_eq!(receipt["refused_total"], 3);
    assert_eq!(receipt["refused_indexes"], json!([0, 2, 4]));
    assert_eq!(receipt["refused_errors_total"], 5);
    assert_eq!(
        receipt["refused"][0],
        json!({
            "index": 0, "pointer": "/0", "code": "wrong_type",
            "detail": "an event must be an object, and this is a number",
        })
    );
    assert_eq!(receipt["refused"][4]["pointer"], "/4/x");
    target.refuses("invalid=skip", "[{},7]", 422, "invalid_events");

    let many = format!("[{good},{}]", vec!["0"; 150].join(","));
    let receipt = target.takes("invalid=skip", many);
    assert_eq!(
        receipt["refused"].as_array().map(Vec::len),
        Some(LISTED_MAX)
    );
    assert_eq!(receipt["refused_errors_total"], 150);
    assert_eq!(
        receipt["refused_indexes"].as_array().map(Vec::len),
        Some(150)
    );
}

#[test]
fn an_event_that_is_too_large_is_named() {
    let target = Target::with(&["--max-event", "1KiB"]);
    let large = with_payload("2", &format!("\"{}\"", "x".repeat(1 << 10)));
    let small = with_payload("1", "1");
    let problem = target.refuses("", format!("[{small},{large}]"), 413, "event_too_large");
    assert_eq!(codes_and_pointers(&problem), [("event_too_large", "/1")]);
    let receipt = target.takes("invalid=skip", format!("[{small},{large}]"));
    assert_eq!(receipt["refused"][0]["code"], "event_too_large");
}

#[test]
fn names_that_look_like_paths_or_markup_are_only_names() {
    let target = Target::start();
    let names = [
        "../../etc",
        "/etc/passwd",
        "..",
        "C:\\nul",
        "a%2fb",
        "grüße ✓ 東京 👩‍👩‍👧",
        "e\u{301}", // not normalised: not é
        "é",
        "'; DROP TABLE topics; --",
        "<script>alert(1)</script>",
        "${jndi:ldap://x}",
        "a&limit=1#x?y",
        "\u{202e}gnp",
        "\u{feff}",
        " ",
    ];
    let files = files_under(target.directory());
    for (no, name) in names.iter().enumerate() {
        let body = json!({"topic": name, "event_id": name, "source": name, "payload": no});
        let receipt = target.takes("", body.to_string());
        assert_eq!(receipt["unique"], 1, "{name}");
    }
    for (no, name) in names.iter().enumerate() {
        for filter in ["topic", "source"] {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let found = target
                .server()
                .get(&format!("/events?{filter}={encoded}"))
                .json();
            assert_eq!(found.as_array().map(Vec::len), Some(1), "{name}");
            assert_eq!(found[0]["payload"], no, "{name}");
            assert_eq!(found[0]["event_id"], *name);
        }
    }
    assert_eq!(
        files_under(target.directory()),
        files,
        "no file has such a name"
    );
}

fn files_under(directory: &std::path::Path) -> std::collections::BTreeSet<std::path::PathBuf> {
    let mut found = std::collections::BTreeSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}
