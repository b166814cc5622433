//! The keys that were found, each with its arrivals: as many as are told, and of the others how
//! many there are.

use std::collections::{HashMap, HashSet};

use super::asked::KeyName;
use crate::event::Seq;
use crate::index::NotStored;
use crate::index::digest::{CanonicalDigest, KeyDigest, PayloadDigest};
use crate::index::fold::{First, Payloads, Verdict, canonical_of, verdict_on_differing};
use crate::render::verdict::VerdictCounts;

/// How much is told.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Most {
    /// Keys, and of each arrivals, those first that came first.
    pub listed: usize,
    /// Differences between two payloads.
    pub differences: usize,
}

/// An arrival that was found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) seq: Seq,
    /// None where it cannot be judged, since the first payload cannot be read.
    pub(super) verdict: Option<Verdict>,
    pub(super) payload: PayloadDigest,
}

/// A key with its arrivals.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) key: KeyDigest,
    /// Where it is known; an erased event has only the digest.
    pub(super) name: Option<KeyName>,
    /// The arrival that was stored.
    pub(super) first: First,
    /// The first of its arrivals, and the one that is asked about.
    pub(super) listed: Vec<Met>,
    /// Of all of them.
    pub(super) counts: VerdictCounts,
    /// How many there are.
    pub(super) total: u64,
    /// The last one.
    pub(super) last: Seq,
}

/// All keys that were found, in order of their first arrivals.
#[derive(Debug)]
pub(super) struct Lives {
    most: Most,
    asked: Option<Seq>,
    pub(super) list: Vec<Life>,
    by_key: HashMap<KeyDigest, usize>,
    /// Those that are only counted.
    others: HashSet<KeyDigest>,
}

/// What arrived: the digest of its payload, and that of its value, which is worked out only when
/// it must be.
pub(super) struct Arrived<'a> {
    pub(super) seq: Seq,
    pub(super) key: KeyDigest,
    pub(super) payload: PayloadDigest,
    pub(super) canonical: &'a dyn Fn() -> CanonicalDigest,
}

impl Lives {
    pub(super) fn new(most: Most, asked: Option<Seq>) -> Lives {
        Lives {
            most,
            asked,
            list: Vec::new(),
            by_key: HashMap::new(),
            others: HashSet::new(),
        }
    }

    /// The seq that is asked about.
    pub(super) fn asked(&self) -> Option<Seq> {
        self.asked
    }

    /// How many keys there are, told or not.
    pub(super) fn total(&self) -> u64 {
        (self.list.len() + self.others.len()) as u64
    }

    /// Takes a key with the event that was stored under it, in the order of these.
    pub(super) fn begin(&mut self, key: KeyDigest, first: First, name: Option<KeyName>) {
        if self.list.len() >= self.most.listed.max(1) {
            self.others.insert(key);
            return;
        }
        self.by_key.insert(key, self.list.len());
        self.list.push(Life {
            key,
            name,
            first,
            listed: Vec::new(),
            counts: VerdictCounts::default(),
            total: 0,
            last: first.seq,
        });
        self.add(
            key,
            Met {
                seq: first.seq,
                verdict: Some(Verdict::Stored),
                payload: first.payload,
            },
        );
    }

    /// Takes an arrival that the index has as not stored, if it is of one of the keys told.
    pub(super) fn take_note(&mut self, note: &NotStored) {
        // There may be millions of others: their originals are told apart sooner than their keys.
        let original = note.judged.original_seq;
        let place = self
            .list
            .binary_search_by_key(&original, |life| life.first.seq);
        if place.is_ok() {
            self.add(
                note.key,
                Met {
                    seq: note.judged.seq,
                    verdict: Some(note.judged.verdict),
                    payload: note.payload,
                },
            );
        }
    }

    /// Takes an arrival that no index has judged, as the fold does.
    pub(super) fn judge(&mut self, arrived: &Arrived<'_>, payloads: &dyn Payloads) {
        let Arrived {
            seq, key, payload, ..
        } = *arrived;
        if self.others.contains(&key) {
            return;
        }
        let Some(place) = self.by_key.get(&key) else {
            return self.begin(key, First { seq, payload }, None);
        };
        let first = self.list[*place].first;
        let verdict = match first.payload == payload {
            true => Some(Verdict::Duplicate),
            false => canonical_of(first.seq, payloads)
                .ok()
                .map(|first| verdict_on_differing((arrived.canonical)(), first)),
        };
        self.add(
            key,
            Met {
                seq,
                verdict,
                payload,
            },
        );
    }

    fn add(&mut self, key: KeyDigest, met: Met) {
        let Some(place) = self.by_key.get(&key) else {
            return;
        };
        let life = &mut self.list[*place];
        life.total += 1;
        life.last = met.seq;
        match met.verdict {
            Some(Verdict::Stored) => life.counts.unique += 1,
            Some(Verdict::Duplicate) => life.counts.duplicate += 1,
            Some(Verdict::Conflict) => life.counts.conflict += 1,
            Some(Verdict::Lost) | None => {}
        }
        if life.listed.len() < self.most.listed.max(1) || self.asked == Some(met.seq) {
            life.listed.push(met);
        }
    }

    /// The keys that are told.
    pub(super) fn keys(&self) -> Vec<KeyDigest> {
        self.list.iter().map(|life| life.key).collect()
    }

    /// The seq of the first arrival of all that are told.
    pub(super) fn first_seq(&self) -> Option<Seq> {
        self.list.first().map(|life| life.first.seq)
    }
}
