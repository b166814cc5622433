//! A new index in the place of an old one, so that a stop at any moment leaves one of both.
//!
//! | directory | is |
//! |---|---|
//! | `index` | the one that is used |
//! | `index.building` | a new one that is not complete |
//! | `index.ready` | a new one that is, and about to take its place |
//! | `index.replaced` | the old one, about to be removed |
//!
//! Names change by renames, each of which lasts before the next: the old one stands aside, the
//! new one takes its place, the old one goes. Whoever has the data directory next puts in order
//! what a stop has left.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::log::{LOG_DIR, give_to_owner_of};

/// The directory of the index in a data directory.
pub const INDEX_DIR: &str = "index";
/// The directories that are there only while an index is replaced.
pub const SUCCESSION_DIRS: [&str; 3] = [BUILDING, READY, REPLACED];

const BUILDING: &str = "index.building";
const READY: &str = "index.ready";
const REPLACED: &str = "index.replaced";

/// Which index a stop in the middle of a succession has left, where that was open.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Successor {
    /// The old one: the new one was not complete.
    Old,
    /// The new one.
    New,
}

/// Replaces the index of a data directory, whose lock the caller has.
#[derive(Clone, Debug)]
pub struct Succession {
    data_dir: PathBuf,
}

impl Succession {
    /// Of this data directory.
    pub fn of(data_dir: &Path) -> Succession {
        Succession {
            data_dir: data_dir.to_owned(),
        }
    }

    /// Where the new index is made.
    pub fn building(&self) -> PathBuf {
        self.dir(BUILDING)
    }

    /// Where the index is now. Not in its place, where a stop has left none there:
    /// [`Succession::put_in_place`] gives it that.
    pub fn current(&self) -> PathBuf {
        let is_there = |name: &str| exists(&self.dir(name)).unwrap_or(false);
        let stands_in = || [READY, REPLACED].into_iter().find(|name| is_there(name));
        match is_there(INDEX_DIR) {
            true => self.dir(INDEX_DIR),
            false => self.dir(stands_in().unwrap_or(INDEX_DIR)),
        }
    }

    /// What a rebuild that is under way, or was stopped, has beside the index.
    pub fn left_overs(&self) -> Vec<&'static str> {
        let is_there = |name: &&str| exists(&self.dir(name)).unwrap_or(false);
        SUCCESSION_DIRS.into_iter().filter(is_there).collect()
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.data_dir.join(name)
    }

    /// Puts an index in its place where a stop has left none there. To be done before anything
    /// else looks for one.
    ///
    /// # Errors
    /// I/O errors. It can be tried again.
    pub fn put_in_place(&self) -> io::Result<Option<Successor>> {
        if exists(&self.dir(INDEX_DIR))? {
            return Ok(None);
        }
        for (name, successor) in [(READY, Successor::New), (REPLACED, Successor::Old)] {
            if exists(&self.dir(name))? {
                self.rename(name, INDEX_DIR)?;
                return Ok(Some(successor));
            }
        }
        Ok(None)
    }

    /// Removes what a stop has left beside the index, which is in its place. Returns whether
    /// there was anything.
    ///
    /// # Errors
    /// I/O errors. It can be tried again.
    pub fn remove_left_overs(&self) -> io::Result<bool> {
        let mut has_removed = false;
        for name in SUCCESSION_DIRS {
            if exists(&self.dir(name))? {
                self.remove(name)?;
                has_removed = true;
            }
        }
        Ok(has_removed)
    }

    /// Whether the index can be replaced by renames: not one that is mounted, or lies elsewhere
    /// and has only a link here.
    ///
    /// # Errors
    /// I/O errors.
    pub fn is_possible(&self) -> io::Result<bool> {
        let dir = self.dir(INDEX_DIR);
        match fs::symlink_metadata(&dir) {
            Ok(found) => {
                let is_beside = found.dev() == fs::metadata(&self.data_dir)?.dev();
                Ok(found.is_dir() && is_beside && !is_mounted(&dir))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Makes the directory for the new index; what a stop had left was put in order before.
    ///
    /// # Errors
    /// I/O errors.
    pub fn begin(&self) -> io::Result<PathBuf> {
        let dir = self.dir(BUILDING);
        fs::create_dir(&dir)?;
        self.sync()?;
        Ok(dir)
    }

    /// Gives up the new index.
    ///
    /// # Errors
    /// I/O errors.
    pub fn abandon(&self) -> io::Result<()> {
        match exists(&self.dir(BUILDING))? {
            true => self.remove(BUILDING),
            false => Ok(()),
        }
    }

    /// Puts the new index, which is complete and closed, in the place of the old one. That is then
    /// to be removed, with [`Succession::remove_left_overs`].
    ///
    /// # Errors
    /// I/O errors. [`Succession::put_in_place`] finds out how far it came.
    pub fn finish(&self) -> io::Result<()> {
        STEPS.iter().try_for_each(|step| step(self))
    }

    fn complete(&self) -> io::Result<()> {
        let dir = self.dir(BUILDING);
        self.give_to_owner(&dir)?;
        File::open(&dir)?.sync_all()?;
        self.rename(BUILDING, READY)
    }

    fn stand_aside(&self) -> io::Result<()> {
        match exists(&self.dir(INDEX_DIR))? {
            true => self.rename(INDEX_DIR, REPLACED),
            false => Ok(()),
        }
    }

    fn take_place(&self) -> io::Result<()> {
        self.rename(READY, INDEX_DIR)
    }

    /// Whoever owns the log must be able to use the index, also when root has made it.
    fn give_to_owner(&self, dir: &Path) -> io::Result<()> {
        let log = self.dir(LOG_DIR);
        for entry in fs::read_dir(dir)? {
            give_to_owner_of(&log, &entry?.path())?;
        }
        give_to_owner_of(&log, dir)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir(from), self.dir(to))?;
        self.sync()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.dir(name))?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.data_dir)?.sync_all()
    }
}

