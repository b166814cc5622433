//! What can happen at a call.

use std::fmt;
use std::str::FromStr;

use crate::points::Point;

/// What happens.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9, before the call.
    Kill,
    /// It fails, once or from then on for ever.
    Error(&'static str, Lasting),
    /// It does nothing, and says so: a write of no bytes. A write of some bytes cannot be had so,
    /// because the call that is told a count is not made at all, and the count would be a lie;
    /// tests/full_disk.rs has true ones.
    Nothing,
    /// It takes 5 s.
    Late,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    Once,
    ForEver,
}

const LATE_MICROSECONDS: u32 = 5_000_000;
const ERRORS: [&str; 3] = ["EIO", "ENOSPC", "EMFILE"];

impl Fault {
    /// Those that may befall such a call.
    pub(crate) fn of(call: &str) -> Vec<Fault> {
        let errors: &[&str] = match call {
            // What a full disk or an unreadable one says.
            "pread64" | "sync_file_range" => &["EIO"],
            "openat" => &["EIO", "ENOSPC", "EMFILE"],
            _ => &["EIO", "ENOSPC"],
        };
        let named = ERRORS.into_iter().filter(|error| errors.contains(error));
        let lasting = [Lasting::Once, Lasting::ForEver];
        let mut faults: Vec<Fault> = named
            .flat_map(|error| lasting.map(|lasting| Fault::Error(error, lasting)))
            .collect();
        match call {
            "pwrite64" => faults.push(Fault::Nothing),
            "fdatasync" => faults.push(Fault::Late),
            _ => {}
        }
        faults
    }

    /// As strace has it.
    pub(crate) fn at(self, nth: u32) -> String {
        match self {
            Fault::Kill => format!("signal=KILL:when={nth}"),
            Fault::Error(error, Lasting::Once) => format!("error={error}:when={nth}"),
            Fault::Error(error, Lasting::ForEver) => format!("error={error}:when={nth}+"),
            Fault::Nothing => format!("retval=0:when={nth}"),
            Fault::Late => format!("delay_enter={LATE_MICROSECONDS}:when={nth}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill => f.write_str("kill"),
            Fault::Error(error, Lasting::Once) => f.write_str(error),
            Fault::Error(error, Lasting::ForEver) => write!(f, "{error}+"),
            Fault::Nothing => f.write_str("nothing"),
            Fault::Late => f.write_str("late"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let (name, lasting) = match text.strip_suffix('+') {
            Some(name) => (name, Lasting::ForEver),
            None => (text, Lasting::Once),
        };
        Ok(match text {
            "kill" => Fault::Kill,
            "nothing" => Fault::Nothing,
            "late" => Fault::Late,
            _ => {
                let error = ERRORS.into_iter().find(|error| *error == name);
                let error = error.ok_or_else(|| format!("{text} is no fault"))?;
                Fault::Error(error, lasting)
            }
        })
    }
}

/// One thing at one call; as text it is `life/committer/fdatasync/3/EIO+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) point: Point,
    pub(crate) fault: Fault,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.point, self.fault)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Case, String> {
        let (point, fault) = text
            .rsplit_once('/')
            .ok_or("a case is such as life/committer/fdatasync/3/kill")?;
        Ok(Case {
            point: point.parse()?,
            fault: fault.parse()?,
        })
    }
}
