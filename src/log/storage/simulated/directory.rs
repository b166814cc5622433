//! One directory: the names that processes see, and the names that last.

use std::collections::BTreeMap;

use super::rng::Rng;

/// A file's number on the disk; never used again.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) u64);

/// A directory's number on the disk; never used again.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DirId(pub(super) u64);

/// What a name means.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A plain file.
    File(FileId),
    /// A directory.
    Dir(DirId),
}

/// Names and what they mean.
pub(super) type Names = BTreeMap<String, Node>;

/// A directory with its changes that were not synced yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    live: Names,
    durable: Names,
    /// From durable to live, in order.
    pending: Vec<NameChange>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add {
        name: String,
        node: Node,
    },
    Rename {
        from: String,
        to: String,
        node: Node,
    },
    Remove {
        name: String,
    },
}

impl NameChange {
    fn put_into(&self, names: &mut Names) {
        match self {
            NameChange::Add { name, node } => {
                names.insert(name.clone(), *node);
            }
            NameChange::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
            NameChange::Remove { name } => {
                names.remove(name);
            }
        }
    }

    fn names(&self) -> [&str; 2] {
        match self {
            NameChange::Rename { from, to, .. } => [from, to],
            NameChange::Add { name, .. } | NameChange::Remove { name } => [name, name],
        }
    }

    /// Changes to one file always form a chain of names, so names are enough to know it.
    fn shares_a_name_with(&self, other: &NameChange) -> bool {
        let others = other.names();
        self.names().iter().any(|name| others.contains(name))
    }
}

impl Directory {
    /// A directory whose names are on the disk as they are.
    pub(super) fn settled(names: Names) -> Directory {
        Directory {
            durable: names.clone(),
            live: names,
            pending: Vec::new(),
        }
    }

    /// The names that processes see.
    pub(super) fn live(&self) -> &Names {
        &self.live
    }

    /// The names that a power cut leaves at least, unless they were removed since.
    pub(super) fn durable(&self) -> &Names {
        &self.durable
    }

    pub(super) fn add(&mut self, name: String, node: Node) {
        self.change(NameChange::Add { name, node });
    }

    pub(super) fn rename(&mut self, from: String, to: String, node: Node) {
        self.change(NameChange::Rename { from, to, node });
    }

    pub(super) fn remove(&mut self, name: String) {
        self.change(NameChange::Remove { name });
    }

    fn change(&mut self, change: NameChange) {
        change.put_into(&mut self.live);
        self.pending.push(change);
    }

    /// Makes all names last.
    pub(super) fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.live);
    }

    /// What a power cut may leave. Changes that share a name or a file last in their
    /// order, none without those before it; others last or not independently.
    pub(super) fn after_power_cut(&self, rng: &mut Rng) -> Names {
        let eighths = [1, 4, 7][rng.below(3) as usize];
        let mut names = self.durable.clone();
        let mut lost: Vec<&NameChange> = Vec::new();
        for change in &self.pending {
            let lasts = rng.chance(eighths);
            if lasts
                && !lost
                    .iter()
                    .any(|earlier| earlier.shares_a_name_with(change))
            {
                change.put_into(&mut names);
            } else {
                lost.push(change);
            }
        }
        names
    }
}
