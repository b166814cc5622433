//! What the index keeps of an arrival that was not stored, and the blocks of such notes.
//!
//! ```text
//! CRC32 │ covers to u64 │ notes u16 │ note …
//! note: seq − the last note's end │ verdict u8 │ seq − original seq │ key, 16 │ payload digest, 16
//! hole: seq − the last note's end │ 4          │ how many seqs
//! ```
//!
//! Differences are varints. A block is found by the first seq that it answers for, and
//! says the last: every seq up to the flushed watermark is covered by one block, so a
//! missing row is noticed and does not read as "stored".

use memchr::memmem::Finder;

use super::digest::{KeyDigest, PayloadDigest};
use super::error::IndexError;
use super::fold::{Judged, Verdict};
use super::sealed::{self, CRC_BYTES, Contents, Kind, put_varint};
use crate::event::Seq;

/// So many keys are looked for in a block's bytes in less time than its notes are read.
const SOUGHT_MAX: usize = 4;

/// Keys of which the notes are wanted, among many others.
pub(super) struct Sought(Vec<Finder<'static>>);

impl Sought {
    /// These keys; none if they are too many to be looked for.
    pub(super) fn of(keys: impl ExactSizeIterator<Item = KeyDigest>) -> Option<Sought> {
        let is_few = keys.len() <= SOUGHT_MAX;
        is_few.then(|| Sought(keys.map(|key| Finder::new(&key.0).into_owned()).collect()))
    }

    fn may_be_in(&self, contents: &[u8]) -> bool {
        self.0.iter().any(|key| key.find(contents).is_some())
    }
}

/// What stands before the notes: the CRC, the last seq covered, how many there are.
const HEADER_BYTES: usize = CRC_BYTES + 8 + 2;

/// An arrival that was not stored.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct NotStored {
    /// Its seq, verdict and original seq.
    pub judged: Judged,
    /// The digest of its key; zeros when lost.
    pub key: KeyDigest,
    /// The digest of its payload; zeros when lost.
    pub payload: PayloadDigest,
}

/// One or, in a hole, many of them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The first, or only one.
    pub(super) first: NotStored,
    /// How many seqs it stands for; 1 but for holes.
    pub(super) count: u64,
}

impl Note {
    /// The note of a hole.
    pub(super) fn hole(first: Seq, count: u64) -> Note {
        Note {
            first: NotStored {
                judged: Judged {
                    seq: first,
                    verdict: Verdict::Lost,
                    original_seq: Seq::ZERO,
                },
                key: KeyDigest([0; 16]),
                payload: PayloadDigest([0; 16]),
            },
            count,
        }
    }

    pub(super) fn seq(&self) -> Seq {
        self.first.judged.seq
    }

    /// The last seq it stands for.
    pub(super) fn last(&self) -> Seq {
        self.seq().plus(self.count - 1)
    }

    /// What it says of one of its seqs.
    pub(super) fn at(&self, seq: Seq) -> NotStored {
        let mut one = self.first;
        one.judged.seq = seq;
        one
    }
}

/// A block of notes that can be added to.
#[derive(Clone, Debug)]
pub(super) struct NoteBlock {
    /// The first seq that it answers for.
    pub(super) from: Seq,
    /// The last.
    pub(super) to: Seq,
    notes: u16,
    /// The seq after the last note's.
    end: Seq,
    bytes: Vec<u8>,
}

impl NoteBlock {
    /// A block that begins to answer at `from`.
    pub(super) fn beginning(from: Seq) -> NoteBlock {
        NoteBlock {
            from,
            to: from.previous(),
            notes: 0,
            end: from,
            bytes: Vec::new(),
        }
    }

    /// Adds a note beyond all others, unless the block has no room; an empty one always has.
    pub(super) fn push(&mut self, note: &Note, limit_bytes: usize) -> bool {
        // The longest note takes 53 bytes, the header 14.
        if self.notes > 0 && (self.bytes.len() + 67 > limit_bytes || self.notes == u16::MAX) {
            return false;
        }
        let NotStored {
            judged,
            key,
            payload,
        } = &note.first;
        put_varint(&mut self.bytes, judged.seq.since(self.end));
        self.bytes.push(judged.verdict as u8);
        if judged.verdict == Verdict::Lost {
            put_varint(&mut self.bytes, note.count);
        } else {
            put_varint(&mut self.bytes, judged.seq.since(judged.original_seq));
            self.bytes.extend_from_slice(&key.0);
            self.bytes.extend_from_slice(&payload.0);
        }
        self.notes += 1;
        self.end = note.last().next();
        self.to = note.last();
        true
    }

