//! Which parts of the runs are in memory: as much as the budget holds, of the smallest
//! runs first. A new key is looked for in every run, so a filter saves as many reads
//! however large it is; the smaller ones save more for each byte.

use std::sync::Arc;

use super::error::IndexError;
use super::pages::Pages;
use super::run::{Loaded, Part, Run};
use crate::log::storage::side_by_side;

/// How much is read at a time, and how.
#[derive(Copy, Clone, Debug)]
pub(super) enum Reading {
    /// About so many bytes, one part after the other: the disk is needed by others.
    Slice(u64),
    /// As many, several parts side by side: somebody waits for all of them.
    InHaste(u64),
}

/// Forgets what the budget has no room for, and reads what it has, at most so much of it.
/// Returns whether any run has changed.
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
    let missing: Vec<(usize, Part)> = wanted
        .iter()
        .flat_map(|(place, parts)| parts.iter().map(|part| (*place, *part)))
        .filter(|(place, part)| !runs[*place].has(*part))
        .take_while(|(place, part)| {
            let is_due = bytes < bytes_max;
            bytes += runs[*place].part_bytes(*part);
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
    Ok(changed)
}
