//! `oncelog verify`: all that a store has, checked.

mod json;
mod progress;
mod text;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::{DataDir, parse_bytes};
use crate::index::IndexError;
use crate::inspect::InspectError;
use crate::inspect::verify::{
    IndexChecked, ReceiptLines, Verified, VerifyError, VerifyOptions, verify,
};

use super::outcome::{self, ALL_WELL, COULD_NOT_RUN, DAMAGE};
use super::scratch::scratch_dir;
use super::stop_flag::StopFlag;
use progress::VerifyProgress;

/// How much of the receipts is read at once.
const READ_BYTES: usize = 256 << 10;

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog verify --data-dir /var/lib/oncelog
  oncelog verify --log-only && echo 'every frame is intact'
  oncelog verify --receipts receipts.ndjson
  oncelog verify --json | jq .log.wrong";

/// The options of `verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArguments {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data_dir: DataDir,

    /// Only the frames and segments of the log, at about the speed of reading them; of the index,
    /// only how far it goes
    #[arg(long)]
    pub log_only: bool,

    /// Also prove what publishers were told: a file with the answers to `POST
    /// /publish?receipts=all`, one a line, or the one that `oncelog publish --receipts` has
    /// written; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "log_only")]
    pub receipts: Option<PathBuf>,

    /// One JSON object instead of text for people
    #[arg(long)]
    pub json: bool,

    /// Where the log is folded; the system's temporary directory if not given, or /dev/shm where
    /// that cannot be written. It takes about 60 bytes an event
    #[arg(long, value_name = "DIR")]
    pub tmp_dir: Option<PathBuf>,

    /// The most memory for the filters that tell new ids from known ones, as with serve
    #[arg(long, value_name = "SIZE", env = "ONCELOG_INDEX_FILTER_MEMORY", default_value = "512MiB", value_parser = parse_bytes)]
    pub index_filter_memory: u64,
}

/// Verifies a store. 0 all well, 1 damage or a difference, 2 could not run.
pub fn run(arguments: &VerifyArguments) -> ExitCode {
    ExitCode::from(match verified(arguments) {
        Ok(verified) => say(&verified, arguments),
        Err(error) => {
            super::say_error(&error);
            if let VerifyError::Inspect(InspectError::NoRoom { .. }) | VerifyError::Scratch { .. } =
                &error
            {
                super::say("--tmp-dir names another place");
            }
            code_of_error(&error)
        }
    })
}

fn verified(arguments: &VerifyArguments) -> Result<Verified, VerifyError> {
    let wanted = arguments.tmp_dir.as_deref();
    let scratch = scratch_dir(wanted).map_err(|source| VerifyError::Scratch {
        dir: wanted.map_or_else(std::env::temp_dir, PathBuf::from),
        source,
    })?;
    let _stop = StopFlag::watch(scratch.path(), true);
    let mut progress = VerifyProgress::new(arguments, scratch.path());
    let mut receipts = arguments
        .receipts
        .as_deref()
        .map(open_receipts)
        .transpose()?;
    let receipts = receipts.as_mut().map(|(name, lines)| ReceiptLines {
        name,
        lines: lines.as_mut(),
    });
    let options = VerifyOptions {
        data_dir: &arguments.data_dir.data_dir,
        folds: !arguments.log_only,
        scratch: scratch.path(),
        filter_memory_bytes: arguments.index_filter_memory,
    };
    let verified = verify(&options, receipts, &mut |told| progress.take(told));
    progress.end();
    verified
}

/// Receipts with what they are called.
fn open_receipts(path: &Path) -> Result<(String, Box<dyn BufRead>), VerifyError> {
    if path == Path::new("-") {
        return Ok(("standard input".into(), Box::new(io::stdin().lock())));
    }
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => Ok((name, Box::new(BufReader::with_capacity(READ_BYTES, file)))),
        Err(source) => Err(VerifyError::Receipts { name, source }),
    }
}

fn say(verified: &Verified, arguments: &VerifyArguments) -> u8 {
    let data_dir = &arguments.data_dir.data_dir;
    let text = match arguments.json {
        true => format!("{}\n", json::of(verified, data_dir)),
        false => text::of(verified, data_dir),
    };
    if let Err(error) = outcome::print(text.as_bytes()) {
        super::say_error(&error);
        return COULD_NOT_RUN;
    }
    match &verified.index {
        _ if !verified.is_well() => DAMAGE,
        IndexChecked::Unreadable(_) => COULD_NOT_RUN,
        _ => ALL_WELL,
    }
}

fn code_of_error(error: &VerifyError) -> u8 {
    match error {
        VerifyError::Inspect(InspectError::Log(error)) => outcome::code_of(error),
        // A payload that had to be compared, and was good when it was read before.
        VerifyError::Inspect(InspectError::Fold(IndexError::Payload(_))) => DAMAGE,
        _ => COULD_NOT_RUN,
    }
}
