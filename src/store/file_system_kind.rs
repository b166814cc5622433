//! Which kind of file system log and index are on, and whether it is known to keep less
//! than the two need: syncs that last, and for SQLite's WAL locks and shared memory maps.
//!
//! SQLite says that a WAL does not work over a network file system
//! (<https://www.sqlite.org/wal.html>, section 1), and that file locks of many network file
//! systems are broken (<https://www.sqlite.org/howtocorrupt.html>, section 2.1). What Docker
//! Desktop, WSL and virtual machines share with their host is 9p or virtiofs, where that was
//! seen to fail (<https://github.com/microsoft/WSL/issues/2395>). A sync there is as good as
//! what the other side makes of it. OverlayFS passes both through to the file system below.

use std::path::Path;

/// From Linux' `include/uapi/linux/magic.h`, as statfs(2) gives them. FUSE's is that of
/// virtiofs too: both are the kernel's `fs/fuse`.
mod magic {
    pub(super) const NFS: u32 = 0x6969;
    pub(super) const SMB: u32 = 0x517b;
    pub(super) const CIFS: u32 = 0xff53_4d42;
    pub(super) const SMB2: u32 = 0xfe53_4d42;
    pub(super) const V9FS: u32 = 0x0102_1997;
    pub(super) const FUSE: u32 = 0x6573_5546;
    pub(super) const CEPH: u32 = 0x00c3_6400;
    pub(super) const AFS: u32 = 0x5346_414f;
    pub(super) const TMPFS: u32 = 0x0102_1994;
    pub(super) const RAMFS: u32 = 0x8584_58f6;
}

const SHARED: &str = "syncs, locks and shared memory are not known to hold there; \
                      put the data directory on a local disk (with Docker: a named volume)";
const MEMORY: &str = "it is in memory, and gone at a reboot; \
                      put the data directory on a disk";

/// What is wrong with a kind of file system: its name, and one sentence.
fn doubt(magic: u32) -> Option<(&'static str, &'static str)> {
    Some(match magic {
        magic::NFS => ("NFS", SHARED),
        magic::SMB | magic::CIFS | magic::SMB2 => ("SMB", SHARED),
        magic::V9FS => ("9p", SHARED),
        magic::FUSE => ("FUSE or virtiofs", SHARED),
        magic::CEPH => ("CephFS", SHARED),
        magic::AFS => ("AFS", SHARED),
        magic::TMPFS => ("tmpfs", MEMORY),
        magic::RAMFS => ("ramfs", MEMORY),
        _ => return None,
    })
}

/// What the operator should know of the places of log and index, in one sentence for each
/// kind of file system.
pub(super) fn warnings(log_dir: &Path, index_dir: &Path) -> Vec<String> {
    let line = |places: String, (name, why)| format!("{places} is on {name}: {why}");
    let shown = |dir: &Path| dir.display().to_string();
    match (doubt_of(log_dir), doubt_of(index_dir)) {
        (Some(both), Some(other)) if both == other => {
            let data_dir = log_dir.parent().unwrap_or(log_dir);
            vec![line(shown(data_dir), both)]
        }
        (log, index) => [(log_dir, log), (index_dir, index)]
            .into_iter()
            .filter_map(|(dir, doubt)| Some(line(shown(dir), doubt?)))
            .collect(),
    }
}

#[cfg(target_os = "linux")]
fn doubt_of(dir: &Path) -> Option<(&'static str, &'static str)> {
    // Where it cannot be asked, nothing is known against it. The magics have 32 bits.
    doubt(rustix::fs::statfs(dir).ok()?.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
fn doubt_of(_: &Path) -> Option<(&'static str, &'static str)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_over_a_wire_or_in_memory_is_warned_of_and_local_disks_are_not() {
        for magic in [
            0x6969,
            0x517b,
            0xff53_4d42,
            0xfe53_4d42,
            0x0102_1997,
            0x6573_5546,
            0x00c3_6400,
            0x5346_414f,
        ] {
            assert_eq!(doubt(magic).map(|(_, why)| why), Some(SHARED), "{magic:x}");
        }
        for magic in [0x0102_1994, 0x8584_58f6] {
            assert_eq!(doubt(magic).map(|(_, why)| why), Some(MEMORY), "{magic:x}");
        }
        // ext4, xfs, btrfs, overlayfs, ZFS, F2FS, bcachefs.
        for magic in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x794c_7630,
            0x2fc1_2fc1,
            0xf2f5_2010,
            0xca45_1a4e,
        ] {
            assert_eq!(doubt(magic), None, "{magic:x}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn one_kind_is_one_line_and_two_places_are_named_apart() {
        // procfs is none of the kinds in doubt; /dev/shm is a tmpfs wherever there is one.
        let (memory, other) = (Path::new("/dev/shm"), Path::new("/proc"));
        if doubt_of(memory).is_none() {
            return;
        }
        assert_eq!(warnings(memory, memory).len(), 1);
        let one = warnings(other, memory);
        assert_eq!(one.len(), 1);
        assert!(one[0].starts_with("/dev/shm is on tmpfs"), "{one:?}");
        assert!(warnings(other, other).is_empty());
    }
}
