//! The options of `dump`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::when::parse_moment;
use crate::config::{DataDir, parse_count};
use crate::event::Seq;
use crate::index::fold::Verdict;
use crate::inspect::Wanted;
use crate::log::segment::SegmentId;

/// For the help.
pub const EXAMPLE: &str = "\
Examples:
  oncelog dump --data-dir /var/lib/oncelog --last 10
  oncelog dump --id a-1                        # each arrival of an id
  oncelog dump --json > events.ndjson          # `oncelog publish events.ndjson` reads it back";

/// The options of `dump`.
#[derive(Clone, Debug, Args)]
pub struct DumpOptions {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data_dir: DataDir,

    /// One JSON object a line instead of text for people; `oncelog publish` reads events back
    #[arg(long)]
    pub json: bool,

    /// Frames as they stand in the segments, instead of events
    #[arg(long)]
    pub frames: bool,

    /// Frames with all fields of their headers, and segments with those of theirs
    #[arg(long)]
    pub raw: bool,

    /// The first seq shown
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    pub from: u64,

    /// The last seq shown; the end of the log if not given
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,

    /// Only this segment: the name of its file, or its first seq
    #[arg(long, value_name = "NAME|FIRST_SEQ", value_parser = parse_segment)]
    pub segment: Option<SegmentId>,

    /// Only what was received then or later: a time, or how long ago (10m)
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub since: Option<i64>,

    /// Only what was received then or before
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub until: Option<i64>,

    /// Only events of this topic
    #[arg(long, value_name = "TOPIC", conflicts_with_all = ["frames", "raw"])]
    pub topic: Option<String>,

    /// Only events from this source
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["frames", "raw"])]
    pub source: Option<String>,

    /// Only events with this id
    #[arg(long, value_name = "EVENT_ID", conflicts_with_all = ["frames", "raw"])]
    pub id: Option<String>,

    /// Only events with this verdict: stored, duplicate, conflict or lost
    #[arg(long, value_name = "VERDICT", value_parser = parse_verdict, conflicts_with_all = ["frames", "raw"])]
    pub verdict: Option<Verdict>,

    /// Only the last so many of them
    #[arg(long, value_name = "N", value_parser = parse_count, conflicts_with_all = ["frames", "raw"])]
    pub last: Option<u64>,

    /// Goes on with what is published, until Ctrl-C; what the log proves to be durable
    #[arg(long, conflicts_with_all = ["frames", "raw"])]
    pub follow: bool,

    /// With --follow: also what the log does not prove to be durable yet
    #[arg(long, requires = "follow")]
    pub unproven: bool,

    /// Where the verdicts are worked out; the system's temporary directory if not given, or
    /// /dev/shm where that cannot be written. It takes a copy of index.sqlite3, or where there is
    /// no index that fits, about 60 bytes an event
    #[arg(long, value_name = "DIR")]
    pub tmp_dir: Option<PathBuf>,
}

impl DumpOptions {
    /// Whether frames are to be shown, and not events.
    pub(super) fn shows_frames(&self) -> bool {
        self.frames || self.raw
    }

    /// Which events are wanted.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            from: Seq::new(self.from),
            to: Seq::new(self.to.unwrap_or(u64::MAX)),
            topic: self.topic.clone(),
            source: self.source.clone(),
            event_id: self.id.clone(),
            verdict: self.verdict,
            since: self.since,
            until: self.until,
        }
    }
}

fn parse_segment(text: &str) -> Result<SegmentId, String> {
    let of_name = SegmentId::from_file_name(text);
    let of_seq = || text.parse().ok().map(|seq| SegmentId(Seq::new(seq)));
    of_name.or_else(of_seq).ok_or_else(|| {
        format!(
            "the name of a segment is needed, such as {}, or its first seq",
            SegmentId(Seq::FIRST).file_name()
        )
    })
}

fn parse_verdict(text: &str) -> Result<Verdict, String> {
    match text {
        "stored" => Ok(Verdict::Stored),
        "duplicate" => Ok(Verdict::Duplicate),
        "conflict" => Ok(Verdict::Conflict),
        "lost" => Ok(Verdict::Lost),
        _ => Err("stored, duplicate, conflict or lost is needed".into()),
    }
}
