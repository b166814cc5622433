//! `oncelog rebuild`: the index of a stopped store anew from its log.

mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::config::{DataDir, parse_bytes};
use crate::index::succession::Succession;
use crate::inspect::rebuild::{Progress, RebuildOptions, rebuild};

use super::outcome::{ALL_WELL, COULD_NOT_RUN, DAMAGE};
use super::stop_flag::StopFlag;
use super::voice::Voice;

/// How often it is said how far it is, where no terminal shows it.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// For the help.
pub const EXAMPLE: &str = "\
Example:
  oncelog rebuild --data-dir /var/lib/oncelog && systemctl start oncelog";

/// The options of `rebuild`.
#[derive(Clone, Debug, Args)]
pub struct RebuildArguments {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data_dir: DataDir,

    /// Do not compare the old index with the new one
    #[arg(long)]
    pub no_compare: bool,

    /// One JSON object instead of text for people
    #[arg(long)]
    pub json: bool,

    /// The most memory for the filters that tell new ids from known ones, as with serve
    #[arg(long, value_name = "SIZE", env = "ONCELOG_INDEX_FILTER_MEMORY", default_value = "512MiB", value_parser = parse_bytes)]
    pub index_filter_memory: u64,
}

/// Rebuilds it. 0 all well, 1 the old index was not what it had to be, 2 could not run.
pub fn run(arguments: &RebuildArguments) -> ExitCode {
    let options = RebuildOptions {
        data_dir: arguments.data_dir.data_dir.clone(),
        compares: !arguments.no_compare,
        filter_memory_bytes: arguments.index_filter_memory,
    };
    let voice = Voice::new(false);
    let mut teller = Teller::new(voice.clone(), &options.data_dir);
    let rebuilt = rebuild(&options, &mut |progress| teller.take(progress));
    voice.end_progress();
    match rebuilt {
        Ok(rebuilt) => {
            report::print(&rebuilt, arguments.json);
            if let Some(error) = &rebuilt.left_over {
                super::say(&format!(
                    "note: the old index cannot be removed, the next start tries again: {error}"
                ));
            }
            ExitCode::from(match rebuilt.old.differed() {
                true => DAMAGE,
                false => ALL_WELL,
            })
        }
        Err(error) => {
            super::say_error(&error);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// Says how far it is.
struct Teller<'d> {
    voice: Voice,
    data_dir: &'d Path,
    begun: Instant,
    said: Instant,
    stop: Option<StopFlag>,
}

impl Teller<'_> {
    fn new(voice: Voice, data_dir: &Path) -> Teller<'_> {
        let now = Instant::now();
        Teller {
            voice,
            data_dir,
            begun: now,
            said: now,
            stop: None,
        }
    }

    fn take(&mut self, progress: Progress) {
        match progress {
            Progress::LeftOversRemoved => {
                self.voice
                    .say("what an earlier rebuild had left was removed");
            }
            // From now on there is something to be removed, and it is ours.
            Progress::Begun => {
                let building = Succession::of(self.data_dir).building();
                self.stop = Some(StopFlag::watch(&building, true));
                self.begun = Instant::now();
            }
            Progress::Folding { applied, upto } => self.show(|seconds| {
                let per_second = applied.get() as f64 / seconds;
                format!("folding the log: seq {applied} of {upto}, {per_second:.0} events/s")
            }),
            Progress::Comparing { rows, of } => {
                self.show(|_| format!("comparing with the old index: row {rows} of about {of}"));
            }
            Progress::Finishing => {
                if let Some(stop) = &self.stop {
                    stop.keep();
                }
            }
        }
    }

    fn show(&mut self, text: impl Fn(f64) -> String) {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
        if self.voice.shows_progress() {
            self.voice.progress(|| text(seconds));
        } else if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            self.voice.say(&text(seconds));
        }
    }
}
