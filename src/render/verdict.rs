//! Verdicts as they stand in answers, wherever one is shown.

use super::json::push_number;
use crate::event::Seq;
use crate::index::fold::{Judged, Verdict};

/// The name of a verdict; of none, that it is not known yet.
pub const fn verdict_name(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => "pending",
        Some(Verdict::Stored) => "stored",
        Some(Verdict::Duplicate) => "duplicate",
        Some(Verdict::Conflict) => "conflict",
        Some(Verdict::Lost) => "lost",
    }
}

/// Appends `,"verdict":…,"seq":…,"original_seq":…`; the last is null if there is none.
pub fn push_verdict(out: &mut Vec<u8>, verdict: Option<Verdict>, seq: Seq, original_seq: Seq) {
    out.extend_from_slice(b",\"verdict\":\"");
    out.extend_from_slice(verdict_name(verdict).as_bytes());
    out.extend_from_slice(b"\",\"seq\":");
    push_number(out, seq.get());
    out.extend_from_slice(b",\"original_seq\":");
    push_original(out, original_seq);
}

/// Appends the original seq, or null.
pub fn push_original(out: &mut Vec<u8>, original_seq: Seq) {
    if original_seq == Seq::ZERO {
        out.extend_from_slice(b"null");
    } else {
        push_number(out, original_seq.get());
    }
}

/// How many events got which verdict.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    /// Kept.
    pub unique: u64,
    /// Their key was known, the payload equal.
    pub duplicate: u64,
    /// Their key was known, the payload another.
    pub conflict: u64,
    /// In holes.
    pub lost: u64,
}

impl VerdictCounts {
    /// Counts them.
    pub fn of(judged: &[Judged]) -> VerdictCounts {
        let mut counts = VerdictCounts::default();
        for judged in judged {
            match judged.verdict {
                Verdict::Stored => counts.unique += 1,
                Verdict::Duplicate => counts.duplicate += 1,
                Verdict::Conflict => counts.conflict += 1,
                Verdict::Lost => counts.lost += 1,
            }
        }
        counts
    }

    /// All that was dropped: a conflict counts among the duplicates too.
    pub fn duplicates(&self) -> u64 {
        self.duplicate + self.conflict
    }
}
