//! Receipts in the order of their seqs, however many they are: what is too much for memory is
//! sorted in parts, which lie in a temporary directory and are merged as they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::vec;

use super::record::Record;
use crate::event::Seq;

/// What is held in memory of those that are being read.
const MEMORY_BYTES: usize = if cfg!(test) { 4096 } else { 64 << 20 };

/// Receipts that come in any order.
#[derive(Debug)]
pub(super) struct Sorter {
    dir: PathBuf,
    records: Vec<Record>,
    bytes: usize,
    parts: Vec<File>,
}

impl Sorter {
    /// Writes to this directory what is too much.
    pub(super) fn new(dir: &Path) -> Sorter {
        Sorter {
            dir: dir.to_owned(),
            records: Vec::new(),
            bytes: 0,
            parts: Vec::new(),
        }
    }

    /// Takes one more.
    ///
    /// # Errors
    /// No file can be written.
    pub(super) fn push(&mut self, record: Record) -> io::Result<()> {
        self.bytes += record.memory_bytes();
        self.records.push(record);
        match self.bytes < MEMORY_BYTES {
            true => Ok(()),
            false => self.write_part(),
        }
    }

    fn write_part(&mut self) -> io::Result<()> {
        self.records.sort_unstable_by_key(Record::place);
        let mut out = BufWriter::new(tempfile::tempfile_in(&self.dir)?);
        for record in self.records.drain(..) {
            record.write(&mut out)?;
        }
        out.flush()?;
        let mut part = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        part.rewind()?;
        self.parts.push(part);
        self.bytes = 0;
        Ok(())
    }

    /// All of them, in order.
    ///
    /// # Errors
    /// No file can be written, or read.
    pub(super) fn sorted(mut self) -> io::Result<Sorted> {
        self.records.sort_unstable_by_key(Record::place);
        let memory = Part::Memory(self.records.into_iter());
        let files = self.parts.into_iter().map(BufReader::new).map(Part::File);
        let mut sorted = Sorted {
            parts: files.chain([memory]).collect(),
            heads: BinaryHeap::new(),
        };
        for number in 0..sorted.parts.len() {
            sorted.read(number)?;
        }
        Ok(sorted)
    }
}

#[derive(Debug)]
enum Part {
    File(BufReader<File>),
    Memory(vec::IntoIter<Record>),
}

/// Receipts in order.
#[derive(Debug)]
pub(super) struct Sorted {
    parts: Vec<Part>,
    /// The next of each part that has more.
    heads: BinaryHeap<Reverse<Head>>,
}

impl Sorted {
    /// The next one, if its seq comes before this one.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn next_before(&mut self, seq: Seq) -> io::Result<Option<Record>> {
        match self.heads.peek() {
            Some(Reverse(head)) if head.record.seq < seq => self.take(),
            _ => Ok(None),
        }
    }

    /// The next one.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn take(&mut self) -> io::Result<Option<Record>> {
        let Some(Reverse(head)) = self.heads.pop() else {
            return Ok(None);
        };
        self.read(head.part)?;
        Ok(Some(head.record))
    }

    fn read(&mut self, part: usize) -> io::Result<()> {
        let record = match &mut self.parts[part] {
            Part::File(file) => Record::read(file)?,
            Part::Memory(records) => records.next(),
        };
        let head = record.map(|record| Reverse(Head { record, part }));
        self.heads.extend(head);
        Ok(())
    }
}

#[derive(Debug)]
struct Head {
    record: Record,
    part: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> std::cmp::Ordering {
        self.record.place().cmp(&other.record.place())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::digest::PayloadDigest;
    use crate::index::fold::Verdict;

    fn record(seq: u64, line: u64) -> Record {
        let verdicts = [
            None,
            Some(Verdict::Stored),
            Some(Verdict::Duplicate),
            Some(Verdict::Conflict),
        ];
        let verdict = verdicts[seq as usize % 4];
        Record {
            seq: Seq::new(seq),
            line,
            verdict,
            original_seq: Seq::new(verdict.map_or(0, |_| seq / 2)),
            payload: PayloadDigest([line as u8; 16]),
            topic: "ü".repeat(seq as usize % 5).into(),
            source: "s".repeat(line as usize % 3).into(),
            event_id: "x".repeat(line as usize % 7).into(),
        }
    }

    #[test]
    fn more_than_memory_takes_come_back_whole_and_in_order() {
        for count in [0, 1, 10, 2000] {
            let dir = tempfile::tempdir().expect("a directory");
            let mut sorter = Sorter::new(dir.path());
            let mut expected = Vec::new();
            for line in 1..=count {
                // Each seq several times, in an order of no kind.
                let record = record(line * 7919 % 977 + 1, line);
                expected.push(record.clone());
                sorter.push(record).expect("room");
            }
            let parts = sorter.parts.len();
            assert_eq!(parts > 3, count == 2000, "{parts}");
            expected.sort_by_key(Record::place);
            let mut sorted = sorter.sorted().expect("parts");
            let mut found = Vec::new();
            for seq in [0, 1, 500, 501, 5000] {
                while let Some(record) = sorted.next_before(Seq::new(seq)).expect("a part") {
                    assert!(record.seq < Seq::new(seq));
                    found.push(record);
                }
            }
            assert_eq!(found, expected);
            assert_eq!(sorted.take().expect("the end"), None);
        }
    }
}
