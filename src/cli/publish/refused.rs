//! What is told of single events: those refused for good, and conflicts. The first ones on
//! stderr; all refused ones in a file, if one was asked for.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::portion::{Place, Refusal};
use super::source::{Source, is_same_file};
use crate::cli::voice::Voice;
use crate::render::json::push_string;

/// How many of a kind are told on stderr.
const TOLD_MAX: u64 = 20;
/// How much of an event's id is told there: the reason stands behind it, and must be seen.
const TOLD_ID_CHARS_MAX: usize = 100;

/// Tells of single events.
#[derive(Debug)]
pub(super) struct Reports {
    voice: Voice,
    sources: Vec<Source>,
    refused: u64,
    conflicts: u64,
    file: Option<RefusedFile>,
}

#[derive(Debug)]
struct RefusedFile {
    path: PathBuf,
    out: BufWriter<File>,
}

/// The file of refused events cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("--refused {}: {source}", path.display())]
pub(super) struct RefusedFileError {
    path: PathBuf,
    source: io::Error,
}

impl RefusedFile {
    /// Not over what is read or written besides.
    fn create(
        path: &Path,
        sources: &[Source],
        receipts: Option<&Path>,
    ) -> io::Result<BufWriter<File>> {
        if sources.iter().any(|source| source.is(path)) {
            return Err(io::Error::other("this is a file that is to be published"));
        }
        if receipts.is_some_and(|receipts| is_same_file(receipts, path)) {
            return Err(io::Error::other("this is the file of receipts"));
        }
        Ok(BufWriter::new(File::create(path)?))
    }
}

impl Reports {
    /// Makes the file anew, if one was asked for.
    pub(super) fn new(
        voice: Voice,
        sources: Vec<Source>,
        file: Option<&Path>,
        receipts: Option<&Path>,
    ) -> Result<Reports, RefusedFileError> {
        let file = file.map(|path| match RefusedFile::create(path, &sources, receipts) {
            Ok(out) => Ok(RefusedFile {
                path: path.to_owned(),
                out,
            }),
            Err(source) => Err(RefusedFileError {
                path: path.to_owned(),
                source,
            }),
        });
        Ok(Reports {
            voice,
            sources,
            refused: 0,
            conflicts: 0,
            file: file.transpose()?,
        })
    }

    /// A place, for people: `events.ndjson line 7`.
    pub(super) fn place(&self, place: Place) -> String {
        format!(
            "{} {} {}",
            self.source_name(place.source),
            place.unit.name(),
            place.number
        )
    }

    /// An input's name.
    pub(super) fn source_name(&self, source: usize) -> String {
        self.sources
            .get(source)
            .map_or_else(String::new, Source::name)
    }

    /// Whether no input comes after this one.
    pub(super) fn is_last(&self, source: usize) -> bool {
        source + 1 >= self.sources.len()
    }

    /// An event was refused for good.
    pub(super) fn refused(&mut self, refusal: &Refusal) -> Result<(), RefusedFileError> {
        self.refused += 1;
        if self.refused <= TOLD_MAX {
            let id = refusal.event_id.as_deref();
            let id = id.map_or_else(String::new, told_id);
            self.voice.say(&format!(
                "refused: {}{id}: {}: {}",
                self.place(refusal.place),
                refusal.code,
                refusal.detail
            ));
        } else if self.refused == TOLD_MAX + 1 {
            let all = match &self.file {
                Some(file) => format!("all are in {}", file.path.display()),
                None => "--refused FILE lists them all".to_owned(),
            };
            self.voice.say(&format!("refused: more of them; {all}"));
        }
        let source = self.source_name(refusal.place.source);
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let written = file.out.write_all(&line(&source, refusal));
        written.map_err(|source| RefusedFileError {
            path: file.path.clone(),
            source,
        })
    }

    /// An event's id was known, with another payload.
    pub(super) fn conflict(&mut self, place: Place, seq: u64, original_seq: Option<u64>) {
        self.conflicts += 1;
        if self.conflicts <= TOLD_MAX {
            let original = original_seq.unwrap_or(0);
            self.voice.say(&format!(
                "conflict: {}: its id is known with another payload, which stays: seq {original}; \
                 this is seq {seq}",
                self.place(place),
            ));
        } else if self.conflicts == TOLD_MAX + 1 {
            self.voice
                .say("conflict: more of them; GET /events?verdict=conflict lists them all");
        }
    }

    /// All that was refused is in the file.
    pub(super) fn flush(&mut self) -> Result<(), RefusedFileError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.out.flush().map_err(|source| RefusedFileError {
            path: file.path.clone(),
            source,
        })
    }
}

fn told_id(id: &str) -> String {
    match id.char_indices().nth(TOLD_ID_CHARS_MAX) {
        Some((cut_at, _)) => format!(" (event_id {:?}…)", &id[..cut_at]),
        None => format!(" (event_id {id:?})"),
    }
}

fn line(source: &str, refusal: &Refusal) -> Vec<u8> {
    let mut out = b"{\"input\":".to_vec();
    push_string(&mut out, source);
    let Place { unit, number, .. } = refusal.place;
    out.extend_from_slice(format!(",\"{}\":{number}", unit.name()).as_bytes());
    for (name, value) in [
        ("event_id", refusal.event_id.as_deref()),
        ("code", Some(refusal.code.as_str())),
        ("detail", Some(refusal.detail.as_str())),
        ("text", refusal.text.as_deref()),
    ] {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        match value {
            Some(value) => push_string(&mut out, value),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.extend_from_slice(b"}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::publish::portion::Unit;

    #[test]
    fn a_long_id_does_not_hide_the_reason_behind_it() {
        let id = |chars| "é".repeat(chars);
        let (whole, too_long) = (id(TOLD_ID_CHARS_MAX), id(20_000));
        assert_eq!(told_id(&whole), format!(" (event_id \"{whole}\")"));
        assert_eq!(told_id(&too_long), format!(" (event_id \"{whole}\"…)"));
    }

    #[test]
    fn a_line_of_the_file_says_where_why_and_what() {
        let refusal = Refusal {
            place: Place {
                source: 0,
                unit: Unit::Element,
                number: 3,
            },
            event_id: None,
            code: "invalid_json".into(),
            detail: "d".into(),
            text: Some("{\"a\"".into()),
        };
        let text = String::from_utf8(line("x", &refusal)).expect("UTF-8");
        assert_eq!(
            text,
            "{\"input\":\"x\",\"element\":3,\"event_id\":null,\"code\":\"invalid_json\",\
             \"detail\":\"d\",\"text\":\"{\\\"a\\\"\"}\n"
        );
    }
}
