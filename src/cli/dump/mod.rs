//! `oncelog dump`: what is in the log, in order, from a stopped or a running store.
//!
//! It reads the log alone. Verdicts come from folding it into a throw-away index in a
//! temporary directory, so that memory stays flat however long the log is.

mod events;
mod frames;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::config::DataDir;
use crate::event::Seq;
use crate::index::IndexError;
use crate::log::storage::FileSystem;
use crate::log::{LogError, OfflineLog};

const OUT_BYTES: usize = 64 * 1024;

/// The options of `dump`.
#[derive(Clone, Debug, Args)]
pub struct DumpOptions {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data_dir: DataDir,

    /// One JSON object a line instead of text for people
    #[arg(long)]
    pub json: bool,

    /// The first seq shown
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    pub from: u64,

    /// The last seq shown; the end of the log if not given
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,

    /// Only events of this topic
    #[arg(long, value_name = "TOPIC", conflicts_with = "frames")]
    pub topic: Option<String>,

    /// Frames as they stand in the segments, instead of events
    #[arg(long)]
    pub frames: bool,

    /// Where the verdicts are worked out; the system's temporary directory if not given, or
    /// /dev/shm where that cannot be written. It takes about 60 bytes an event
    #[arg(long, value_name = "DIR")]
    pub tmp_dir: Option<PathBuf>,
}

impl DumpOptions {
    fn from(&self) -> Seq {
        Seq::new(self.from)
    }

    fn to(&self) -> Seq {
        Seq::new(self.to.unwrap_or(u64::MAX))
    }
}

/// Why a dump ended before its end.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the verdicts cannot be worked out: {0}")]
    Fold(#[from] IndexError),
    #[error(
        "no room to work out the verdicts in {} (--tmp-dir names another place): {source}",
        dir.display()
    )]
    NoRoom { dir: PathBuf, source: IndexError },
    #[error("cannot make a temporary directory (--tmp-dir names another place): {0}")]
    Temporary(io::Error),
    #[error("cannot write: {0}")]
    Out(#[from] io::Error),
}

/// Prints the log. 0 all well, 1 damage, 2 could not run.
pub fn run(options: &DumpOptions) -> ExitCode {
    let mut out = BufWriter::with_capacity(OUT_BYTES, io::stdout().lock());
    let dumped = dump(options, &mut out);
    match dumped.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // `dump | head`: whoever reads has seen enough.
        Err(DumpError::Out(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // What was found before the damage is shown.
            let _ = out.flush();
            super::say_error(&error);
            ExitCode::from(if is_damage(&error) { 1 } else { 2 })
        }
    }
}

fn is_damage(error: &DumpError) -> bool {
    match error {
        DumpError::Log(log) => !matches!(
            log,
            LogError::Io { .. }
                | LogError::Missing(_)
                | LogError::Newer { .. }
                | LogError::NewerMeta { .. }
        ),
        // A payload that had to be compared.
        DumpError::Fold(IndexError::Payload(_)) => true,
        _ => false,
    }
}

fn dump(options: &DumpOptions, out: &mut impl Write) -> Result<(), DumpError> {
    let dir = options.data_dir.data_dir.join("log");
    let storage = Arc::new(FileSystem);
    match OfflineLog::open(storage.clone(), &dir) {
        Ok(log) => dump_log(options, &log, &dir, out),
        Err(LogError::Corrupt(damage)) => {
            // What stands before the damage is shown, and then that there is some.
            let log = OfflineLog::before(storage, &dir, &damage)?;
            dump_log(options, &log, &dir, out)?;
            Err(LogError::Corrupt(damage).into())
        }
        Err(error) => Err(error.into()),
    }
}

fn dump_log(
    options: &DumpOptions,
    log: &OfflineLog,
    dir: &Path,
    out: &mut impl Write,
) -> Result<(), DumpError> {
    if options.frames {
        frames::dump(options, log, dir, out)?;
    } else {
        events::dump(options, log, out)?;
    }
    if let (Some(tail), Some(last)) = (&log.tail, log.segments.last())
        && let Some(torn_end) = tail.torn_end
    {
        out.flush()?;
        super::say(&format!(
            "note: {} torn bytes follow in {last} at offset {}; they were never acknowledged",
            torn_end - tail.end,
            tail.end,
        ));
    }
    Ok(())
}