/// The steps by which a new index takes its place.
const STEPS: [fn(&Succession) -> io::Result<()>; 3] = [
    Succession::complete,
    Succession::stand_aside,
    Succession::take_place,
];

/// Whether something is mounted there, be it of the same file system. Where that cannot be told,
/// the rename will.
#[cfg(target_os = "linux")]
fn is_mounted(dir: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    statx(CWD, dir, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(not(target_os = "linux"))]
fn is_mounted(_dir: &Path) -> bool {
    false
}

/// Whether something has this name.
fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data directory whose index says `old`, beside which one that says `new` is complete.
    fn begun(has_old: bool) -> (tempfile::TempDir, Succession) {
        let data_dir = tempfile::tempdir().unwrap();
        let succession = Succession::of(data_dir.path());
        fs::create_dir(data_dir.path().join("log")).unwrap();
        if has_old {
            fs::create_dir(data_dir.path().join(INDEX_DIR)).unwrap();
            fs::write(data_dir.path().join("index/says"), "old").unwrap();
        }
        let dir = succession.begin().unwrap();
        fs::write(dir.join("says"), "new").unwrap();
        (data_dir, succession)
    }

    fn says(data_dir: &Path) -> Option<String> {
        fs::read_to_string(data_dir.join("index/says")).ok()
    }

    fn names(data_dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(data_dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn settle(succession: &Succession) -> Option<Successor> {
        let successor = succession.put_in_place().unwrap();
        succession.remove_left_overs().unwrap();
        assert!(!succession.remove_left_overs().unwrap());
        assert_eq!(succession.put_in_place().unwrap(), None);
        successor
    }

    #[test]
    fn a_stop_after_any_step_leaves_the_old_index_or_the_new_one_and_nothing_else() {
        for done in 0..=STEPS.len() {
            let (data_dir, succession) = begun(true);
            let steps = STEPS[..done].iter();
            steps.for_each(|step| step(&succession).unwrap());
            let (expected, told) = match done {
                0 | 1 => ("old", None),
                2 => ("new", Some(Successor::New)),
                _ => ("new", None),
            };
            assert_eq!(settle(&succession), told, "{done}");
            assert_eq!(says(data_dir.path()).as_deref(), Some(expected), "{done}");
            assert_eq!(names(data_dir.path()), ["index", "log"]);
        }
    }

    #[test]
    fn a_stop_without_an_old_index_leaves_none_or_the_new_one() {
        for done in 0..=STEPS.len() {
            let (data_dir, succession) = begun(false);
            let steps = STEPS[..done].iter();
            steps.for_each(|step| step(&succession).unwrap());
            let told = settle(&succession);
            assert_eq!(told.is_some(), (1..=2).contains(&done), "{done}");
            let expected = (done > 0).then(|| "new".to_owned());
            assert_eq!(says(data_dir.path()), expected, "{done}");
        }
    }

    #[test]
    fn an_old_index_that_was_being_removed_never_comes_back() {
        let (data_dir, succession) = begun(true);
        STEPS[..3]
            .iter()
            .for_each(|step| step(&succession).unwrap());
        fs::remove_file(data_dir.path().join("index.replaced/says")).unwrap();
        assert_eq!(settle(&succession), None);
        assert_eq!(says(data_dir.path()).as_deref(), Some("new"));
        assert_eq!(names(data_dir.path()), ["index", "log"]);
    }

    #[test]
    fn an_old_index_stands_in_where_a_new_one_is_gone() {
        let (data_dir, succession) = begun(true);
        STEPS[..2]
            .iter()
            .for_each(|step| step(&succession).unwrap());
        fs::remove_dir_all(data_dir.path().join(READY)).unwrap();
        assert_eq!(settle(&succession), Some(Successor::Old));
        assert_eq!(says(data_dir.path()).as_deref(), Some("old"));
    }

    #[test]
    fn an_index_that_is_only_a_link_is_not_replaced() {
        let elsewhere = tempfile::tempdir().unwrap();
        let data_dir = tempfile::tempdir().unwrap();
        let succession = Succession::of(data_dir.path());
        assert!(succession.is_possible().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), data_dir.path().join(INDEX_DIR)).unwrap();
        assert!(!succession.is_possible().unwrap());
    }
}
