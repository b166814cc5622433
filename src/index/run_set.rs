//! The runs of one moment, and how their filters are asked together.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use super::digest::KeyDigest;
use super::filter::FilterShape;
use super::run::Run;
use super::woven::{COLUMNS_MAX, Woven};

/// Runs, as they are asked.
#[derive(Debug, Default)]
pub(super) struct RunSet {
    list: Vec<Arc<Run>>,
    groups: Vec<Group>,
}

/// Runs of one shape: a key's line is in the same place in all of their filters.
#[derive(Debug)]
pub(super) struct Group {
    shape: FilterShape,
    chunks: Vec<GroupChunk>,
}

/// One chunk of their filters.
#[derive(Debug, Default)]
struct GroupChunk {
    in_memory: Vec<Columns>,
    /// The runs of which it is not in memory, by their position in the list.
    unread: Vec<usize>,
}

/// Some runs whose filters are woven together.
#[derive(Debug)]
struct Columns {
    woven: Arc<Woven>,
    /// Which run of the list has which column; `None` where it is not in the list.
    runs: [Option<usize>; COLUMNS_MAX],
}

/// Where a group is asked for a key.
#[derive(Copy, Clone, Debug)]
pub(super) struct Probe<'g> {
    of_chunk: &'g GroupChunk,
    pub(super) chunk: usize,
    pub(super) line: usize,
}

impl Deref for RunSet {
    type Target = [Arc<Run>];

    fn deref(&self) -> &[Arc<Run>] {
        &self.list
    }
}

impl RunSet {
    pub(super) fn of(list: Vec<Arc<Run>>) -> RunSet {
        let groups = of_shapes(&list)
            .iter()
            .map(|of_shape| Group::of(&list, of_shape))
            .collect();
        RunSet { list, groups }
    }

    /// How many runs each weave has, where all of the first chunks are in memory.
    #[cfg(test)]
    pub(super) fn woven(&self) -> Option<Vec<usize>> {
        let first_chunks = self.groups.iter().map(|group| &group.chunks[0]);
        let is_read = |chunk: &GroupChunk| chunk.unread.is_empty();
        let columns = |chunk: &GroupChunk| -> Vec<usize> {
            let weaves = chunk.in_memory.iter();
            weaves
                .map(|columns| columns.runs.iter().flatten().count())
                .collect()
        };
        first_chunks
            .map(|chunk| is_read(chunk).then(|| columns(chunk)))
            .collect::<Option<Vec<_>>>()
            .map(|of_groups| of_groups.concat())
    }

    /// All of the runs, in groups.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

/// The positions of the runs of each shape, those that are merged first before the others.
pub(super) fn of_shapes(list: &[Arc<Run>]) -> Vec<Vec<usize>> {
    let mut shapes = BTreeMap::<FilterShape, Vec<usize>>::new();
    for (position, run) in list.iter().enumerate() {
        shapes
            .entry(run.file.row.filter)
            .or_default()
            .push(position);
    }
    for positions in shapes.values_mut() {
        positions.sort_by_key(|position| list[*position].file.row.id);
    }
    shapes.into_values().collect()
}

impl Group {
    fn of(list: &[Arc<Run>], positions: &[usize]) -> Group {
        let shape = list[positions[0]].file.row.filter;
        let chunks = (0..shape.chunks as usize)
            .map(|chunk| GroupChunk::of(list, positions, chunk))
            .collect();
        Group { shape, chunks }
    }

    /// Where a key is asked for.
    pub(super) fn probe(&self, key: KeyDigest) -> Probe<'_> {
        let (chunk, line) = self.shape.place(key);
        Probe {
            of_chunk: &self.chunks[chunk],
            chunk,
            line,
        }
    }
}

impl GroupChunk {
    fn of(list: &[Arc<Run>], positions: &[usize], chunk: usize) -> GroupChunk {
        let mut of_chunk = GroupChunk::default();
        for position in positions {
            let Some(strand) = list[*position].strand(chunk) else {
                of_chunk.unread.push(*position);
                continue;
            };
            let columns = &mut of_chunk.in_memory;
            let is_same = |columns: &Columns| Arc::ptr_eq(&columns.woven, strand.woven());
            let place = columns.iter().position(is_same).unwrap_or_else(|| {
                columns.push(Columns {
                    woven: Arc::clone(strand.woven()),
                    runs: [None; COLUMNS_MAX],
                });
                columns.len() - 1
            });
            columns[place].runs[strand.column()] = Some(*position);
        }
        of_chunk
    }
}

impl<'g> Probe<'g> {
    /// Gives a byte of each cache line that [`Probe::suspects`] looks at first.
    pub(super) fn looked_at(&self, key: KeyDigest, give: &mut Vec<&'g u8>) {
        let columns = self.of_chunk.in_memory.iter();
        give.extend(columns.flat_map(|columns| columns.woven.looked_at(self.line, key)));
    }

    /// Gives the runs whose filters are in memory and suspect the key, by their position in the
    /// list.
    pub(super) fn suspects(&self, key: KeyDigest, mut give: impl FnMut(usize)) {
        for columns in &self.of_chunk.in_memory {
            let mut suspects = columns.woven.suspects(self.line, key);
            while suspects != 0 {
                if let Some(position) = columns.runs[suspects.trailing_zeros() as usize] {
                    give(position);
                }
                suspects &= suspects - 1;
            }
        }
    }

    /// The runs whose filters must be read, by their position in the list.
    pub(super) fn unread(&self) -> &[usize] {
        &self.of_chunk.unread
    }
}
