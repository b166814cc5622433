//! How large things may be: what one server admits, and what never changes.

/// The most bytes of a topic, an event id, a source or a timestamp.
pub const NAME_BYTES_MAX: usize = 256;
/// The most levels of arrays and objects in a payload.
pub const PAYLOAD_DEPTH_MAX: usize = 128;
/// The most errors that one answer lists; the others are counted.
pub const ERRORS_LISTED_MAX: usize = 100;

/// What one server admits. The log's format has limits of its own, so a log outlives
/// any change of these.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct EventLimits {
    /// The most bytes of a request body. Enforced by whoever reads the body: the rules
    /// for events do not look at it.
    pub body_bytes: usize,
    /// The most bytes of one event: the sum of its members, as kept.
    pub event_bytes: usize,
    /// The most events of one batch.
    pub events_per_batch: usize,
}

impl Default for EventLimits {
    fn default() -> EventLimits {
        EventLimits {
            body_bytes: 32 << 20,
            event_bytes: 32 << 20,
            events_per_batch: 100_000,
        }
    }
}
