//! Events with their verdicts.

use std::io::Write;
use std::time::Duration;

use super::printer::Printer;
use super::progress::DumpProgress;
use super::{DumpError, DumpOptions};
use crate::cli::scratch::scratch_dir;
use crate::cli::stop_flag::StopFlag;
use crate::event::Seq;
use crate::inspect::{Shown, StorePlace, Verdicts, Walk, Wanted, start_of_last};
use crate::log::sweep::{End, SweepOptions};

/// How often it is looked for more.
const POLL: Duration = Duration::from_millis(200);

pub(super) fn dump(
    options: &DumpOptions,
    place: &StorePlace,
    mut wanted: Wanted,
    printer: &mut Printer<impl Write>,
) -> Result<End, DumpError> {
    // There must be a log before anything is made for it.
    place.check()?;
    let scratch = scratch_dir(options.tmp_dir.as_deref()).map_err(DumpError::Temporary)?;
    let stop = StopFlag::watch(scratch.path(), !options.follow);
    let mut progress = DumpProgress::new(options.tmp_dir.is_some());
    let mut sweep_options = SweepOptions {
        proven_only: options.follow && !options.unproven,
        from: wanted.from,
        ..SweepOptions::default()
    };
    let (mut verdicts, mut sweep) =
        Verdicts::open(place, &sweep_options, scratch.path(), &mut progress)?;
    printer.verdicts_from(verdicts.source());
    let ends_with = sweep.end().due.previous();
    sweep_options.index_flushed = verdicts
        .index_flushed()
        .filter(|flushed| *flushed > ends_with);
    let mut upto = Seq::new(u64::MAX);
    if let Some(count) = options.last {
        let (from, looked_upto) = start_of_last(
            place,
            &sweep_options,
            &wanted,
            count,
            &mut verdicts,
            &mut progress,
        )?;
        wanted.from = from;
        if !options.follow {
            upto = looked_upto;
        }
        sweep_options.from = wanted.from;
        sweep = place.sweep(sweep_options.clone())?;
    }
    let mut walk = Walk {
        sweep,
        wanted: &wanted,
    };
    // Damage behind it is shown all the same.
    let came_later = |shown: &Shown<'_>| match shown {
        Shown::Event(logged, _) => logged.judged.seq > upto,
        Shown::Erased(judged, _) => judged.seq > upto,
        _ => false,
    };
    let show = |shown: Shown<'_>, printer: &mut Printer<_>| match stop.is_set() {
        true => Err(DumpError::Stopped),
        false if came_later(&shown) => Ok(()),
        false => Ok(printer.print(&shown)?),
    };
    loop {
        walk.run(&mut verdicts, &mut progress, |shown| show(shown, printer))?;
        if !options.follow || walk.sweep.end().due > wanted.to {
            progress.end();
            return Ok(walk.sweep.end().clone());
        }
        printer.flush()?;
        stop.wait(POLL);
        if stop.is_set() {
            return Err(DumpError::Stopped);
        }
        // What was evidence at the start is in the log by now, or gone for good.
        walk.sweep = place.sweep(SweepOptions {
            resume: walk.sweep.position(),
            index_flushed: None,
            ..sweep_options.clone()
        })?;
    }
}
