//! `oncelog bench`: what it says is what was, and a server that does other than it says is
//! found out.

#![allow(
    unreachable_pub,
    reason = "the modules of one test binary use each other"
)]

mod counts;
mod ends;
mod faulty_servers;
mod open_loop;
mod report;

#[path = "../support"]
mod support {
    pub mod client;
    pub mod faulty;
    pub mod process;
    pub mod publish;
}
