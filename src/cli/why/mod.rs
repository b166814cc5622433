//! `oncelog why`: the life of an event.

mod json;
mod lines;
mod text;

use std::process::ExitCode;

use clap::Args;

use crate::cli::voice::Voice;
use crate::config::DataDir;
use crate::event::Seq;
use crate::inspect::why::{
    Asked, Logged, Most, NoIndex, Outcome, Space, Teller, Why, WhyError, WhyOptions, why,
};

use super::outcome::{self, ALL_WELL, COULD_NOT_RUN, DAMAGE};
use super::scratch::scratch_dir;
use super::stop_flag::StopFlag;

/// How many differences of a conflict are told.
const DIFFERENCES_MAX: usize = 20;

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog why a-1 --topic orders --data-dir /var/lib/oncelog
  oncelog why a-1                  # in whatever topic it is known
  oncelog why --seq 4711 --json    # of the event that arrived with this seq";

/// The options of `why`.
#[derive(Clone, Debug, Args)]
pub struct WhyArguments {
    /// The event's id
    #[arg(value_name = "ID", required_unless_present = "seq")]
    pub id: Option<String>,

    /// Only in this topic
    #[arg(long, value_name = "TOPIC", conflicts_with_all = ["source", "seq"])]
    pub topic: Option<String>,

    /// Among the CloudEvents of this source, whose ids are its own and not a topic's
    #[arg(long, value_name = "SOURCE", conflicts_with = "seq")]
    pub source: Option<String>,

    /// The event that arrived with this seq, instead of one with an id
    #[arg(long, value_name = "SEQ", conflicts_with = "id", value_parser = clap::value_parser!(u64).range(1..))]
    pub seq: Option<u64>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub data_dir: DataDir,

    /// How many topics with this id are told of, and of each how many arrivals
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,

    /// One JSON object instead of text for people
    #[arg(long)]
    pub json: bool,
}

impl WhyArguments {
    fn asked(&self) -> Asked {
        match (self.seq, &self.id) {
            (Some(seq), _) => Asked::Seq(Seq::new(seq)),
            (None, id) => Asked::Id {
                event_id: id.clone().unwrap_or_default(),
                space: match (&self.topic, &self.source) {
                    (Some(topic), _) => Space::Topic(topic.clone()),
                    (None, Some(source)) => Space::Source(source.clone()),
                    (None, None) => Space::AllTopics,
                },
            },
        }
    }
}

/// Tells it. 0 it is there, 1 it is not, or damage was met, 2 could not run.
pub fn run(arguments: &WhyArguments) -> ExitCode {
    let mut progress = Progress { voice: None };
    let told = why(
        &WhyOptions {
            data_dir: &arguments.data_dir.data_dir,
            asked: arguments.asked(),
            most: Most {
                listed: arguments.limit as usize,
                differences: DIFFERENCES_MAX,
            },
            copy_to: &|| {
                let copy = scratch_dir(None)?;
                // So that an interrupt does not leave it behind.
                StopFlag::watch(copy.path(), true);
                Ok(copy)
            },
        },
        &mut progress,
    );
    progress.end();
    let told = match told {
        Ok(told) => told,
        Err(error) => {
            super::say_error(&error);
            return ExitCode::from(match &error {
                WhyError::Log(error) => outcome::code_of(error),
                WhyError::Lock { .. } => COULD_NOT_RUN,
            });
        }
    };
    let text = match arguments.json {
        true => format!("{}\n", json::of(&told)),
        false => text::of(&told),
    };
    if let Err(error) = outcome::print(text.as_bytes()) {
        super::say_error(&error);
        return ExitCode::from(COULD_NOT_RUN);
    }
    ExitCode::from(match is_well(&told) {
        true => ALL_WELL,
        false => DAMAGE,
    })
}

/// Whether all that was asked about is there, whole.
fn is_well(told: &Why) -> bool {
    let Outcome::Found(found) = &told.outcome else {
        return false;
    };
    let mut arrivals = found.keys.iter().flat_map(|key| &key.arrivals);
    told.wrongs.total == 0
        && arrivals
            .all(|arrival| arrival.verdict.is_some() && !matches!(arrival.logged, Logged::Gone(_)))
}

/// Says what takes long.
struct Progress {
    voice: Option<Voice>,
}

impl Progress {
    fn end(&mut self) {
        if let Some(voice) = self.voice.take() {
            voice.end_progress();
        }
    }
}

impl Teller for Progress {
    fn reads_whole_log(&mut self, reason: &NoIndex) {
        super::say(&match reason {
            NoIndex::None => "note: no index: reading the whole log".to_owned(),
            reason => format!("note: the index cannot be used: {reason}; reading the whole log"),
        });
    }

    fn passed(&mut self, seq: Seq, of: Seq) {
        let voice = self.voice.get_or_insert_with(|| Voice::new(false));
        voice.progress(|| format!("looked through: {seq} of {of}"));
    }
}
