//! Blocks of a generation's postings.
//!
//! ```text
//! CRC32 │ answers up to, not including: topic u64, seq u64 │ entry …
//! entry: topic − the entry's before │ seqs of the topic before these │ how many │ seq …
//! seq:   seq − the one before; the first − the last seq before the generation
//! ```
//!
//! What has no size is a varint. A block is found by its generation and the place from
//! which on it answers, which its CRC covers.

use std::ops::Range;

use super::super::error::IndexError;
use super::super::sealed::{self, Contents, Kind};
use super::generation::Generation;
use crate::event::Seq;

/// A place in the order of a generation's postings: by topic, then by seq.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::index) struct Place {
    /// The topic's number.
    pub(in crate::index) topic: u64,
    pub(in crate::index) seq: Seq,
}

impl Place {
    /// At which a generation begins.
    pub(in crate::index) const FIRST: Place = Place {
        topic: 0,
        seq: Seq::ZERO,
    };
    /// After all that there can be.
    pub(in crate::index) const END: Place = Place {
        topic: u64::MAX,
        seq: Seq::new(u64::MAX),
    };
}

/// Seqs of one topic that follow each other; at least one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::index) struct Entry<'b> {
    /// The topic's number.
    pub(in crate::index) topic: u64,
    /// How many of the topic's seqs come before, in all generations.
    pub(in crate::index) before: u64,
    /// Ascending.
    pub(in crate::index) seqs: &'b [Seq],
}

impl Entry<'_> {
    /// How many of the topic's seqs there are up to the end of this.
    pub(in crate::index) fn end(&self) -> u64 {
        self.before + self.seqs.len() as u64
    }
}

/// A block that was read. It answers for the places in `[from, to)`.
#[derive(Debug)]
pub(in crate::index) struct Block {
    pub(in crate::index) from: Place,
    pub(in crate::index) to: Place,
    entries: Vec<EntryHead>,
    seqs: Vec<Seq>,
}

#[derive(Debug)]
struct EntryHead {
    topic: u64,
    before: u64,
    seqs: Range<usize>,
}

impl Block {
    /// Reads a block that was found under this place of a generation.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when it is not that block, intact.
    pub(in crate::index) fn decode(
        generation: &Generation,
        from: Place,
        block: &[u8],
    ) -> Result<Block, IndexError> {
        let numbers = numbers(generation.number, from);
        let contents = sealed::open(Kind::Postings, numbers, block)?;
        Block::parse(generation, from, Contents(contents))
            .ok_or_else(|| sealed::malformed(Kind::Postings, numbers))
    }

    fn parse(generation: &Generation, from: Place, mut contents: Contents<'_>) -> Option<Block> {
        let to = Place {
            topic: contents.u64()?,
            seq: Seq::new(contents.u64()?),
        };
        let (mut entries, mut seqs) = (Vec::new(), Vec::with_capacity(contents.0.len()));
        let mut topic = 0u64;
        let mut last = None;
        while !contents.0.is_empty() {
            topic = topic.checked_add(contents.varint()?)?;
            let before = contents.varint()?;
            let count = contents.varint()?;
            let begin = seqs.len();
            let mut seq = generation.after;
            for _ in 0..count {
                seq = seq.plus(contents.varint()?);
                let place = Place { topic, seq };
                if last.is_some_and(|last| last >= place) {
                    return None;
                }
                last = Some(place);
                seqs.push(seq);
            }
            let inside = *seqs.get(begin)? > generation.after && seq <= generation.upto;
            before.checked_add(count).filter(|_| inside)?;
            entries.push(EntryHead {
                topic,
                before,
                seqs: begin..seqs.len(),
            });
        }
        let block = Block {
            from,
            to,
            entries,
            seqs,
        };
        let begins_right = block.entry(0).is_none_or(|entry| {
            let topic = entry.topic;
            let seq = entry.seqs[0];
            Place { topic, seq } >= from
        });
        let sound = from < to && begins_right && last.is_none_or(|last| last < to);
        sound.then_some(block)
    }

    /// The entry with this number, counted from 0.
    pub(in crate::index) fn entry(&self, number: usize) -> Option<Entry<'_>> {
        self.entries.get(number).map(|head| Entry {
            topic: head.topic,
            before: head.before,
            seqs: &self.seqs[head.seqs.clone()],
        })
    }

    /// What it has of a topic.
    pub(in crate::index) fn of_topic(&self, topic: u64) -> Option<Entry<'_>> {
        let number = self.entries.partition_point(|entry| entry.topic < topic);
        self.entry(number).filter(|entry| entry.topic == topic)
    }
}

/// What a block's CRC covers besides its contents.
pub(super) fn numbers(generation: u64, from: Place) -> [u64; 3] {
    [generation, from.topic, from.seq.get()]
}
