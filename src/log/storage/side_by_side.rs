//! Reads that do not wait for each other. A disk answers eight random reads at once in about
//! the time of two one after the other.

use std::panic::resume_unwind;
use std::thread;

/// How many threads read at most.
const THREADS_MAX: usize = 8;

/// Of blocks, what each has to read at least: what is in the page cache is read in less time than
/// a thread takes to begin.
pub(crate) const BLOCKS_EACH_MIN: usize = if cfg!(test) { 5 } else { 16 };

/// Does the work on all items, on several pieces of them at once if there are many: each of so
/// many at least. Gives what it gave, in the order of the items.
///
/// # Errors
/// The first of the work's, in that order.
pub(crate) fn on_pieces<T: Sync, R: Send, E: Send>(
    items: &[T],
    each_min: usize,
    work: impl Fn(&[T]) -> Result<Vec<R>, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = (items.len() / each_min.max(1)).min(THREADS_MAX);
    if threads < 2 {
        return work(items);
    }
    let work = &work;
    thread::scope(|scope| {
        let mut pieces = items.chunks(items.len().div_ceil(threads));
        let own = pieces.next().unwrap_or_default();
        let others: Vec<_> = pieces
            .map(|piece| {
                let started = thread::Builder::new()
                    .name("read".into())
                    .spawn_scoped(scope, move || work(piece));
                (piece, started)
            })
            .collect();
        let mut all = work(own);
        for (piece, started) in others {
            let done = match started {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // Without a thread it takes longer.
                Err(_) => work(piece),
            };
            all = all.and_then(|mut all| {
                all.extend(done?);
                Ok(all)
            });
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_items_give_what_one_piece_would_in_their_order() {
        for count in [0, 1, 31, 32, 33, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let twice = on_pieces(&items, BLOCKS_EACH_MIN, |piece| {
                Ok::<_, String>(piece.iter().map(|item| item * 2).collect())
            });
            let expected: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(twice.unwrap(), expected);
        }
    }

    #[test]
    fn no_failure_of_any_piece_is_lost_and_the_first_is_told() {
        let items: Vec<usize> = (0..1000).collect();
        for bad in [0, 500, 999] {
            let failed = on_pieces(&items, BLOCKS_EACH_MIN, |piece| {
                match piece.iter().find(|item| **item >= bad) {
                    Some(item) => Err(format!("item {item}")),
                    None => Ok(piece.to_vec()),
                }
            });
            assert_eq!(failed.unwrap_err(), format!("item {bad}"));
        }
    }
}
