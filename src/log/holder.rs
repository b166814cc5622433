//! Who has the lock of a data directory, for one who only asks: no lock is taken for it, not for a
//! moment, since a server that starts just then would be refused.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::lock::LOCK_NAME;

/// Where Linux lists the locks that processes hold. Those of other containers are not shown.
const LOCKS: &str = "/proc/locks";

/// How often a line of that list is looked for.
const LOOKS_MAX: u32 = 5;

/// Whether a process has the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// None has it.
    Nobody,
    /// This one.
    Process {
        /// Its pid.
        pid: u32,
        /// What it wrote of itself: pid, host, since when.
        says: String,
    },
    /// It cannot be told from here: another host or container wrote this last.
    Unknown {
        /// What was written.
        says: String,
    },
}

impl Holder {
    /// Asks.
    ///
    /// # Errors
    /// When the lock's file is there and cannot be read.
    pub fn of(data_dir: &Path) -> io::Result<Holder> {
        let path = data_dir.join(LOCK_NAME);
        let (says, file) = match fs::read(&path).and_then(|text| {
            let found = fs::metadata(&path)?;
            // Who it was is a courtesy, as for who takes the lock.
            Ok((String::from_utf8_lossy(&text).into_owned(), found))
        }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
            other => other?,
        };
        let device = file.dev();
        let wanted = Wanted {
            inode: file.ino(),
            device: (rustix::fs::major(device), rustix::fs::minor(device)),
            pid: field(&says, "pid").and_then(|pid| pid.parse().ok()),
        };
        let says_own_host = field(&says, "host").is_none_or(|host| host == own_host());
        let says = says.trim().replace('\n', ", ");
        // Elsewhere, or where it is hidden, it cannot be told.
        let look = || Some(wanted.holder(&fs::read_to_string(LOCKS).ok()?));
        // The list is read in pieces, and those of others that come and go meanwhile may push a
        // line past the look: one that is not there is looked for again.
        let mut holder = look();
        for _ in 1..LOOKS_MAX {
            if holder == Some(None) {
                holder = look();
            }
        }
        Ok(match holder {
            Some(Some(pid)) => Holder::Process { pid, says },
            Some(None) if says_own_host => Holder::Nobody,
            _ => Holder::Unknown { says },
        })
    }
}

/// Of which file, on which device, the holder is wanted, and who wrote its name there.
struct Wanted {
    inode: u64,
    device: (u32, u32),
    pid: Option<u32>,
}

impl Wanted {
    /// The pid in the line of this file, such as
    /// `2: FLOCK  ADVISORY  WRITE 1426 fe:00:753934 0 EOF`.
    fn holder(&self, locks: &str) -> Option<u32> {
        locks.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, "FLOCK", _, _, pid, place, ..] = words.as_slice() else {
                return None;
            };
            let pid = pid.parse().ok()?;
            let (device, inode) = place.rsplit_once(':')?;
            let (major, minor) = device.split_once(':')?;
            let number = |hex| u32::from_str_radix(hex, 16).ok();
            // A file system of several devices, or layers, shows another one here.
            let is_ours = self.pid == Some(pid) || (number(major)?, number(minor)?) == self.device;
            (inode.parse() == Ok(self.inode) && is_ours).then_some(pid)
        })
    }
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

fn own_host() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::lock::DataLock;
    use super::*;

    #[test]
    fn the_line_of_the_file_is_found_and_no_other() {
        let locks = "\
1: POSIX  ADVISORY  WRITE 20 fe:00:77 0 EOF
2: FLOCK  ADVISORY  WRITE 21 fe:01:77 0 EOF
2: -> FLOCK  ADVISORY  WRITE 22 fe:00:77 0 EOF
3: FLOCK  ADVISORY  WRITE 23 fe:00:78 0 EOF
4: FLOCK  ADVISORY  WRITE 24 fe:00:77 0 EOF
";
        let wanted = |device, pid| Wanted {
            inode: 77,
            device,
            pid,
        };
        assert_eq!(wanted((0xfe, 0), None).holder(locks), Some(24));
        assert_eq!(wanted((0, 9), None).holder(locks), None);
        // On another device than the file says, and by the one that wrote its name there.
        assert_eq!(wanted((0, 9), Some(21)).holder(locks), Some(21));
        assert_eq!(wanted((0, 9), Some(20)).holder(locks), None);
    }

    #[test]
    fn a_lock_that_was_written_elsewhere_is_not_said_to_be_free() {
        let data_dir = tempfile::tempdir().unwrap();
        assert_eq!(Holder::of(data_dir.path()).unwrap(), Holder::Nobody);
        fs::write(data_dir.path().join(LOCK_NAME), "pid 1\nhost elsewhere\n").unwrap();
        let unknown = Holder::Unknown {
            says: "pid 1, host elsewhere".into(),
        };
        assert_eq!(Holder::of(data_dir.path()).unwrap(), unknown);
    }

    #[test]
    fn a_lock_with_anything_in_it_is_no_reason_to_fail() {
        let data_dir = tempfile::tempdir().unwrap();
        fs::write(data_dir.path().join(LOCK_NAME), [0xff, 0xfe, 0]).unwrap();
        assert_ne!(
            Holder::of(data_dir.path()).unwrap(),
            Holder::Unknown { says: "".into() }
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn whoever_has_the_lock_is_told_and_it_stays_theirs() {
        let data_dir = tempfile::tempdir().unwrap();
        let lock = DataLock::take(data_dir.path()).unwrap();
        match Holder::of(data_dir.path()).unwrap() {
            Holder::Process { pid, says } => {
                assert_eq!(pid, std::process::id());
                assert!(says.starts_with(&format!("pid {pid}, host ")), "{says}");
            }
            other => panic!("{other:?}"),
        }
        assert!(DataLock::take(data_dir.path()).is_err());
        drop(lock);
        assert_eq!(Holder::of(data_dir.path()).unwrap(), Holder::Nobody);
    }
}
