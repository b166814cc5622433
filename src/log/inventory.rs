//! What lies in a log's directory. It only looks.

use std::path::{Path, PathBuf};

use super::error::LogError;
use super::format::{LogId, META_BYTES};
use super::header::{HeaderFault, Meta};
use super::segment::{SegmentFile, SegmentId};
use super::storage::{Storage, TEMP_PREFIX};

/// The name of the log's identity file.
pub const META_NAME: &str = "log.meta";
/// The name of the room that recovery may use.
pub const RESERVE_NAME: &str = "reserve";
/// How the names of saved torn bytes start.
pub const TORN_PREFIX: &str = "torn-";

/// The files of a log, by their names.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The directory.
    pub dir: PathBuf,
    /// `log.meta`, if it is there and good.
    pub meta: Option<Meta>,
    /// The segments, in order.
    pub segments: Vec<SegmentId>,
    /// Files that never became what they were to be.
    pub left_overs: Vec<String>,
    /// Saved torn bytes.
    pub torn: Vec<String>,
    /// Whether the reserve is there.
    pub reserve: bool,
    /// Files that are none of a log's.
    pub strange: Vec<String>,
}

impl Inventory {
    /// Lists a log's directory.
    ///
    /// # Errors
    /// I/O errors; [`LogError::NewerMeta`] when a later version made the log.
    pub fn read(storage: &dyn Storage, dir: &Path) -> Result<Inventory, LogError> {
        let names = storage.list(dir).map_err(LogError::io("list", dir))?;
        let mut inventory = Inventory {
            dir: dir.to_owned(),
            meta: read_meta(storage, dir, &names)?,
            segments: names
                .iter()
                .filter_map(|name| SegmentId::from_file_name(name))
                .collect(),
            left_overs: starting_with(&names, TEMP_PREFIX),
            torn: starting_with(&names, TORN_PREFIX),
            reserve: names.iter().any(|name| name == RESERVE_NAME),
            strange: names
                .iter()
                .filter(|name| is_strange(name))
                .cloned()
                .collect(),
        };
        inventory.segments.sort_unstable();
        inventory.torn.sort_unstable();
        inventory.strange.sort_unstable();
        Ok(inventory)
    }

    /// Which log this is, by `log.meta` or else by the first segment; none for an empty one.
    ///
    /// # Errors
    /// I/O errors, and damage to the segment's header when that is all there is.
    pub fn log_id(&self, storage: &dyn Storage) -> Result<Option<LogId>, LogError> {
        match (&self.meta, self.segments.first()) {
            (Some(meta), _) => Ok(Some(meta.log_id)),
            (None, Some(first)) => {
                let segment = SegmentFile::open(storage, &self.dir, *first)?;
                Ok(Some(segment.header.log_id))
            }
            (None, None) => Ok(None),
        }
    }
}

fn is_strange(name: &str) -> bool {
    let is_known = [META_NAME, RESERVE_NAME].contains(&name)
        || [TEMP_PREFIX, TORN_PREFIX]
            .iter()
            .any(|prefix| name.starts_with(prefix));
    !is_known && SegmentId::from_file_name(name).is_none()
}

fn starting_with(names: &[String], prefix: &str) -> Vec<String> {
    names
        .iter()
        .filter(|name| name.starts_with(prefix))
        .cloned()
        .collect()
}

fn read_meta(
    storage: &dyn Storage,
    dir: &Path,
    names: &[String],
) -> Result<Option<Meta>, LogError> {
    if !names.iter().any(|name| name == META_NAME) {
        return Ok(None);
    }
    let path = dir.join(META_NAME);
    let mut bytes = [0; META_BYTES];
    let count = storage
        .open(&path)
        .and_then(|file| file.read_at(&mut bytes, 0))
        .map_err(LogError::io("read", &path))?;
    match Meta::decode(&bytes[..count]) {
        Ok(meta) => Ok(Some(meta)),
        Err(HeaderFault::Version(version)) => Err(LogError::NewerMeta { path, version }),
        // The segments repeat all it says, and it is made anew from them.
        Err(_) => Ok(None),
    }
}
