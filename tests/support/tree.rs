//! A directory with all that is in it, to be held against itself later: not a byte, a name, a
//! mode, a link or a time of change may be another one.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is a crate that uses a part of it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt};
use std::path::{Path, PathBuf};

/// What is known of each name below a directory.
pub type Tree = BTreeMap<PathBuf, Known>;

/// Mode, owner, how many names it has, when it was changed (its bytes, or anything), its bytes.
type Known = (u32, u32, u64, [(i64, i64); 2], Vec<u8>);

/// All of a directory, itself included.
pub fn tree(dir: &Path) -> Tree {
    let mut tree = Tree::new();
    take(dir, &mut tree);
    tree
}

fn take(path: &Path, tree: &mut Tree) {
    let found = fs::symlink_metadata(path).expect("it is there");
    let bytes = match found.is_file() {
        true => read(path).expect("a file that can be read"),
        false => Vec::new(),
    };
    let times = [
        (found.mtime(), found.mtime_nsec()),
        (found.ctime(), found.ctime_nsec()),
    ];
    let known = (found.mode(), found.uid(), found.nlink(), times, bytes);
    tree.insert(path.into(), known);
    if found.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            take(&entry.expect("an entry").path(), tree);
        }
    }
}

/// The bytes of a file; of what lies on a bad sector, nothing.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    fs::read(path).or_else(|error| {
        let file = fs::File::open(path)?;
        let (len, mut bytes, mut page) = (file.metadata()?.len(), Vec::new(), [0; 4096]);
        if error.raw_os_error() != Some(5) {
            return Err(error);
        }
        for at in (0..len).step_by(page.len()) {
            match file.read_at(&mut page, at) {
                Ok(count) => bytes.extend_from_slice(&page[..count]),
                Err(_) => bytes.extend_from_slice(b"bad"),
            }
        }
        Ok(bytes)
    })
}

/// Fails, and names what is another, when anything is.
#[track_caller]
pub fn assert_same(before: &Tree, dir: &Path) {
    let after = tree(dir);
    let names = before.keys().chain(after.keys());
    let changed: Vec<&PathBuf> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}

/// A copy of a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file can be copied");
        }
    }
}

/// The names in a directory, in order.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
