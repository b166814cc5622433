//! The index fails while the server serves: locked, deleted, cut, garbled, its disk full.
//! Publishers and readers go on all the while. No verdict is ever wrong, nothing that was
//! acknowledged is missing from what looks like a whole answer, and it heals without a
//! restart.

#![allow(
    unreachable_pub,
    reason = "the modules of one test binary use each other"
)]

mod damage;
mod full_disk;
mod locks;
mod scene;
mod well;

#[path = "../support/mod.rs"]
mod support;
