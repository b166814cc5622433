//! Tests by risk: wrong verdicts, lost or mixed-up state, damage taken for truth.

mod concurrency;
mod damage;
mod ends;
mod faults;
mod measure;
mod merges;
mod model;
mod other_words;
mod random_histories;
