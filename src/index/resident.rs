//! Which parts of the runs are in memory: as much as the budget holds, of the smallest
//! runs first. A new key is looked for in every run, so a filter saves as many reads
//! however large it is; the smaller ones save more for each byte. What is there of runs of
//! one shape is woven together.

use std::sync::Arc;

use super::error::IndexError;
use super::pages::Pages;
use super::run::{Loaded, Part, Run};
use super::run_set::of_shapes;
use super::woven::{COLUMNS_MAX, Strand};
use crate::log::storage::side_by_side;

/// How much is read at a time, and how.
#[derive(Copy, Clone, Debug)]
pub(super) enum Reading {
    /// About so many bytes, one part after the other: the disk is needed by others.
    Slice(u64),
    /// As many, several parts side by side: somebody waits for all of them.
    InHaste(u64),
}

/// Forgets what the budget has no room for, and reads what it has, at most so much of it; and
/// when all is read, weaves at most as much. Returns whether any run has changed.
///
/// # Errors
/// [`IndexError`] when something cannot be read or is damaged. Nothing of what was read stays
/// then.
pub(super) fn settle(
    runs: &mut [Arc<Run>],
    budget_bytes: u64,
    reading: Reading,
) -> Result<bool, IndexError> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|place| runs[*place].file.row.entries);
    let mut left_bytes = budget_bytes;
    let mut wanted: Vec<(usize, Vec<Part>)> = Vec::new();
    for place in order {
        let run = &runs[place];
        let parts = run
            .parts()
            .take_while(|part| {
                let bytes = run.part_bytes(*part);
                let fits = bytes <= left_bytes;
                left_bytes -= if fits { bytes } else { left_bytes };
                fits
            })
            .collect();
        wanted.push((place, parts));
    }
    let mut changed = false;
    // First what makes room.
    for (place, parts) in &wanted {
        if runs[*place].has_others(parts) {
            Arc::make_mut(&mut runs[*place]).keep_only(parts);
            changed = true;
        }
    }
    let (bytes_max, is_in_haste) = match reading {
        Reading::Slice(bytes) => (bytes, false),
        Reading::InHaste(bytes) => (bytes, true),
    };
    let mut bytes = 0;
    let mut are_all = true;
    let missing: Vec<(usize, Part)> = wanted
        .iter()
        .flat_map(|(place, parts)| parts.iter().map(|part| (*place, *part)))
        .filter(|(place, part)| !runs[*place].has(*part))
        .take_while(|(place, part)| {
            let is_due = bytes < bytes_max;
            bytes += runs[*place].part_bytes(*part);
            are_all &= is_due;
            is_due
        })
        .collect();
    let each_min = if is_in_haste { 1 } else { missing.len() };
    let loaded = side_by_side::on_pieces(&missing, each_min, |piece| {
        let mut buffer = Pages::none();
        let load = |(place, part): &(usize, Part)| -> Result<Loaded, IndexError> {
            runs[*place].load(*part, &mut buffer)
        };
        piece.iter().map(load).collect()
    })?;
    for ((place, _), loaded) in missing.iter().zip(loaded) {
        Arc::make_mut(&mut runs[*place]).keep(loaded);
        changed = true;
    }
    // Else each that comes would have those woven anew that came before.
    if are_all {
        changed |= weave(runs, bytes_max)?;
    }
    Ok(changed)
}

/// Weaves about so many bytes, and returns whether there was anything to weave.
fn weave(runs: &mut [Arc<Run>], bytes_max: u64) -> Result<bool, IndexError> {
    let mut bytes = 0;
    for of_shape in of_shapes(runs) {
        for chunk in 0..runs[of_shape[0]].file.row.filter.chunks as usize {
            let is_there = |place: &usize| runs[*place].strand(chunk).is_some();
            let there: Vec<usize> = of_shape.iter().copied().filter(is_there).collect();
            for places in powers_of_two(&there, COLUMNS_MAX) {
                let strands: Vec<&Strand> = places
                    .iter()
                    .filter_map(|place| runs[*place].strand(chunk))
                    .collect();
                if Strand::are_woven(&strands) {
                    continue;
                }
                if bytes >= bytes_max {
                    return Ok(true);
                }
                let woven = Strand::weave(&strands)?;
                bytes += woven[0].woven().bytes();
                for (place, strand) in places.iter().zip(woven) {
                    Arc::make_mut(&mut runs[*place]).keep(Loaded::Chunk(chunk, strand));
                }
            }
        }
    }
    Ok(bytes > 0)
}

/// Cuts a list into pieces whose lengths are powers of two, the longest first: so one that comes
/// at its end changes few of them.
fn powers_of_two<T>(mut list: &[T], longest: usize) -> Vec<&[T]> {
    let mut pieces = Vec::new();
    while let Some(power) = list.len().min(longest).checked_ilog2() {
        let (piece, rest) = list.split_at(1 << power);
        pieces.push(piece);
        list = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::powers_of_two;

    #[test]
    fn one_more_changes_the_last_pieces_only() {
        let lengths = |count: usize| -> Vec<usize> {
            let list = vec![0; count];
            let pieces = powers_of_two(&list, 4);
            pieces.iter().map(|piece| piece.len()).collect()
        };
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(1), [1]);
        assert_eq!(lengths(3), [2, 1]);
        assert_eq!(lengths(4), [4]);
        assert_eq!(lengths(11), [4, 4, 2, 1]);
    }
}
