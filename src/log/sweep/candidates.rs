//! What lies in a log's directory under the names of segments, usable or not.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::found::{Flaw, StrayKind};
use super::mend::mended_header;
use super::patient::PatientFile;
use crate::log::error::{Fault, LogError};
use crate::log::format::{HEADER_BYTES, LogId};
use crate::log::header::HeaderFault;
use crate::log::inventory::Inventory;
use crate::log::segment::{SegmentFile, SegmentId};
use crate::log::storage::{Storage, StorageFile as _};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// A segment of this log.
    Usable,
    /// Nothing in it can be trusted; it has so many bytes.
    Unusable(Flaw, u64),
    /// No segment of this log.
    Stray(StrayKind),
}

/// One name, in order.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) id: SegmentId,
    pub(super) state: State,
}

/// What a segment's header says.
enum Said {
    /// Of which log it is.
    Log(LogId),
    /// Nothing that can be trusted; the file has so many bytes.
    Nothing(Flaw, u64),
}

/// A segment that was opened for a sweep.
#[derive(Debug)]
pub(super) enum Opened {
    Good {
        segment: SegmentFile,
        file: Arc<PatientFile>,
        /// Its own header is damaged, and is known all the same.
        header_fault: Option<Flaw>,
    },
    Unusable(Flaw, u64),
}

/// Looks at all segments of the log, or at those from this one on.
///
/// # Errors
/// I/O errors but for bad sectors; [`LogError::Missing`]; what a later version wrote; when none
/// of the segments says which log this is, what is wrong with the first one.
pub(super) fn look(
    storage: &dyn Storage,
    dir: &Path,
    from: Option<SegmentId>,
) -> Result<(LogId, Vec<Candidate>), LogError> {
    let inventory = match Inventory::read(storage, dir) {
        Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(LogError::Missing(dir.to_owned()));
        }
        other => other?,
    };
    let is_wanted = |id: &SegmentId| from.is_none_or(|from| *id >= from);
    let mut found = Vec::new();
    for id in inventory.segments.iter().copied().filter(is_wanted) {
        // What says so is closed again at once: a log may have more segments than a process may
        // have files open.
        found.push((
            id,
            match open(storage, dir, id)? {
                Opened::Good { segment, .. } => Said::Log(segment.header.log_id),
                Opened::Unusable(flaw, bytes) => Said::Nothing(flaw, bytes),
            },
        ));
    }
    let log_id = match (&inventory.meta, most_say(&found)) {
        (Some(meta), _) => meta.log_id,
        (None, Some(log_id)) => log_id,
        (None, None) => match inventory.segments.first() {
            Some(first) => SegmentFile::open(storage, dir, *first)?.header.log_id,
            None => return Err(LogError::Missing(dir.to_owned())),
        },
    };
    let others = storage
        .list_others(dir)
        .map_err(LogError::io("list", dir))?;
    let others = others
        .iter()
        .filter_map(|name| SegmentId::from_file_name(name));
    let no_files = others.filter(is_wanted).map(|id| Candidate {
        id,
        state: State::Stray(StrayKind::NoFile),
    });
    let files = found.into_iter().map(|(id, said)| Candidate {
        id,
        state: match said {
            Said::Nothing(flaw, bytes) => State::Unusable(flaw, bytes),
            Said::Log(found) if found != log_id => State::Stray(StrayKind::Foreign {
                found,
                expected: log_id,
            }),
            Said::Log(_) => State::Usable,
        },
    });
    let mut candidates: Vec<Candidate> = files.chain(no_files).collect();
    candidates.sort_by_key(|candidate| candidate.id);
    Ok((log_id, candidates))
}

/// The log that most segments say they belong to; of two, the one that is said first.
fn most_say(found: &[(SegmentId, Said)]) -> Option<LogId> {
    let mut votes = HashMap::<LogId, (usize, SegmentId)>::new();
    for (id, said) in found {
        if let Said::Log(log_id) = said {
            votes.entry(*log_id).or_insert((0, *id)).0 += 1;
        }
    }
    let most = votes
        .into_iter()
        .max_by_key(|(_, (count, first))| (*count, std::cmp::Reverse(*first)));
    most.map(|(log_id, _)| log_id)
}

/// Opens a segment so that bad sectors are read around.
///
/// # Errors
/// No right to read; what a later version wrote.
pub(super) fn open(storage: &dyn Storage, dir: &Path, id: SegmentId) -> Result<Opened, LogError> {
    open_file(storage, dir.join(id.file_name()), id)
}

/// Opens a file as this segment.
///
/// # Errors
/// As [`open`].
pub(super) fn open_file(
    storage: &dyn Storage,
    path: PathBuf,
    id: SegmentId,
) -> Result<Opened, LogError> {
    let file = match storage.open(&path) {
        Ok(file) => Arc::new(PatientFile::new(file)),
        Err(error) if is_of_the_file(&error) => {
            return Ok(Opened::Unusable(Flaw::Unopened(Arc::new(error)), 0));
        }
        Err(error) => return Err(LogError::io("open", &path)(error)),
    };
    let bytes = match file.len() {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Opened::Unusable(Flaw::Unopened(Arc::new(error)), 0)),
    };
    match SegmentFile::of_file(file.clone(), path.clone(), id) {
        Ok(segment) => Ok(Opened::Good {
            segment,
            file,
            header_fault: None,
        }),
        Err(LogError::Corrupt(damage)) => {
            let flaw = flaw_of(&file, 0..HEADER_BYTES as u64, damage.fault);
            Ok(match mended_header(&file, bytes, id) {
                Some(header) => Opened::Good {
                    segment: SegmentFile {
                        id,
                        path,
                        header,
                        file: file.clone(),
                    },
                    file,
                    header_fault: Some(flaw),
                },
                None => Opened::Unusable(flaw, bytes),
            })
        }
        Err(error) => Err(error),
    }
}

/// What is wrong with these bytes: this, unless some of them could not even be read.
pub(super) fn flaw_of(file: &PatientFile, bytes: std::ops::Range<u64>, fault: Fault) -> Flaw {
    match file.unreadable(bytes).into_iter().next() {
        Some(unreadable) => Flaw::Unreadable {
            offset: unreadable.bytes.start,
            end: unreadable.bytes.end,
            error: unreadable.error,
        },
        None => fault.into(),
    }
}

/// Whether an error is of this one file's bytes on the disk, and not of how the tool is run.
fn is_of_the_file(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
    ) && error.raw_os_error() != Some(rustix::io::Errno::MFILE.raw_os_error())
}

impl From<HeaderFault> for Flaw {
    fn from(fault: HeaderFault) -> Flaw {
        Fault::from(fault).into()
    }
}
