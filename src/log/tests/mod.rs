//! The log as a whole, on the simulated disk: what is acknowledged is kept, what is damaged
//! is named, whatever fails and whenever the machine stops.
//!
//! `harness` publishes, `history` remembers and judges, `layout` knows independently of the
//! code under test what a damaged store must lead to. The other files are one risk each.

mod crash_in_recovery;
mod crash_points;
mod damage;
mod failed_operations;
mod full_disk;
mod harness;
mod history;
mod housekeeping;
mod identity;
mod index_evidence;
mod layout;
mod many_lives;
mod mending;
mod picking;
mod poison;
mod random_damage;
mod reading;
mod sabotage;
mod stores;
mod sweep;
mod sweep_flips;
mod sweep_random;
