//! The fold: the pure function from the log to verdicts. No clock, no randomness, no
//! configuration that is not written in the log itself.
//!
//! Its state is [`FoldState`] (counters and the running hash) and the set of known
//! keys, which the `delta` and the stored index hold between them.

use std::fmt;

use super::digest::{CanonicalDigest, KeyDigest, PayloadDigest, digests_of};
use crate::event::{Event, KeyRule, Seq};

pub use super::logged::{LoggedArrival, LoggedPayload, PayloadUnreadable, Payloads, canonical_of};
/// The version of the rules in this file and in `canonical`, written in every segment.
pub use crate::log::format::FOLD_VERSION;

/// What became of an event. Hashed and persisted: the discriminants never change.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Verdict {
    /// The first with its key: kept.
    Stored = 1,
    /// The key is known, with an equal payload: a retry.
    Duplicate = 2,
    /// The key is known, with another payload: the first one stays.
    Conflict = 3,
    /// Its bytes are gone: `repair` left a hole here.
    Lost = 4,
}

/// One event as the fold sees it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The digest of its dedup key.
    pub key: KeyDigest,
    /// The digest of its payload.
    pub payload: PayloadDigest,
    /// Its topic: a position in [`Arrivals::topics`].
    pub topic: u32,
}

/// The events of one frame as the fold sees them; made from a batch before it is
/// written, and from the decoded frame on replay: the fold cannot tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// In the order of the frame.
    pub list: Vec<Arrival>,
    /// The different topics of the frame, in order of first appearance.
    pub topics: Vec<Box<str>>,
    /// Of an `erased` frame, where the payloads themselves are gone: one for each event, in the
    /// order of `list`. Else empty.
    pub canonicals: Vec<CanonicalDigest>,
}

impl Arrivals {
    /// Hashes these events.
    pub fn of<'e>(rule: KeyRule, events: impl IntoIterator<Item = &'e Event<'e>>) -> Arrivals {
        let events: Vec<&Event<'_>> = events.into_iter().collect();
        let mut topics = Vec::<Box<str>>::new();
        let mut positions = hashbrown::HashMap::<&str, u32>::new();
        let digests = digests_of(rule, &events);
        let list = events
            .iter()
            .zip(digests)
            .map(|(event, (key, payload))| {
                let topic = *positions.entry(&event.topic).or_insert_with(|| {
                    topics.push(event.topic.as_ref().into());
                    topics.len() as u32 - 1
                });
                Arrival {
                    key,
                    payload,
                    topic,
                }
            })
            .collect();
        Arrivals {
            list,
            topics,
            canonicals: Vec::new(),
        }
    }

    /// What they take in memory, about.
    pub fn memory_bytes(&self) -> usize {
        let names = self
            .topics
            .iter()
            .map(|name| size_of::<Box<str>>() + name.len());
        self.list.len() * size_of::<Arrival>()
            + names.sum::<usize>()
            + self.canonicals.len() * size_of::<CanonicalDigest>()
    }
}

/// What one frame does to the fold.
#[derive(Copy, Clone, Debug)]
pub enum FoldInput<'a> {
    /// An `events` or `erased` frame.
    Arrivals(&'a Arrivals),
    /// A `hole` of this many seqs.
    Hole(u64),
}

impl FoldInput<'_> {
    /// How many seqs the frame takes.
    pub fn count(&self) -> u64 {
        match self {
            FoldInput::Arrivals(arrivals) => arrivals.list.len() as u64,
            FoldInput::Hole(count) => *count,
        }
    }
}

/// An event with its verdict.
#[derive(Copy, Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Judged {
    /// Its arrival number.
    pub seq: Seq,
    /// What became of it.
    pub verdict: Verdict,
    /// The first seq with this key: its own when stored, zero when lost.
    pub original_seq: Seq,
}

/// What is known of a key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// The seq of the event that was stored.
    pub seq: Seq,
    /// The digest of its payload.
    pub payload: PayloadDigest,
}

/// The verdict on an arrival whose key is known with another payload digest.
pub fn verdict_on_differing(again: CanonicalDigest, first: CanonicalDigest) -> Verdict {
    if again == first {
        Verdict::Duplicate
    } else {
        Verdict::Conflict
    }
}

/// The running hash over all verdicts: two stores that received the same events in
/// the same order agree, and so do an index and its rebuild.
#[derive(Copy, Clone, PartialEq, Eq)]
pub struct FoldHash(pub [u8; 32]);

impl FoldHash {
    fn with(
        self,
        seq: Seq,
        key: KeyDigest,
        payload: PayloadDigest,
        verdict: Verdict,
        last: u64,
    ) -> FoldHash {
        // The hash so far is the key, so that one block of BLAKE3 takes it all.
        let mut record = [0u8; 8 + 16 + 16 + 1 + 8];
        record[..8].copy_from_slice(&seq.get().to_le_bytes());
        record[8..24].copy_from_slice(&key.0);
        record[24..40].copy_from_slice(&payload.0);
        record[40] = verdict as u8;
        record[41..].copy_from_slice(&last.to_le_bytes());
        FoldHash(*blake3::keyed_hash(&self.0, &record).as_bytes())
    }
}

