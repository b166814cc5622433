//! What is read back from the log: payloads, when two must be compared, and the digests of what
//! arrived.

use super::canonical::canonical_digest;
use super::digest::{CanonicalDigest, KeyDigest, PayloadDigest};
use crate::event::{PayloadKind, Seq};

/// A payload as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedPayload {
    /// As sent.
    Sent(PayloadKind, Vec<u8>),
    /// Dropped by retention; its canonical digest stays.
    Erased(CanonicalDigest),
}

impl LoggedPayload {
    pub(super) fn canonical(&self) -> CanonicalDigest {
        match self {
            LoggedPayload::Sent(kind, bytes) => canonical_digest(*kind, bytes),
            LoggedPayload::Erased(digest) => *digest,
        }
    }
}

/// The digests of an event that the log has.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct LoggedArrival {
    /// Its arrival number.
    pub seq: Seq,
    /// The digest of its dedup key.
    pub key: KeyDigest,
    /// The digest of its payload.
    pub payload: PayloadDigest,
}

/// Reads events by seq; the log is the only one who has them.
pub trait Payloads {
    /// The payload of one event that is durable.
    ///
    /// # Errors
    /// An I/O error or damage, which stops the line; never a verdict.
    fn payload(&self, seq: Seq) -> Result<LoggedPayload, PayloadUnreadable>;

    /// The arrivals that are durable, in order of seq, from the start of the frame that holds
    /// `from` to the end of the one that holds `upto`; or not that far, if it would take long.
    /// Those in holes are left out. `None` where they cannot be read: who asks does without.
    fn arrivals(&self, from: Seq, upto: Seq) -> Option<Vec<LoggedArrival>> {
        let _ = (from, upto);
        None
    }

    /// Whether somebody wants the work to be broken off: it is done again from its start later.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// A payload that the fold must compare could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the payload of event {seq} cannot be read: {source}")]
pub struct PayloadUnreadable {
    /// Whose payload.
    pub seq: Seq,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The canonical digest of the payload that the log has at this seq.
///
/// # Errors
/// [`PayloadUnreadable`].
pub fn canonical_of(
    seq: Seq,
    payloads: &dyn Payloads,
) -> Result<CanonicalDigest, PayloadUnreadable> {
    Ok(payloads.payload(seq)?.canonical())
}
