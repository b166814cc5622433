//! What the integration tests share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

pub mod client;
pub mod http;
pub mod mount;
pub mod process;
pub mod raw;
pub mod served;
pub mod strace;
pub mod traffic;

use std::io::Write;

/// Says that a test was skipped. Not with a macro, whose output of a test that passes is not
/// shown.
pub fn say_skipped(why: &str) {
    let line = format!("SKIPPED: {why}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr");
}
