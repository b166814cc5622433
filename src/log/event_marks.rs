//! Where some of a frame's events begin, so that one is reached from a little before it, also by
//! who goes backwards.

/// The least number of events from one mark to the next.
const SPACING: u32 = if cfg!(any(test, fuzzing)) { 4 } else { 64 };
/// The most marks of one frame.
const MARKS_MAX: u32 = 4096;

/// Marks in one frame.
#[derive(Clone, Debug, Default)]
pub(super) struct EventMarks {
    spacing: u32,
    /// Each with the number of its event in the frame divided by `spacing`, as its place here.
    offsets: Vec<u32>,
}

impl EventMarks {
    /// How many a frame of `count` events can have.
    pub(super) fn most(count: u32) -> usize {
        (count / spacing(count)) as usize + 1
    }

    /// Begins with a frame of `count` events and what is known of it.
    pub(super) fn begin(&mut self, count: u32, known: &[u32]) {
        self.spacing = spacing(count);
        self.offsets.clear();
        self.offsets.extend_from_slice(known);
    }

    /// Event `number` of the frame begins at `offset` of the payload.
    pub(super) fn note(&mut self, number: u32, offset: usize) {
        if number.is_multiple_of(self.spacing)
            && (number / self.spacing) as usize == self.offsets.len()
        {
            // A payload is at most 2^30 long.
            self.offsets.push(offset as u32);
        }
    }

    /// The last mark at event `number` or before: the number of its event and where that begins.
    pub(super) fn before(&self, number: u32) -> Option<(u32, usize)> {
        let last = self.offsets.len().checked_sub(1)?;
        let place = ((number / self.spacing) as usize).min(last);
        Some((place as u32 * self.spacing, self.offsets[place] as usize))
    }

    /// All of them.
    pub(super) fn offsets(&self) -> &[u32] {
        &self.offsets
    }
}

fn spacing(count: u32) -> u32 {
    SPACING.max(count.div_ceil(MARKS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_frame_has_no_more_marks_than_may_be() {
        for count in [1, SPACING, SPACING + 1, 100_000, 1 << 24] {
            assert!(EventMarks::most(count) <= MARKS_MAX as usize + 1, "{count}");
        }
    }

    #[test]
    fn a_mark_is_never_behind_what_is_looked_for() {
        let mut marks = EventMarks::default();
        marks.begin(100, &[]);
        assert_eq!(marks.before(0), None);
        for number in 0..50 {
            marks.note(number, number as usize * 10);
        }
        // What is told a second time, or out of turn, changes nothing.
        marks.note(0, 7);
        marks.note(60, 7);
        for number in 0..100 {
            let (marked, offset) = marks.before(number).expect("a mark");
            assert_eq!(marked, number.min(49) / SPACING * SPACING, "{number}");
            assert_eq!(offset, marked as usize * 10);
        }
    }
}
