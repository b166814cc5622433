//! What the integration tests share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

pub mod book;
pub mod client;
pub mod dump;
pub mod http;
pub mod mount;
pub mod process;
pub mod raw;
pub mod served;
pub mod skipped;
pub mod store;
pub mod strace;
pub mod traffic;
