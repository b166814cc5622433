//! The HTTP side: connections with their deadlines, requests, answers.
//!
//! A connection goes through [`serve`] (accept and let go), `watched` (deadlines),
//! hyper, `service` (token, panics, the log's name) and the routes. Every error, those
//! before there is a request included, is a [`Problem`].

mod app;
mod auth;
mod awaiting;
mod body;
mod body_room;
mod bounded_page;
mod clock;
mod content;
mod error;
mod event_pages;
mod events;
mod growth;
mod head;
mod health;
mod options;
mod pages_body;
mod phase;
mod process_cpu;
mod publish;
mod publish_answer;
mod query;
mod rates;
mod raw_answer;
mod receipts;
mod refusals;
mod refuse;
mod routes;
mod server;
mod service;
mod stats;
#[cfg(test)]
mod test_server;
mod topics;
mod traffic;
mod watched;

pub use auth::Token;
pub use error::{ErrorCode, PROBLEM_JSON, Problem, Retry};
pub use options::HttpOptions;
pub(crate) use process_cpu::process_cpu_seconds;
#[doc(hidden)]
pub use publish_answer::judged_text;
pub use server::{Served, serve, serve_opening};
pub use service::panic_words;
