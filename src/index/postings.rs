//! Chunks of a topic's postings: the seqs of its stored events, in order.
//!
//! ```text
//! CRC32 │ seqs of the topic before these u64 │ how many u16 │ seq − the one before, varint …
//! ```
//!
//! A chunk is found by its topic and its first seq. How many seqs come before it chains
//! it to the chunk before, so a missing row is noticed.

use super::error::IndexError;
use super::sealed::{self, CRC_BYTES, Contents, Kind, put_varint};
use crate::event::Seq;

const HEADER_BYTES: usize = CRC_BYTES + 8 + 2;
const VARINT_BYTES_MAX: usize = 10;

/// A stretch of a topic's seqs; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The topic's number.
    pub(super) topic: u64,
    /// How many of the topic's seqs come before.
    pub(super) before: u64,
    /// Ascending.
    pub(super) seqs: Vec<Seq>,
}

impl Chunk {
    /// How many of the topic's seqs there are up to the end of this chunk.
    pub(super) fn end(&self) -> u64 {
        self.before + self.seqs.len() as u64
    }

    /// Cuts the seqs that follow `before` others into chunks of at most `limit_bytes`,
    /// each given to `write` with its first seq.
    ///
    /// # Errors
    /// What `write` returns.
    pub(super) fn write_all<E>(
        topic: u64,
        mut before: u64,
        seqs: &[Seq],
        limit_bytes: usize,
        mut write: impl FnMut(Seq, Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = seqs;
        while let Some(first) = rest.first() {
            let mut block = vec![0; HEADER_BYTES];
            let mut last = *first;
            let mut count = 0u16;
            for seq in rest {
                if block.len() + VARINT_BYTES_MAX > limit_bytes && count > 0 || count == u16::MAX {
                    break;
                }
                put_varint(&mut block, seq.since(last));
                last = *seq;
                count += 1;
            }
            block[CRC_BYTES..CRC_BYTES + 8].copy_from_slice(&before.to_le_bytes());
            block[CRC_BYTES + 8..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
            sealed::seal(Kind::Postings, [topic, first.get()], &mut block);
            write(*first, block)?;
            before += u64::from(count);
            rest = &rest[usize::from(count)..];
        }
        Ok(())
    }

    /// Reads a chunk that was found under this topic and first seq.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when it is not that chunk, intact.
    pub(super) fn decode(topic: u64, first: Seq, block: &[u8]) -> Result<Chunk, IndexError> {
        let numbers = [topic, first.get()];
        let contents = sealed::open(Kind::Postings, numbers, block)?;
        Chunk::parse(topic, first, Contents(contents))
            .ok_or_else(|| sealed::malformed(Kind::Postings, numbers))
    }

    fn parse(topic: u64, first: Seq, mut contents: Contents<'_>) -> Option<Chunk> {
        let before = contents.u64()?;
        let count = contents.u16()?;
        let mut seqs = Vec::with_capacity(usize::from(count));
        let mut last = first;
        for _ in 0..count {
            last = last.plus(contents.varint()?);
            seqs.push(last);
        }
        (contents.0.is_empty() && count > 0).then_some(Chunk {
            topic,
            before,
            seqs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_all_seqs_in_order_and_within_the_limit() {
        let seqs: Vec<Seq> = (0..500u64).map(|n| Seq::new(n * n * n + 1)).collect();
        let mut found = Vec::new();
        Chunk::write_all(3, 40, &seqs, 100, |first, block| {
            assert!(block.len() <= 100);
            assert!(Chunk::decode(4, first, &block).is_err());
            let chunk = Chunk::decode(3, first, &block)?;
            assert_eq!(chunk.before, 40 + found.len() as u64);
            assert_eq!(chunk.seqs[0], first);
            found.extend_from_slice(&chunk.seqs);
            assert_eq!(chunk.end(), 40 + found.len() as u64);
            Ok::<(), IndexError>(())
        })
        .unwrap();
        assert_eq!(found, seqs);
    }
}
