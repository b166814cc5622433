//! The engines that let something happen at the Nth call: all cases, or a sample of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use clap::Args;

use crate::cases::{Case, Fault};
use crate::keeping::{keep, say, seed_or_clock};
use crate::points::Point;
use crate::random::Random;
use crate::scene::Scene;
use crate::trial::{Tried, try_case};

const SAID_EVERY: u64 = 25;

#[derive(Clone, Debug, Args)]
pub(crate) struct AtCalls {
    /// The same seed has the same script, and draws the same cases from the same calls; the
    /// clock's if not given
    #[arg(long)]
    seed: Option<u64>,

    /// How many cases are drawn; all of them if not given
    #[arg(long)]
    rounds: Option<usize>,

    /// Only this case, as it was named when it failed, or all whose names begin so, such as
    /// life/committer/
    #[arg(long, value_name = "CASE")]
    only: Option<String>,

    /// Where the store and the history of a failure are kept
    #[arg(long, value_name = "DIR", default_value = "target/campaign")]
    keep: PathBuf,
}

/// Every point, with kill -9.
pub(crate) fn calls(wanted: &AtCalls) -> u8 {
    run(wanted, "calls", |point| match point.call {
        // What was read makes no difference to what is there.
        "pread64" => Vec::new(),
        _ => vec![Fault::Kill],
    })
}

/// Every point, with each fault that may befall such a call.
pub(crate) fn faults(wanted: &AtCalls) -> u8 {
    run(wanted, "faults", |point| match point.call {
        // Here they go to other threads and to connections, which have no disk behind them; those
        // of the log's lines have.
        "write" | "writev" if point.thread != Some("stderr") => Vec::new(),
        call => Fault::of(call),
    })
}

fn run(wanted: &AtCalls, name: &str, faults: impl Fn(&Point) -> Vec<Fault>) -> u8 {
    let seed = seed_or_clock(wanted.seed);
    let begun = Instant::now();
    // What is wrong may show before anything has happened to it.
    let scene = catch_unwind(|| {
        let scene = Scene::new(seed)?;
        let points = scene.points()?;
        Some((scene, points))
    });
    let Ok(scene) = scene else {
        say(&format!(
            "{name}: FAILED while seed {seed} was first played"
        ));
        return 1;
    };
    let Some((scene, points)) = scene else {
        return 2;
    };
    let only = wanted.only.as_deref().unwrap_or_default();
    let cases = match only.parse::<Case>() {
        Ok(case) => vec![case],
        Err(_) => {
            let cases = points.iter().flat_map(|point| {
                faults(point).into_iter().map(|fault| Case {
                    point: point.clone(),
                    fault,
                })
            });
            let cases = cases.filter(|case| case.to_string().starts_with(only));
            drawn(cases.collect(), wanted.rounds, &mut Random::new(seed))
        }
    };
    if cases.is_empty() {
        say(&format!("{name}: no case begins with {only}"));
        return 2;
    }
    say(&format!("{name}: seed {seed}, {} cases", cases.len()));
    let mut sum = Tried::default();
    for case in &cases {
        let dir = tempfile::tempdir().expect("a directory");
        let history = Mutex::default();
        let tried = catch_unwind(AssertUnwindSafe(|| {
            try_case(&scene, case, seed, dir.path(), &history)
        }));
        let Ok(tried) = tried else {
            let kept_as = format!("{name}-{seed}-{}", case.to_string().replace('/', "-"));
            let kept = keep(&wanted.keep.join(kept_as), dir.path(), &history);
            say(&format!(
                "{name}: FAILED at {case}; --seed {seed} --only {case} repeats it; the store and \
                 its history are in {}",
                kept.display()
            ));
            return 1;
        };
        let Some(tried) = tried else { return 2 };
        sum.add(tried);
        if sum.cases.is_multiple_of(SAID_EVERY) {
            let seconds = begun.elapsed().as_secs();
            say(&format!("{name}: {seconds} s, {sum:?}"));
        }
    }
    let seconds = begun.elapsed().as_secs();
    say(&format!(
        "{name}: nothing wrong. Seed {seed}, {seconds} s, {sum:?}"
    ));
    0
}

/// So many of them, in an order that chance gives; all in theirs, if no number is given.
fn drawn(mut cases: Vec<Case>, number: Option<usize>, random: &mut Random) -> Vec<Case> {
    let Some(number) = number else { return cases };
    for at in (1..cases.len()).rev() {
        cases.swap(at, random.between(0, at as u64) as usize);
    }
    cases.truncate(number);
    cases
}
