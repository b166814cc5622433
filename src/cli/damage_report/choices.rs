//! What may be done about damage. Each choice says what it loses.

use std::fs;
use std::path::Path;

use crate::inspect::verify::{IndexChecked, Verified};
use crate::log::LOG_DIR;
use crate::log::segment::SegmentId;
use crate::log::sweep::Found;

/// One of several ways to go on.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Choice {
    /// What is done.
    pub(super) what: String,
    /// With which command, if there is one.
    pub(super) command: Option<String>,
    /// What is lost by it.
    pub(super) loses: String,
}

/// The ways to go on, those that lose least first; none if all is well.
pub(in crate::cli) fn choices(verified: &Verified, data_dir: &Path) -> Vec<Choice> {
    let mut choices = Vec::new();
    if !verified.log.is_well() {
        of_log(verified, data_dir, &mut choices);
    }
    if !verified.index.is_well() && verified.log.is_well() {
        choices.push(Choice {
            what: match verified.index {
                IndexChecked::Unusable(_) => "let the next start make the index anew, or".into(),
                _ => String::from("stop the store, and"),
            } + " make it anew now: the log has all of it",
            command: Some(command("rebuild", data_dir)),
            loses: "nothing".into(),
        });
    }
    choices
}

fn of_log(verified: &Verified, data_dir: &Path, choices: &mut Vec<Choice>) {
    let log = &verified.log;
    let known = verified.lost_events.as_ref();
    let repeats = known.map_or(0, |known| known.repeats_of_intact);
    let lost = (log.lost.seqs() + log.doubtful.seqs()).saturating_sub(repeats);
    let and_more = match log.perhaps_from {
        Some(_) => ", and perhaps more",
        None => "",
    };
    let lost = match lost {
        0 => format!("no event that is known of{and_more}"),
        1 => format!("one event{and_more}"),
        lost => format!("{lost} events{and_more}"),
    };
    choices.push(Choice {
        what: format!(
            "keep a copy of the whole directory; then put {} of log {} back from a backup, if it \
             is whole there",
            files(verified),
            log.log_id
        ),
        command: None,
        loses: "nothing".into(),
    });
    choices.push(Choice {
        what: "see what a repair would keep, and then let it take the damage out (--yes)".into(),
        command: Some(command("repair", data_dir)),
        loses: format!("{lost}, which may be sent again; all others keep seq, time and verdict"),
    });
    choices.push(Choice {
        what: "take out what is intact, and publish it into a new store".into(),
        command: Some(format!(
            "{} --json > intact.ndjson; oncelog publish intact.ndjson",
            command("dump", data_dir)
        )),
        loses: format!("{lost}; the seqs, which are given anew; and times of arrival"),
    });
    choices.push(Choice {
        what: "restore the last backup of log/, without index/".into(),
        command: None,
        loses: "what came after it, but for what publishers send again".into(),
    });
    let is_only_short = log.wrong_count == 1
        && matches!(log.wrong.as_slice(), [Found::End(_)])
        && log.perhaps_from.is_none();
    if is_only_short {
        choices.push(Choice {
            what: "move index/ away and start: the log goes on where it ends".into(),
            command: None,
            loses: format!("{lost}, whose seqs are given to others"),
        });
    }
}

/// The files that are not what they should be.
fn files(verified: &Verified) -> String {
    const NAMED: usize = 5;
    let name = |found: &Found| match found {
        Found::Damage(damage) => Some(damage.segment.file_name()),
        Found::Missing(missing) => Some(format!("those before {}", missing.before.file_name())),
        Found::Overlap(overlap) => Some(overlap.segment.file_name()),
        Found::Stray(stray) => Some(stray.segment.file_name()),
        Found::End(end) => end.segment.map(|segment| segment.file_name()),
        Found::Frame(_) => None,
    };
    let mut names: Vec<String> = verified.log.wrong.iter().filter_map(name).collect();
    names.dedup();
    match names.len() {
        0 => "the segments".to_owned(),
        1..=NAMED => names.join(", "),
        more => format!("{} and {} more", names[..NAMED].join(", "), more - NAMED),
    }
}

/// A command for this store.
pub(super) fn command(name: &str, data_dir: &Path) -> String {
    let dir = data_dir.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    let dir = match !dir.is_empty() && dir.chars().all(is_plain) {
        true => dir.into_owned(),
        false => format!("'{}'", dir.replace('\'', r"'\''")),
    };
    format!("oncelog {name} --data-dir {dir}")
}

/// How long the segments of a log are, all together.
pub(super) fn log_bytes(data_dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(data_dir.join(LOG_DIR)) else {
        return 0;
    };
    let segments = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        name.to_str().and_then(SegmentId::from_file_name).is_some()
    });
    let bytes = segments.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_is_whatever_the_directory_is_called() {
        for (dir, expected) in [
            ("/var/lib/oncelog", "/var/lib/oncelog"),
            ("my data", "'my data'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            let expected = format!("oncelog dump --data-dir {expected}");
            assert_eq!(command("dump", Path::new(dir)), expected);
        }
    }
}
