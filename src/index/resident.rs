//! Which parts of the runs are in memory: as much as the budget holds, of the smallest
//! runs first. A new key is looked for in every run, so a filter saves as many reads
//! however large it is; the smaller ones save more for each byte.

use std::sync::Arc;

use super::error::IndexError;
use super::pages::Pages;
use super::run::{Part, Run};

/// Forgets what the budget has no room for, and reads what it has, at most about
/// `load_bytes_max` of it, through `buffer`. Returns whether any run has changed.
///
/// # Errors
/// [`IndexError`] when something cannot be read or is damaged. What was read before that
/// stays.
pub(super) fn settle(
    runs: &mut [Arc<Run>],
    budget_bytes: u64,
    load_bytes_max: u64,
    buffer: &mut Pages,
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
    let mut loaded_bytes = 0;
    for (place, parts) in &wanted {
        for part in parts {
            if runs[*place].has(*part) {
                continue;
            }
            if loaded_bytes >= load_bytes_max {
                return Ok(changed);
            }
            Arc::make_mut(&mut runs[*place]).load(*part, buffer)?;
            loaded_bytes += runs[*place].part_bytes(*part);
            changed = true;
        }
    }
    Ok(changed)
}
