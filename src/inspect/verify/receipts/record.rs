//! A receipt as it is kept while many are sorted.

use std::io::{self, Read, Write};

use crate::event::{Event, KeyRule, PayloadKind, Seq};
use crate::index::digest::{KeyDigest, PayloadDigest};
use crate::index::fold::Verdict;

/// What of a record has the same length in all of them.
const FIXED_BYTES: usize = 8 + 8 + 8 + 1 + 16 + 2 + 2 + 2;

/// What a publisher was told of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) seq: Seq,
    /// In which line it stands; the first is 1.
    pub(super) line: u64,
    /// None while it was pending.
    pub(super) verdict: Option<Verdict>,
    /// Zero while it was pending.
    pub(super) original_seq: Seq,
    pub(super) payload: PayloadDigest,
    pub(super) topic: Box<str>,
    /// Empty where none was told. No event that is known by its source has an empty one.
    pub(super) source: Box<str>,
    pub(super) event_id: Box<str>,
}

impl Record {
    /// What it takes in memory, about.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Record>() + self.topic.len() + self.source.len() + self.event_id.len()
    }

    /// The key of the event, if this is the rule by which it is known.
    pub(super) fn key(&self, rule: KeyRule) -> KeyDigest {
        let event = Event {
            topic: (*self.topic).into(),
            event_id: (*self.event_id).into(),
            source: (*self.source).into(),
            timestamp: None,
            kind: PayloadKind::Json,
            payload: b"",
            attributes: Vec::new(),
        };
        KeyDigest::of(rule, &event)
    }

    /// Seq first, and then as they were read.
    pub(super) fn place(&self) -> (Seq, u64) {
        (self.seq, self.line)
    }

    /// Writes it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut fixed = [0; FIXED_BYTES];
        fixed[..8].copy_from_slice(&self.seq.get().to_le_bytes());
        fixed[8..16].copy_from_slice(&self.line.to_le_bytes());
        fixed[16..24].copy_from_slice(&self.original_seq.get().to_le_bytes());
        fixed[24] = self.verdict.map_or(0, |verdict| verdict as u8);
        fixed[25..41].copy_from_slice(&self.payload.0);
        // Names are bounded.
        fixed[41..43].copy_from_slice(&(self.topic.len() as u16).to_le_bytes());
        fixed[43..45].copy_from_slice(&(self.source.len() as u16).to_le_bytes());
        fixed[45..].copy_from_slice(&(self.event_id.len() as u16).to_le_bytes());
        out.write_all(&fixed)?;
        out.write_all(self.topic.as_bytes())?;
        out.write_all(self.source.as_bytes())?;
        out.write_all(self.event_id.as_bytes())
    }

    /// Reads one; none at the end.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Record>> {
        let mut fixed = [0; FIXED_BYTES];
        if from.read(&mut fixed[..1])? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut fixed[1..])?;
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&fixed[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let digest = |at: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&fixed[at..at + 16]);
            bytes
        };
        let mut text = |at: usize| {
            let mut text = vec![0; usize::from(u16::from_le_bytes([fixed[at], fixed[at + 1]]))];
            from.read_exact(&mut text)?;
            String::from_utf8(text).map_err(io::Error::other)
        };
        let verdicts = [Verdict::Stored, Verdict::Duplicate, Verdict::Conflict];
        Ok(Some(Record {
            topic: text(41)?.into(),
            source: text(43)?.into(),
            event_id: text(45)?.into(),
            seq: Seq::new(number(0)),
            line: number(8),
            original_seq: Seq::new(number(16)),
            verdict: verdicts
                .into_iter()
                .find(|verdict| *verdict as u8 == fixed[24]),
            payload: PayloadDigest(digest(25)),
        }))
    }
}