    /// The block as it is stored.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; CRC_BYTES];
        block.extend_from_slice(&self.to.get().to_le_bytes());
        block.extend_from_slice(&self.notes.to_le_bytes());
        block.extend_from_slice(&self.bytes);
        sealed::seal(Kind::Notes, [self.from.get(), 0], &mut block);
        block
    }

    /// Reads a block that was found under `from`, and its notes.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when it is not that block, intact.
    pub(super) fn decode(from: Seq, block: &[u8]) -> Result<(NoteBlock, Vec<Note>), IndexError> {
        let numbers = [from.get(), 0];
        let contents = sealed::open(Kind::Notes, numbers, block)?;
        NoteBlock::parse(from, Contents(contents))
            .ok_or_else(|| sealed::malformed(Kind::Notes, numbers))
    }

    /// Gives the notes of a block that was found under `from`; returns the last seq that it
    /// answers for. Many blocks are read so in half the time, and in less where keys are sought
    /// that are not in them.
    ///
    /// # Errors
    /// As [`NoteBlock::decode`], perhaps only after some were given.
    pub(super) fn visit(
        from: Seq,
        block: &[u8],
        sought: Option<&Sought>,
        give: &mut dyn FnMut(&Note),
    ) -> Result<Seq, IndexError> {
        let numbers = [from.get(), 0];
        let contents = sealed::open(Kind::Notes, numbers, block)?;
        if let Some(sought) = sought
            && !sought.may_be_in(contents)
        {
            let to = Contents(contents).u64().map(Seq::new);
            let to = to.filter(|to| from <= *to);
            return to.ok_or_else(|| sealed::malformed(Kind::Notes, numbers));
        }
        match parse_notes(from, Contents(contents), give) {
            Some(Parsed { to, .. }) => Ok(to),
            None => Err(sealed::malformed(Kind::Notes, numbers)),
        }
    }

    fn parse(from: Seq, contents: Contents<'_>) -> Option<(NoteBlock, Vec<Note>)> {
        let bytes = contents.0.get(HEADER_BYTES - CRC_BYTES..)?.to_vec();
        let mut notes = Vec::new();
        let parsed = parse_notes(from, contents, &mut |note| notes.push(*note))?;
        let Parsed { to, count, end } = parsed;
        let block = NoteBlock {
            from,
            to,
            notes: count,
            end,
            bytes,
        };
        Some((block, notes))
    }
}

/// What a block says besides its notes.
struct Parsed {
    to: Seq,
    count: u16,
    /// The seq after the last note's.
    end: Seq,
}

fn parse_notes(
    from: Seq,
    mut contents: Contents<'_>,
    give: &mut dyn FnMut(&Note),
) -> Option<Parsed> {
    let to = Seq::new(contents.u64()?);
    let count = contents.u16()?;
    let mut end = from;
    for _ in 0..count {
        let seq = end.plus(contents.varint()?);
        let note = parse_note(seq, &mut contents)?;
        end = note.last().next();
        give(&note);
    }
    let sound = contents.0.is_empty() && end <= to.next() && from <= to;
    sound.then_some(Parsed { to, count, end })
}

fn parse_note(seq: Seq, contents: &mut Contents<'_>) -> Option<Note> {
    let verdict = match contents.byte()? {
        2 => Verdict::Duplicate,
        3 => Verdict::Conflict,
        4 => {
            let count = contents.varint()?;
            return (count > 0).then(|| Note::hole(seq, count));
        }
        _ => return None,
    };
    let original_seq = Seq::new(seq.get().checked_sub(contents.varint()?)?);
    let judged = Judged {
        seq,
        verdict,
        original_seq,
    };
    let first = NotStored {
        judged,
        key: KeyDigest(contents.array()?),
        payload: PayloadDigest(contents.array()?),
    };
    Some(Note { first, count: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(seq: u64, verdict: Verdict, original: u64) -> Note {
        Note {
            first: NotStored {
                judged: Judged {
                    seq: Seq::new(seq),
                    verdict,
                    original_seq: Seq::new(original),
                },
                key: KeyDigest([seq as u8; 16]),
                payload: PayloadDigest([original as u8; 16]),
            },
            count: 1,
        }
    }

    #[test]
    fn notes_and_holes_come_back_and_can_be_added_to() {
        let mut notes = vec![
            note(7, Verdict::Duplicate, 2),
            note(8, Verdict::Conflict, 7),
            Note::hole(Seq::new(20), 1 << 60),
        ];
        let mut block = NoteBlock::beginning(Seq::new(5));
        assert!(notes.iter().all(|note| block.push(note, 300)));
        block.to = Seq::new(1 << 61);
        let (mut again, found) = NoteBlock::decode(Seq::new(5), &block.encode()).unwrap();
        assert_eq!((again.to, &found), (Seq::new(1 << 61), &notes));

        notes.push(note((1 << 61) + 3, Verdict::Duplicate, 1));
        assert!(again.push(&notes[3], 300));
        let (again, found) = NoteBlock::decode(Seq::new(5), &again.encode()).unwrap();
        assert_eq!((again.to, found), (notes[3].last(), notes));
        assert!(NoteBlock::decode(Seq::new(6), &again.encode()).is_err());
    }

    #[test]
    fn a_block_stays_within_its_limit() {
        let mut block = NoteBlock::beginning(Seq::FIRST);
        let fitted = (1..100)
            .take_while(|step| block.push(&note(step << 50, Verdict::Duplicate, 1), 400))
            .count();
        assert!((5..10).contains(&fitted), "{fitted}");
        assert!(block.encode().len() <= 400);
    }
}
