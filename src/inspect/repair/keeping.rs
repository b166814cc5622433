//! The directory in which a repair keeps what it replaces, with its reports.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Repair, RepairError, Reporter};
use crate::log::mending::{SET_ASIDE_PREFIX, UNFINISHED_DIR};
use crate::log::{LOG_DIR, give_to_owner_of};

/// The directory of one repair.
pub(super) struct Keeping {
    data_dir: PathBuf,
    unfinished: PathBuf,
}

impl Keeping {
    /// In this data directory.
    pub(super) fn of(data_dir: &Path) -> Keeping {
        Keeping {
            data_dir: data_dir.to_owned(),
            unfinished: data_dir.join(UNFINISHED_DIR),
        }
    }

    /// Where it is until all is done.
    pub(super) fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// Whether a repair was stopped.
    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished.exists()
    }

    /// Makes it, so that it lasts; that of a repair that was stopped is used again.
    pub(super) fn begin(&self) -> io::Result<()> {
        match fs::create_dir(&self.unfinished) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.give(&self.unfinished)?;
        sync(&self.data_dir)
    }

    /// Writes what is told, under this name. What an earlier attempt has written stays.
    pub(super) fn report(
        &self,
        name: &str,
        reporter: &dyn Reporter,
        repair: &Repair,
    ) -> io::Result<()> {
        let is_taken = |stem: &str| {
            let path = |ending| self.unfinished.join(format!("{stem}.{ending}"));
            path("txt").exists() || path("json").exists()
        };
        let mut stem = name.to_owned();
        let mut number = 1;
        while is_taken(&stem) {
            number += 1;
            stem = format!("{name}-{number}");
        }
        for (ending, text) in [
            ("txt", reporter.text(repair)),
            ("json", reporter.json(repair)),
        ] {
            let path = self.unfinished.join(format!("{stem}.{ending}"));
            let mut file = File::create_new(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            self.give(&path)?;
        }
        sync(&self.unfinished)
    }

    /// What it is called when all is done.
    pub(super) fn final_dir(&self, begun_at: i64) -> io::Result<PathBuf> {
        let time = Timestamp::from_microsecond(begun_at).unwrap_or_default();
        let name = format!("{SET_ASIDE_PREFIX}{}", time.strftime("%Y-%m-%dT%H-%M-%SZ"));
        let mut dir = self.data_dir.join(&name);
        let mut number = 1;
        while dir.try_exists()? {
            number += 1;
            dir = self.data_dir.join(format!("{name}-{number}"));
        }
        Ok(dir)
    }

    /// All is done.
    pub(super) fn finish(&self, final_dir: &Path) -> io::Result<()> {
        fs::rename(&self.unfinished, final_dir)?;
        sync(&self.data_dir)
    }

    /// An error in it.
    pub(super) fn error(&self, source: io::Error) -> RepairError {
        RepairError::Directory {
            path: self.unfinished.clone(),
            source,
        }
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        give_to_owner_of(&self.data_dir.join(LOG_DIR), path)
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
