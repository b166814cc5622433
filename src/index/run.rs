//! A sorted run as look-ups see it: its file, what of it is in memory, and for which keys
//! it answers.
//!
//! Nothing has to be in memory: what is not is read from the file.

use std::sync::Arc;

use super::digest::KeyDigest;
use super::error::IndexError;
use super::filter::high_half;
use super::pages::Pages;
use super::run_file::RunFile;
use super::woven::Strand;

/// A run. Cheap to clone: what is in memory is shared.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) file: Arc<RunFile>,
    fences: Option<Arc<[u128]>>,
    chunks: Vec<Option<Strand>>,
    /// It answers for keys whose high half is in here: all of them, but while a merged run
    /// takes over from its sources.
    from: u64,
    to: u64,
}

/// A piece of a run that can be in memory.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Fences,
    Chunk(usize),
}

/// The same, read into memory.
pub(super) enum Loaded {
    Fences(Arc<[u128]>),
    Chunk(usize, Strand),
}

impl Run {
    /// A run that answers for all keys, with nothing in memory.
    pub(super) fn new(file: Arc<RunFile>) -> Run {
        Run {
            fences: None,
            chunks: vec![None; file.row.filter.chunks as usize],
            file,
            from: 0,
            to: u64::MAX,
        }
    }

    /// The same, answering only for keys whose high half is in `[from, to]`.
    pub(super) fn answering(&self, from: u64, to: u64) -> Run {
        Run {
            from,
            to,
            ..self.clone()
        }
    }

    /// Whether it answers for the key.
    pub(super) fn answers(&self, key: KeyDigest) -> bool {
        (self.from..=self.to).contains(&high_half(key))
    }

    /// A chunk of the filter, if it is in memory.
    pub(super) fn strand(&self, chunk: usize) -> Option<&Strand> {
        self.chunks[chunk].as_ref()
    }

    /// The fences, if they are in memory.
    pub(super) fn fences(&self) -> Option<&[u128]> {
        self.fences.as_deref()
    }

    /// The parts that are of use, the most useful for its size first.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let filter = self.file.row.filter;
        let (from, to) = (self.from, self.to);
        let in_use = move |chunk: &usize| {
            let begin = filter.begin_of(*chunk as u64);
            let next = filter.begin_of(*chunk as u64 + 1);
            begin.is_some_and(|begin| begin <= to) && next.is_none_or(|next| next > from)
        };
        let chunks = (0..self.chunks.len()).filter(in_use).map(Part::Chunk);
        std::iter::once(Part::Fences).chain(chunks)
    }

    /// The bytes that a part takes in memory.
    pub(super) fn part_bytes(&self, part: Part) -> u64 {
        match part {
            Part::Fences => self.file.row.key_blocks * 16,
            Part::Chunk(_) => self.file.row.filter.chunk_bytes(),
        }
    }

    /// Whether a part is in memory.
    pub(super) fn has(&self, part: Part) -> bool {
        match part {
            Part::Fences => self.fences.is_some(),
            Part::Chunk(chunk) => self.chunks[chunk].is_some(),
        }
    }

    /// Reads a part, through `buffer`.
    ///
    /// # Errors
    /// [`IndexError`] when it cannot be read or is damaged.
    pub(super) fn load(&self, part: Part, buffer: &mut Pages) -> Result<Loaded, IndexError> {
        Ok(match part {
            Part::Fences => Loaded::Fences(self.file.load_fences()?.into()),
            Part::Chunk(chunk) => {
                let lines = self.file.load_chunk(chunk as u64, buffer)?;
                Loaded::Chunk(chunk, Strand::alone(lines))
            }
        })
    }

    /// Keeps a part of it in memory.
    pub(super) fn keep(&mut self, part: Loaded) {
        match part {
            Loaded::Fences(fences) => self.fences = Some(fences),
            Loaded::Chunk(chunk, strand) => self.chunks[chunk] = Some(strand),
        }
    }

    /// Whether anything is in memory that is not among these parts.
    pub(super) fn has_others(&self, kept: &[Part]) -> bool {
        self.in_memory().any(|part| !kept.contains(&part))
    }

    /// Forgets all parts but these.
    pub(super) fn keep_only(&mut self, kept: &[Part]) {
        if !kept.contains(&Part::Fences) {
            self.fences = None;
        }
        let mut chunks = vec![None; self.chunks.len()];
        for part in kept {
            if let Part::Chunk(chunk) = part {
                chunks[*chunk] = self.chunks[*chunk].take();
            }
        }
        self.chunks = chunks;
    }

    fn in_memory(&self) -> impl Iterator<Item = Part> + '_ {
        let chunks = (0..self.chunks.len()).map(Part::Chunk);
        std::iter::once(Part::Fences)
            .chain(chunks)
            .filter(|part| self.has(*part))
    }
}
