//! Tests by risk: wrong verdicts, lost or mixed-up state, damage taken for truth.

mod concurrency;
mod crashes;
mod damage;
mod directory;
mod ends;
mod faults;
mod foresight;
mod merges;
mod neighbours;
mod other_words;
pub(super) mod plan;
mod random_histories;
mod run_files;
mod stored;

use super::{model, tiny};
