//! Hostile input, from outside, against the real binary: whatever comes in is answered with its
//! status and its code, or its connection is closed; nothing of what was refused is kept, others
//! are served all the while, and memory stays bounded.
//!
//! The options are the defaults, except where a test would otherwise wait for a deadline. Those
//! tests have a twin with the true default among the long campaigns:
//! `cargo test --test hostile -- --ignored`.

#![allow(
    unreachable_pub,
    reason = "the modules of one test binary use each other"
)]

mod bodies;
mod bystander;
mod clients;
mod codes;
mod crowds;
mod events;
mod files;
mod framing;
mod payloads;
mod requests;
mod states;
mod target;
mod token;
mod topics;

#[path = "../support/mod.rs"]
mod support;
