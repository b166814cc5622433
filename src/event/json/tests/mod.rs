//! Bodies of a publish, and what is made of them.

mod bounds;
mod faults;
mod taken;

use super::{InvalidEvents, ParsedBatch, PublishRefusal, parse_publish};
use crate::event::{Event, EventError, EventLimits, RefusedEvents};

fn parse(body: &str) -> Result<ParsedBatch<'_>, PublishRefusal> {
    parse_publish(
        body.as_bytes(),
        &EventLimits::default(),
        InvalidEvents::Refuse,
    )
}

fn skip(body: &str) -> Result<ParsedBatch<'_>, PublishRefusal> {
    parse_publish(
        body.as_bytes(),
        &EventLimits::default(),
        InvalidEvents::Skip,
    )
}

fn events(body: &str) -> Vec<Event<'_>> {
    match parse(body) {
        Ok(parsed) => parsed.batch().events().to_vec(),
        Err(refusal) => panic!("{body}: {refusal}"),
    }
}

fn syntax_code(body: &[u8]) -> &'static str {
    match parse_publish(body, &EventLimits::default(), InvalidEvents::Skip) {
        Err(PublishRefusal::Syntax(error)) => error.code(),
        other => panic!("{}: {other:?}", String::from_utf8_lossy(body)),
    }
}

/// `index pointer code` of each error.
fn errors(body: &str) -> Vec<String> {
    match parse(body) {
        Err(PublishRefusal::Events(refused)) => listed(&refused),
        other => panic!("{body}: {other:?}"),
    }
}

fn listed(refused: &RefusedEvents) -> Vec<String> {
    let Some(errors) = refused.errors() else {
        return vec![refused.code().to_owned()];
    };
    let one = |error: &EventError| {
        let index = error
            .index
            .map_or("-".to_owned(), |index| index.to_string());
        format!("{index} {} {}", error.pointer, error.code)
    };
    errors.listed().iter().map(one).collect()
}

const GOOD: &str = r#"{"topic":"t","event_id":"1","payload":1}"#;