impl fmt::Display for FoldHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FoldHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How many events had which fate. `received` is their sum and the applied watermark.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kept.
    pub unique: u64,
    /// Not kept because their key was known, conflicts among them.
    pub duplicates: u64,
    /// Those of the duplicates whose payload differed.
    pub conflicts: u64,
    /// In holes.
    pub lost: u64,
}

impl Counters {
    /// All events that were judged.
    pub fn received(&self) -> u64 {
        self.unique + self.duplicates + self.lost
    }
}

/// Counters and hash: what the fold carries from frame to frame, keys apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct FoldState {
    /// How many of which verdict.
    pub counters: Counters,
    /// Over all verdicts so far.
    pub hash: FoldHash,
}

impl Default for FoldState {
    fn default() -> FoldState {
        FoldState {
            counters: Counters::default(),
            hash: FoldHash([0; 32]),
        }
    }
}

impl FoldState {
    /// The last seq that was judged.
    pub fn applied(&self) -> Seq {
        Seq::new(self.counters.received())
    }

    /// Takes one judged event: h′ = BLAKE3 keyed with h over seq ‖ key ‖ payload ‖ verdict ‖
    /// original seq, numbers as u64 little-endian, the verdict as one byte. The first h is
    /// zeros.
    pub fn take(&mut self, judged: Judged, key: KeyDigest, payload: PayloadDigest) {
        debug_assert_eq!(
            judged.seq,
            self.applied().next(),
            "seqs are judged in order"
        );
        self.hash = self.hash.with(
            judged.seq,
            key,
            payload,
            judged.verdict,
            judged.original_seq.get(),
        );
        match judged.verdict {
            Verdict::Stored => self.counters.unique += 1,
            Verdict::Duplicate => self.counters.duplicates += 1,
            Verdict::Conflict => {
                self.counters.duplicates += 1;
                self.counters.conflicts += 1;
            }
            Verdict::Lost => self.counters.lost += 1,
        }
    }

    /// Takes a hole in one step, however long a frame says it is: hashed like an event
    /// with digests of zeros, verdict `Lost`, and the count in place of the original seq. So
    /// one hole of two seqs and two holes of one hash differently: the one exception to the
    /// rule that frame boundaries do not matter, and holes are no publisher's doing.
    pub fn take_hole(&mut self, count: u64) {
        let first = self.applied().next();
        self.hash = self.hash.with(
            first,
            KeyDigest([0; 16]),
            PayloadDigest([0; 16]),
            Verdict::Lost,
            count,
        );
        self.counters.lost = self.counters.lost.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::PayloadKind;

    fn judged(seq: u64, verdict: Verdict, original: u64) -> Judged {
        Judged {
            seq: Seq::new(seq),
            verdict,
            original_seq: Seq::new(original),
        }
    }

    fn state(verdicts: &[Judged]) -> FoldState {
        let mut state = FoldState::default();
        for one in verdicts {
            let byte = one.original_seq.get() as u8;
            state.take(*one, KeyDigest([byte; 16]), PayloadDigest([byte; 16]));
        }
        state
    }

    #[test]
    fn the_hash_tells_apart_verdicts_and_originals_and_is_frozen() {
        let stored = judged(1, Verdict::Stored, 1);
        let other = judged(2, Verdict::Stored, 2);
        let again = |verdict, original| state(&[stored, other, judged(3, verdict, original)]).hash;
        let duplicate = again(Verdict::Duplicate, 1);
        assert_ne!(duplicate, again(Verdict::Conflict, 1));
        assert_ne!(duplicate, again(Verdict::Duplicate, 2));
        assert_eq!(duplicate, again(Verdict::Duplicate, 1));
        assert_eq!(
            duplicate.to_string(),
            "e2834512d6bf2282b109cf2f35609b70daa00b120c7deb8538f1047d241052fa"
        );
    }

    #[test]
    fn a_conflict_counts_among_the_duplicates_too_and_all_is_conserved() {
        let mut state = state(&[
            judged(1, Verdict::Stored, 1),
            judged(2, Verdict::Duplicate, 1),
            judged(3, Verdict::Conflict, 1),
        ]);
        state.take_hole(7);
        assert_eq!(
            state.counters,
            Counters {
                unique: 1,
                duplicates: 2,
                conflicts: 1,
                lost: 7
            }
        );
        assert_eq!(state.counters.received(), 10);
        assert_eq!(state.applied(), Seq::new(10));
    }

    #[test]
    fn payloads_of_different_kinds_are_never_equal() {
        let (json, bytes) = (PayloadKind::Json, PayloadKind::Bytes);
        assert_ne!(
            PayloadDigest::of(json, b"1"),
            PayloadDigest::of(bytes, b"1")
        );
        let canonical = |kind| LoggedPayload::Sent(kind, b"1".to_vec()).canonical();
        let verdict = verdict_on_differing(canonical(json), canonical(bytes));
        assert_eq!(verdict, Verdict::Conflict);
    }
}
