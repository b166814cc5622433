//! How many stored events each topic has, many topics to a block, so that a flush rewrites
//! few rows however many topics it touches.
//!
//! ```text
//! CRC32 │ count of topic number × block + 1, u64 │ of the next, u64 │ …
//! ```

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::super::error::IndexError;
use super::super::sealed::{self, CRC_BYTES, Kind};
use super::to_sql;

/// How many topics a block has: a page's worth.
const TOPICS_EACH: u64 = if cfg!(any(test, fuzzing)) { 3 } else { 500 };

const COUNT_BYTES: usize = 8;
const BLOCK_BYTES: usize = CRC_BYTES + TOPICS_EACH as usize * COUNT_BYTES;

/// The block of a topic, and the place in it.
fn place_of(no: u64) -> (u64, usize) {
    let place = no - 1;
    (place / TOPICS_EACH, (place % TOPICS_EACH) as usize)
}

/// A block of counts at hand.
struct CountBlock {
    number: u64,
    bytes: Vec<u8>,
}

impl CountBlock {
    fn new(number: u64) -> CountBlock {
        CountBlock {
            number,
            bytes: vec![0; BLOCK_BYTES],
        }
    }

    fn get(&self, place: usize) -> u64 {
        let at = CRC_BYTES + place * COUNT_BYTES;
        let count = self.bytes[at..].first_chunk().copied();
        u64::from_le_bytes(count.unwrap_or_default())
    }

    fn set(&mut self, place: usize, count: u64) {
        let at = CRC_BYTES + place * COUNT_BYTES;
        self.bytes[at..at + COUNT_BYTES].copy_from_slice(&count.to_le_bytes());
    }
}

/// Reads counts, block by block, in the order of the topics' numbers.
pub(in super::super) struct CountReader<'c> {
    statement: CachedStatement<'c>,
    block: Option<CountBlock>,
}

impl<'c> CountReader<'c> {
    pub(in super::super) fn on(connection: &'c Connection) -> Result<CountReader<'c>, IndexError> {
        let statement = connection.prepare_cached("SELECT counts FROM counts WHERE block = ?1")?;
        Ok(CountReader {
            statement,
            block: None,
        })
    }

    /// The count of a topic that has been flushed.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when its block is missing or not intact.
    pub(in super::super) fn get(&mut self, no: u64) -> Result<u64, IndexError> {
        let (number, place) = place_of(no);
        let block = match self.block.take() {
            Some(block) if block.number == number => block,
            _ => self.read(number)?,
        };
        Ok(self.block.insert(block).get(place))
    }

    fn read(&mut self, number: u64) -> Result<CountBlock, IndexError> {
        let bytes = self
            .statement
            .query_row([to_sql(number)], |row| row.get::<_, Vec<u8>>(0))
            .optional()?
            .ok_or_else(|| sealed::malformed(Kind::Counts, [number]))?;
        if sealed::open(Kind::Counts, [number], &bytes)?.len() + CRC_BYTES != BLOCK_BYTES {
            return Err(sealed::malformed(Kind::Counts, [number]));
        }
        Ok(CountBlock { number, bytes })
    }
}

/// Changes counts, in the caller's transaction and the order of the topics' numbers.
pub(in super::super) struct CountWriter<'c> {
    reader: CountReader<'c>,
    replace: CachedStatement<'c>,
    /// How many topics had a count before.
    topics: u64,
    block: Option<CountBlock>,
}

impl<'c> CountWriter<'c> {
    /// Of an index that has this many topics.
    pub(in super::super) fn on(
        connection: &'c Connection,
        topics: u64,
    ) -> Result<CountWriter<'c>, IndexError> {
        let replace =
            connection.prepare_cached("REPLACE INTO counts (block, counts) VALUES (?1, ?2)")?;
        Ok(CountWriter {
            reader: CountReader::on(connection)?,
            replace,
            topics,
            block: None,
        })
    }

    /// # Errors
    /// [`IndexError::Damaged`] when the count was not `before`, or cannot be read.
    pub(in super::super) fn change(
        &mut self,
        no: u64,
        before: u64,
        after: u64,
    ) -> Result<(), IndexError> {
        let (number, place) = place_of(no);
        let mut block = match self.block.take() {
            Some(block) if block.number == number => block,
            other => {
                self.write(other)?;
                let has_been = number * TOPICS_EACH < self.topics;
                match has_been {
                    true => self.reader.read(number)?,
                    false => CountBlock::new(number),
                }
            }
        };
        if block.get(place) != before {
            return Err(sealed::malformed(Kind::Counts, [number]));
        }
        block.set(place, after);
        self.block = Some(block);
        Ok(())
    }

    /// Writes what is still at hand.
    ///
    /// # Errors
    /// Those of SQLite.
    pub(in super::super) fn finish(mut self) -> Result<(), IndexError> {
        let block = self.block.take();
        self.write(block)
    }

    fn write(&mut self, block: Option<CountBlock>) -> Result<(), IndexError> {
        if let Some(CountBlock { number, mut bytes }) = block {
            sealed::seal(Kind::Counts, [number], &mut bytes);
            self.replace.execute(params![to_sql(number), bytes])?;
        }
        Ok(())
    }
}
