//! Each layer alone, in the order of the way of a batch. What a figure leaves out is said
//! where it is measured; throughput is in events, of CRCs in bytes.
//!
//! ```text
//! cargo bench --bench layers -- --save-baseline before
//! cargo bench --bench layers -- --baseline before
//! cargo bench --bench layers -- parse
//! ```

mod answers;
mod event;
mod index;
mod inputs;
mod log;
mod memory;
mod reads;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    event::parse(&mut criterion);
    event::hash(&mut criterion);
    log::encode(&mut criterion);
    log::crc(&mut criterion);
    log::append(&mut criterion);
    log::decode(&mut criterion);
    index::fold(&mut criterion);
    index::flush(&mut criterion);
    answers::publish_answer(&mut criterion);
    answers::render(&mut criterion);
    reads::query(&mut criterion);
    criterion.final_summary();
}
