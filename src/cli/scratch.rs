//! A directory for what a command makes and throws away again.

use std::io::{self, ErrorKind};
use std::path::Path;

use tempfile::TempDir;

/// Memory that can be written where no disk can: under the read-only root of a container. It
/// is small there (64 MiB with Docker).
const SHARED_MEMORY: &str = "/dev/shm";

/// Makes one in this directory; else in the system's temporary directory, or in shared memory
/// where that cannot be written.
///
/// # Errors
/// None could be made where it was wanted.
pub(super) fn scratch_dir(wanted: Option<&Path>) -> io::Result<TempDir> {
    match wanted {
        Some(dir) => make_in(dir),
        None => first_of(&[&std::env::temp_dir(), Path::new(SHARED_MEMORY)]),
    }
}

/// The first of these that can be written. When none can, the first one's error.
fn first_of(places: &[&Path]) -> io::Result<TempDir> {
    let mut first_error = None;
    for place in places {
        match make_in(place) {
            Err(error) if cannot_be_written(&error) => {
                first_error.get_or_insert(error);
            }
            other => return other,
        }
    }
    Err(first_error.unwrap_or_else(|| ErrorKind::NotFound.into()))
}

fn make_in(place: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("oncelog-")
        .tempdir_in(place)
}

/// Not when it is full: what is full now may have been chosen for its size.
fn cannot_be_written(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied | ErrorKind::NotFound
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_passed_over_unless_it_was_asked_for() {
        let good = tempfile::tempdir().expect("a directory");
        let missing = good.path().join("missing");
        let made = first_of(&[&missing, good.path()]).expect("the second place");
        assert_eq!(made.path().parent(), Some(good.path()));
        let made = first_of(&[good.path(), &missing]).expect("the first place");
        assert_eq!(made.path().parent(), Some(good.path()));

        let error = scratch_dir(Some(&missing)).expect_err("it was asked for");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let also_missing = good.path().join("also-missing");
        let error = first_of(&[&missing, &also_missing]).expect_err("no place");
        let named = missing.to_string_lossy().into_owned();
        assert!(error.to_string().contains(&named), "{error}");
    }
}
