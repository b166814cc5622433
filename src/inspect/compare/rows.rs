//! Two sorted sequences of rows, side by side.

use std::cmp::Ordering;

use super::CompareError;
use super::difference::Pair;
use crate::index::{
    IndexError, KeyRow, KeyRows, NotStoredRow, NotStoredRows, PostingRow, PostingRows, TopicRow,
    TopicRows,
};

/// Rows that come one after the other.
pub(super) trait Reader {
    type Row: PartialEq;

    /// The next one; `None` at the end.
    fn next_row(&mut self) -> Result<Option<Self::Row>, IndexError>;
}

macro_rules! reader {
    ($rows:ty, $row:ty) => {
        impl Reader for $rows {
            type Row = $row;

            fn next_row(&mut self) -> Result<Option<$row>, IndexError> {
                self.next_row()
            }
        }
    };
}

reader!(KeyRows, KeyRow);
reader!(NotStoredRows<'_>, NotStoredRow);
reader!(TopicRows<'_>, TopicRow);
reader!(PostingRows<'_>, PostingRow);

/// Those of the index in question, and of the other one.
pub(super) struct Rows<R> {
    found: R,
    expected: R,
}

impl<R: Reader> Rows<R> {
    pub(super) fn of([found, expected]: [R; 2]) -> Rows<R> {
        Rows { found, expected }
    }
}

/// Gives each place once, with the row that either has there. `place` orders the rows.
pub(super) fn side_by_side<R: Reader, P: Ord>(
    mut rows: Rows<R>,
    place: impl Fn(&R::Row) -> P,
    mut visit: impl FnMut(Pair<R::Row>),
) -> Result<(), CompareError> {
    let mut found = rows.found.next_row().map_err(CompareError::Found)?;
    let mut expected = rows.expected.next_row().map_err(CompareError::Expected)?;
    loop {
        let order = match (&found, &expected) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(found), Some(expected)) => place(found).cmp(&place(expected)),
        };
        let mut pair = Pair {
            found: None,
            expected: None,
        };
        if order.is_le() {
            let next = rows.found.next_row().map_err(CompareError::Found)?;
            pair.found = std::mem::replace(&mut found, next);
        }
        if order.is_ge() {
            let next = rows.expected.next_row().map_err(CompareError::Expected)?;
            pair.expected = std::mem::replace(&mut expected, next);
        }
        visit(pair);
    }
}
