//! What a test says that cannot be run here.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::io::Write;

/// Says that a test was skipped. Not with a macro, whose output of a test that passes is not
/// shown.
pub fn say_skipped(why: &str) {
    let line = format!("SKIPPED: {why}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr");
}
