//! Read-only mappings of sealed files: the one place in the project that says `unsafe`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;

/// A file's bytes in memory.
#[derive(Debug)]
pub struct Mapping(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped(memmap2::Mmap),
    /// An empty file, or a disk that exists in memory only.
    Owned(Vec<u8>),
}

impl Mapping {
    /// Maps a file that nobody changes or cuts any more.
    ///
    /// # Errors
    /// Whatever the operating system says to `mmap` or `fstat`.
    pub fn of_file(file: &File) -> io::Result<Mapping> {
        if file.metadata()?.len() == 0 {
            return Ok(Mapping(Bytes::Owned(Vec::new())));
        }
        // SAFETY: the mapping is read-only and made of sealed segments only, which no
        // process changes: sealing is the last write, recovery touches the last segment
        // before it is mapped, and `data/lock` keeps other servers and tools out. Who
        // overwrites the file by other means gets other bytes, which the CRCs catch.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Mapping(Bytes::Mapped(map)))
    }

    /// Bytes that are in memory anyway.
    pub fn of_bytes(bytes: Vec<u8>) -> Mapping {
        Mapping(Bytes::Owned(bytes))
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}
