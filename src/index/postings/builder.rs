//! Packs sorted postings into blocks.

use super::super::error::IndexError;
use super::super::sealed::{self, CRC_BYTES, Kind, put_varint};
use super::block::{Entry, Place, numbers};
use crate::event::Seq;

const VARINT_BYTES_MAX: usize = 10;

/// The CRC and the place up to which it answers.
const HEADER_BYTES: usize = CRC_BYTES + 16;

/// An entry's three numbers, and one more seq.
const NEXT_BYTES_MAX: usize = 4 * VARINT_BYTES_MAX;

/// A block with the place under which it is found.
#[derive(Debug)]
pub(in crate::index) struct Row {
    pub(in crate::index) from: Place,
    pub(in crate::index) block: Vec<u8>,
}

/// Packs the postings of one generation. Each block is given on when it is full, so that
/// no more than one is in memory.
pub(in crate::index) struct BlockBuilder {
    generation: u64,
    /// The last seq before the generation.
    after: Seq,
    limit_bytes: usize,
    from: Place,
    block: Vec<u8>,
    /// The last entry's topic in the block.
    last_topic: u64,
    /// The entry that is being added to.
    open: Option<Open>,
    postings: u64,
    bytes: u64,
}

struct Open {
    topic: u64,
    before: u64,
    count: u64,
    last: Seq,
    seqs: Vec<u8>,
}

impl BlockBuilder {
    /// Begins a generation of the seqs after `after`, in blocks of `limit_bytes` at most;
    /// one that would hold no seq at all is larger.
    pub(in crate::index) fn begin(generation: u64, after: Seq, limit_bytes: usize) -> BlockBuilder {
        BlockBuilder {
            generation,
            after,
            limit_bytes,
            from: Place::FIRST,
            block: vec![0; HEADER_BYTES],
            last_topic: 0,
            open: None,
            postings: 0,
            bytes: 0,
        }
    }

    /// How many seqs it was given.
    pub(in crate::index) fn postings(&self) -> u64 {
        self.postings
    }

    /// How many bytes of blocks it has given on.
    pub(in crate::index) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds seqs that come after all others in the order of places. They may go on with
    /// the topic of those before.
    ///
    /// # Errors
    /// What `write` returns, which is given each block that is full.
    pub(in crate::index) fn push(
        &mut self,
        entry: Entry<'_>,
        write: &mut impl FnMut(Row) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let topic = entry.topic;
        for (before, seq) in (entry.before..).zip(entry.seqs) {
            if self.is_full() {
                self.cut(Place { topic, seq: *seq }, write)?;
            }
            if self.open.as_ref().is_none_or(|open| open.topic != topic) {
                self.close_entry();
                self.open = Some(Open {
                    topic,
                    before,
                    count: 0,
                    last: self.after,
                    seqs: Vec::new(),
                });
            }
            if let Some(open) = &mut self.open {
                put_varint(&mut open.seqs, seq.since(open.last));
                open.last = *seq;
                open.count += 1;
            }
            self.postings += 1;
        }
        Ok(())
    }

    /// Gives on the last block.
    ///
    /// # Errors
    /// As [`BlockBuilder::push`].
    pub(in crate::index) fn finish(
        &mut self,
        write: &mut impl FnMut(Row) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        self.cut(Place::END, write)
    }

    fn is_full(&self) -> bool {
        let Some(open) = &self.open else {
            return false;
        };
        // Two entries at most are not in the block yet: this one, and the next seq's.
        let bytes = self.block.len() + open.seqs.len() + 2 * NEXT_BYTES_MAX;
        bytes > self.limit_bytes
    }

    fn close_entry(&mut self) {
        if let Some(open) = self.open.take() {
            put_varint(&mut self.block, open.topic - self.last_topic);
            put_varint(&mut self.block, open.before);
            put_varint(&mut self.block, open.count);
            self.block.extend_from_slice(&open.seqs);
            self.last_topic = open.topic;
        }
    }

