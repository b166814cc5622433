//! The payloads of frames: bincode of the structs that `format` describes. Nobody but this
//! file names bincode.
//!
//! bincode is pinned to 1.3.3. It is no longer developed (RUSTSEC-2025-0141): these bytes
//! do not change with it, and the format is described well enough to be read without it.

use std::borrow::Cow;

use bincode::Options;
use serde::{Deserialize, Serialize};

use super::format::FRAME_PAYLOAD_BYTES_MAX;
use super::plain_events::plain_events;
use crate::event::{Attributes, Batch, Event, PayloadKind};

type Pairs<'a> = Vec<(&'a str, &'a str)>;

#[derive(Serialize, Deserialize)]
struct EventsPayload<'a> {
    #[serde(borrow)]
    attributes: Pairs<'a>,
    #[serde(borrow)]
    events: Vec<EventRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct EventRecord<'a> {
    topic: &'a str,
    event_id: &'a str,
    source: &'a str,
    timestamp: Option<&'a str>,
    kind: u8,
    #[serde(with = "serde_bytes")]
    payload: &'a [u8],
    #[serde(borrow)]
    attributes: Pairs<'a>,
}

#[derive(Serialize, Deserialize)]
struct ErasedPayload<'a> {
    #[serde(borrow)]
    topics: Vec<&'a str>,
    events: Vec<ErasedEvent>,
}

/// What retention leaves of an event. Its bytes are part of the format.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedEvent {
    /// Place in [`Erased::topics`].
    pub topic: u32,
    /// The verdict's number.
    pub verdict: u8,
    /// Digest of the dedup key.
    pub key: [u8; 16],
    /// Digest of the payload.
    pub payload: [u8; 16],
    /// Digest of the payload's canonical form.
    pub canonical: [u8; 32],
}

/// The content of an `erased` frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased<'a> {
    /// The topics of its events.
    pub topics: Vec<&'a str>,
    /// Its events.
    pub events: Vec<ErasedEvent>,
}

/// A payload whose CRC is right and which is still not what its frame says.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Not the struct that it should be.
    #[error("the payload does not decode: {0}")]
    Undecodable(#[from] bincode::Error),
    /// A number that this version does not know.
    #[error("payload kind {0}")]
    UnknownKind(u8),
    /// The header says otherwise.
    #[error("the header says {header} events and the payload has {payload}")]
    Count {
        /// By the header.
        header: u32,
        /// By the payload.
        payload: usize,
    },
    /// It ends within an event.
    #[error("the payload ends within an event")]
    Cut,
    /// It goes on behind its last event.
    #[error("bytes follow the last event")]
    Trailing,
    /// A verdict that is none.
    #[error("verdict {0}")]
    UnknownVerdict(u8),
    /// A topic that is not in the frame's list.
    #[error("topic {0} is not in the frame's list")]
    UnknownTopic(u32),
}

fn options() -> impl Options {
    // Little-endian, variable-length integers and no trailing bytes are its defaults.
    bincode::DefaultOptions::new().with_limit(FRAME_PAYLOAD_BYTES_MAX as u64)
}

/// The payload of an `events` frame.
///
/// # Errors
/// [`CodecError::Undecodable`] when it would be longer than the format allows.
pub fn encode_events(batch: &Batch<'_>) -> Result<Vec<u8>, CodecError> {
    encode_any_events(batch.events())
}

/// The same of any events, also of those that are not admitted.
pub(crate) fn encode_any_events(events: &[Event<'_>]) -> Result<Vec<u8>, CodecError> {
    let payload = EventsPayload {
        attributes: Vec::new(),
        events: events.iter().map(record_of).collect(),
    };
    // One event more costs about its own text and ten bytes.
    let estimate: usize = payload.events.iter().map(|e| e.payload.len() + 160).sum();
    let mut bytes = Vec::with_capacity(estimate);
    // With a limit bincode goes over all of it twice, once only to find out its length.
    options()
        .with_no_limit()
        .serialize_into(&mut bytes, &payload)?;
    if bytes.len() > FRAME_PAYLOAD_BYTES_MAX {
        return Err(bincode::Error::from(bincode::ErrorKind::SizeLimit).into());
    }
    Ok(bytes)
}

/// The events in the payload of an `events` frame; they borrow its bytes.
///
/// # Errors
/// [`CodecError`] when it is not what `encode_events` makes of `count` events.
pub fn decode_events(payload: &[u8], count: u32) -> Result<Vec<Event<'_>>, CodecError> {
    match plain_events(payload, count) {
        Some(events) => Ok(events),
        None => decode_events_by_bincode(payload, count),
    }
}

/// The same by bincode alone: what it says of a payload is what holds.
pub(crate) fn decode_events_by_bincode(
    payload: &[u8],
    count: u32,
) -> Result<Vec<Event<'_>>, CodecError> {
    let payload: EventsPayload<'_> = options().deserialize(payload)?;
    check_count(count, payload.events.len())?;
    payload.events.into_iter().map(event_of).collect()
}

/// The event that is these bytes, found by `event_bounds`.
///
/// # Errors
/// [`CodecError`] when it is not, to the last byte, what `encode_events` made of one.
pub fn decode_event(bytes: &[u8]) -> Result<Event<'_>, CodecError> {
    event_of(options().deserialize(bytes)?)
}

/// The payload of an `erased` frame.
///
/// # Errors
/// [`CodecError::Undecodable`] when it would be longer than the format allows.
pub fn encode_erased(erased: &Erased<'_>) -> Result<Vec<u8>, CodecError> {
    Ok(options().serialize(&ErasedPayload {
        topics: erased.topics.clone(),
        events: erased.events.clone(),
    })?)
}

/// The content of an `erased` frame.
///
/// # Errors
/// [`CodecError`] when it is not what `encode_erased` makes of `count` events.
pub fn decode_erased(payload: &[u8], count: u32) -> Result<Erased<'_>, CodecError> {
    let ErasedPayload { topics, events } = options().deserialize(payload)?;
    check_count(count, events.len())?;
    match events
        .iter()
        .find(|event| event.topic as usize >= topics.len())
    {
        Some(event) => Err(CodecError::UnknownTopic(event.topic)),
        None => Ok(Erased { topics, events }),
    }
}

pub(super) fn check_count(header: u32, payload: usize) -> Result<(), CodecError> {
    if header as usize == payload {
        Ok(())
    } else {
        Err(CodecError::Count { header, payload })
    }
}

fn record_of<'e>(event: &'e Event<'e>) -> EventRecord<'e> {
    EventRecord {
        topic: &event.topic,
        event_id: &event.event_id,
        source: &event.source,
        timestamp: event.timestamp.as_deref(),
        kind: event.kind as u8,
        payload: event.payload,
        attributes: event
            .attributes
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect(),
    }
}

fn event_of(record: EventRecord<'_>) -> Result<Event<'_>, CodecError> {
    let kind = match record.kind {
        0 => PayloadKind::Json,
        1 => PayloadKind::Bytes,
        other => return Err(CodecError::UnknownKind(other)),
    };
    Ok(Event {
        topic: Cow::Borrowed(record.topic),
        event_id: Cow::Borrowed(record.event_id),
        source: Cow::Borrowed(record.source),
        timestamp: record.timestamp.map(Cow::Borrowed),
        kind,
        payload: record.payload,
        attributes: borrowed(record.attributes),
    })
}

fn borrowed(pairs: Pairs<'_>) -> Attributes<'_> {
    pairs
        .into_iter()
        .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)))
        .collect()
}
