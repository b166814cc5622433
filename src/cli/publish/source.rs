//! What is published: files, or the standard input.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
}

/// An input that cannot be read from the start.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {source}")]
pub(super) struct SourceError {
    name: String,
    source: io::Error,
}

impl Source {
    /// These inputs, all of which are there.
    pub(super) fn check_all(files: &[PathBuf]) -> Result<Vec<Source>, SourceError> {
        if files.is_empty() {
            return Ok(vec![Source::Stdin]);
        }
        files.iter().map(|file| Source::check(file)).collect()
    }

    fn check(path: &Path) -> Result<Source, SourceError> {
        if path == Path::new("-") {
            return Ok(Source::Stdin);
        }
        let checked = fs::metadata(path).and_then(|found| {
            if found.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            // A pipe is opened once only: its writer would notice.
            if found.is_file() {
                File::open(path)?;
            }
            Ok(())
        });
        match checked {
            Ok(()) => Ok(Source::File(path.to_owned())),
            Err(source) => Err(SourceError {
                name: path.display().to_string(),
                source,
            }),
        }
    }

    /// As it is shown.
    pub(super) fn name(&self) -> String {
        match self {
            Source::Stdin => "stdin".into(),
            Source::File(path) => path.display().to_string(),
        }
    }

    pub(super) fn open(&self) -> io::Result<File> {
        match self {
            Source::Stdin => Ok(io::stdin().as_fd().try_clone_to_owned()?.into()),
            Source::File(path) => File::open(path),
        }
    }

    /// Whether it is this file.
    pub(super) fn is(&self, other: &Path) -> bool {
        matches!(self, Source::File(path) if is_same_file(path, other))
    }
}

/// Whether both are there and are one file, whatever they are called.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    identity(one).is_some_and(|one| Some(one) == identity(other))
}