    /// Gives on the block, which answers up to this place; the next begins there.
    fn cut(
        &mut self,
        to: Place,
        write: &mut impl FnMut(Row) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        self.close_entry();
        self.last_topic = 0;
        let mut block = std::mem::replace(&mut self.block, vec![0; HEADER_BYTES]);
        let from = std::mem::replace(&mut self.from, to);
        block[CRC_BYTES..CRC_BYTES + 8].copy_from_slice(&to.topic.to_le_bytes());
        block[CRC_BYTES + 8..HEADER_BYTES].copy_from_slice(&to.seq.get().to_le_bytes());
        sealed::seal(Kind::Postings, numbers(self.generation, from), &mut block);
        self.bytes += block.len() as u64;
        write(Row { from, block })
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::Block;
    use super::super::generation::Generation;
    use super::*;

    fn generation() -> Generation {
        Generation {
            number: 3,
            after: Seq::new(1000),
            upto: Seq::new(200_000_000),
            postings: 0,
            bytes: 0,
        }
    }

    /// Topic by topic; some with many seqs, some with one.
    fn postings() -> Vec<(u64, Vec<Seq>)> {
        (1..60u64)
            .map(|topic| {
                let count = if topic % 7 == 0 { 300 } else { topic % 3 + 1 };
                let seqs = (0..count).map(|n| Seq::new(1001 + topic + n * n * topic));
                (topic * 3, seqs.collect())
            })
            .collect()
    }

    fn blocks(limit_bytes: usize, pieces: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut write = |row: Row| {
            rows.push(row);
            Ok(())
        };
        let mut builder = BlockBuilder::begin(3, Seq::new(1000), limit_bytes);
        for (topic, seqs) in &postings() {
            let mut before = 40;
            for piece in seqs.chunks(pieces) {
                let entry = Entry {
                    topic: *topic,
                    before,
                    seqs: piece,
                };
                builder.push(entry, &mut write).unwrap();
                before = entry.end();
            }
        }
        builder.finish(&mut write).unwrap();
        let bytes: usize = rows.iter().map(|row| row.block.len()).sum();
        assert_eq!(builder.bytes(), bytes as u64);
        rows
    }

    #[test]
    fn blocks_hold_all_seqs_in_order_within_the_limit_and_share_out_all_places() {
        for limit_bytes in [1, 150, 700, 4000] {
            let mut found: Vec<(u64, Vec<Seq>)> = Vec::new();
            let mut next = Place::FIRST;
            for row in blocks(limit_bytes, usize::MAX) {
                assert!(limit_bytes < 150 || row.block.len() <= limit_bytes);
                let block = Block::decode(&generation(), row.from, &row.block).unwrap();
                assert_eq!(block.from, next);
                next = block.to;
                for entry in (0..).map_while(|number| block.entry(number)) {
                    match found.last_mut() {
                        Some((topic, seqs)) if *topic == entry.topic => {
                            assert_eq!(entry.before, 40 + seqs.len() as u64);
                            seqs.extend_from_slice(entry.seqs);
                        }
                        _ => {
                            assert_eq!(entry.before, 40);
                            found.push((entry.topic, entry.seqs.to_vec()));
                        }
                    }
                    assert_eq!(block.of_topic(entry.topic), Some(entry));
                    assert_eq!(block.of_topic(entry.topic + 1), None);
                }
            }
            assert_eq!(next, Place::END);
            assert_eq!(found, postings(), "{limit_bytes}");
        }
    }

    #[test]
    fn a_topic_that_comes_in_pieces_makes_the_same_blocks() {
        let whole = blocks(700, usize::MAX);
        let in_pieces = blocks(700, 2);
        assert!(
            whole
                .iter()
                .map(|row| (row.from, &row.block))
                .eq(in_pieces.iter().map(|row| (row.from, &row.block)))
        );
    }

    #[test]
    fn a_block_is_only_taken_for_what_it_was_written_as() {
        let rows = blocks(300, usize::MAX);
        let row = &rows[1];
        let other = Generation {
            number: 4,
            ..generation()
        };
        assert!(Block::decode(&other, row.from, &row.block).is_err());
        assert!(Block::decode(&generation(), rows[2].from, &row.block).is_err());
        for bit in 0..row.block.len() * 8 {
            let mut flipped = row.block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Block::decode(&generation(), row.from, &flipped).is_err());
        }
        // Seqs beyond the generation's, whatever the CRC says.
        let shorter = Generation {
            upto: Seq::new(1001),
            ..generation()
        };
        assert!(Block::decode(&shorter, row.from, &row.block).is_err());
        let later = Generation {
            upto: Seq::new(u64::MAX),
            after: Seq::new(u64::MAX - 1),
            ..generation()
        };
        assert!(Block::decode(&later, row.from, &row.block).is_err());
    }
}
