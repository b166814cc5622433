//! Looks keys up in the stored runs.

use rusqlite::Connection;

use super::digest::KeyDigest;
use super::error::IndexError;
use super::fold::First;
use super::key_block::{KeyBlock, number_of};
use super::run::Run;
use super::schema::runs::SlotReader;
use super::sealed::{self, Kind};
use super::shared::Runs;

/// A key that a filter suspects to be in a block.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Suspicion {
    /// Position among the runs.
    run: usize,
    block: u64,
    /// Position among the keys.
    key: usize,
}

/// What is known of each of these keys. Blocks are read in the order in which they lie,
/// each once, in one read transaction; a key that no filter suspects costs no read.
///
/// # Errors
/// [`IndexError`] when a block cannot be read or is not intact.
pub(super) fn find(
    connection: &Connection,
    runs: &Runs,
    keys: &[KeyDigest],
) -> Result<Vec<Option<First>>, IndexError> {
    let mut found = vec![None; keys.len()];
    let mut suspicions = Vec::new();
    // Run by run, so that probes of different keys, each a cache miss, overlap.
    for (place, run) in runs.iter().enumerate() {
        for (number, key) in keys.iter().enumerate() {
            if run.may_contain(*key) {
                suspicions.push(Suspicion {
                    run: place,
                    block: run.block_of(*key),
                    key: number,
                });
            }
        }
    }
    if suspicions.is_empty() {
        return Ok(found);
    }
    suspicions.sort_unstable();
    let snapshot = connection.unchecked_transaction()?;
    let mut reader = SlotReader::on(&snapshot)?;
    for group in suspicions.chunk_by(|one, next| (one.run, one.block) == (next.run, next.block)) {
        let Some(Suspicion { run, block, .. }) = group.first() else {
            continue;
        };
        look_into(&mut reader, &runs[*run], *block, group, keys, &mut found)?;
    }
    Ok(found)
}

fn look_into(
    reader: &mut SlotReader<'_>,
    run: &Run,
    number: u64,
    group: &[Suspicion],
    keys: &[KeyDigest],
    found: &mut [Option<First>],
) -> Result<(), IndexError> {
    let id = run.row.id;
    reader.read(run.slot(number)?, |bytes| {
        let block = KeyBlock::open(id, number, bytes)?;
        for suspicion in group {
            let key = keys[suspicion.key];
            if !block.covers().contains(&number_of(key)) {
                return Err(sealed::malformed(Kind::Keys, [id, number]));
            }
            if let Some(first) = block.find(key) {
                found[suspicion.key] = Some(first);
            }
        }
        Ok(())
    })
}
