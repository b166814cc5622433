//! What is known of the keys of a frame: by the deltas, by what is remembered of the log, by the
//! runs, and by the frame itself.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::digest::KeyDigest;
use super::error::IndexError;
use super::fold::{Arrivals, First, Payloads};
use super::foresight::Foresight;
use super::lookup::Suspicions;
use super::neighbours::{Hit, Neighbours, load};
use super::readers::Readers;
use super::shared::{Live, Runs, Shared};
use crate::event::Seq;

/// Where it is looked for.
pub(super) struct Sources<'a> {
    pub(super) shared: &'a Shared,
    pub(super) readers: &'a Readers,
    pub(super) payloads: &'a dyn Payloads,
    pub(super) neighbours: &'a mut Neighbours,
}

/// What is known of each arrival's key, earlier arrivals of the frame included; `None`
/// for those to be stored.
pub(super) fn known(
    sources: &mut Sources<'_>,
    first_seq: Seq,
    arrivals: &Arrivals,
    foresight: Option<&Foresight>,
) -> Result<Vec<Option<First>>, IndexError> {
    let mut firsts = vec![None; arrivals.list.len()];
    for (place, first) in foresight.map_or(&[][..], Foresight::found) {
        firsts[*place] = Some(*first);
    }
    let mut new_places = Vec::new();
    let runs = {
        let live = sources.shared.read();
        for (place, arrival) in arrivals.list.iter().enumerate() {
            if firsts[place].is_none() {
                firsts[place] = in_deltas(&live, arrival.key);
            }
            if firsts[place].is_none() {
                new_places.push(place);
            }
        }
        // Taken together with the deltas: what leaves them later is in later runs only.
        Runs::clone(&live.runs)
    };
    let runs = match foresight {
        Some(foresight) => foresight.not_asked(&runs),
        None => runs,
    };
    sources.neighbours.begin(first_seq, new_places.len());
    if !sources.neighbours.is_empty() {
        new_places.retain(|place| {
            firsts[*place] = sources.neighbours.get(arrivals.list[*place].key);
            firsts[*place].is_none()
        });
    }
    let keys: Vec<_> = new_places
        .iter()
        .map(|place| arrivals.list[*place].key)
        .collect();
    in_runs(sources, &runs, &keys, |place, first| {
        firsts[new_places[place]] = Some(first);
    })?;
    new_places.retain(|place| firsts[*place].is_none());
    if new_places.len() > 1 {
        mark_repeats(&new_places, first_seq, arrivals, &mut firsts);
    }
    Ok(firsts)
}

/// Looks keys up in the runs: all at once, unless the first few that are found show that they
/// come in the order of the log, so that it is cheaper to read the others there. `found` gets
/// the positions of those that are known.
fn in_runs(
    sources: &mut Sources<'_>,
    runs: &Runs,
    keys: &[KeyDigest],
    mut found: impl FnMut(usize, First),
) -> Result<(), IndexError> {
    let mut suspicions = Suspicions::among(runs, keys)?;
    while let Some(count) = sources.neighbours.sample_of(suspicions.len()) {
        let sample = look(suspicions.take_first(count), keys, &mut found)?;
        let Some(hit) = sources.neighbours.follow(&sample) else {
            sources.neighbours.sampled_in_vain();
            break;
        };
        if !load(sources, hit)? {
            break;
        }
        suspicions.retain(|place| match sources.neighbours.get(keys[place]) {
            Some(first) => {
                found(place, first);
                false
            }
            None => true,
        });
    }
    let rest = look(suspicions, keys, &mut found)?;
    if let Some(hit) = sources.neighbours.follow(&rest) {
        load(sources, hit)?;
    }
    Ok(())
}

/// What the runs have, in order of position.
fn look(
    suspicions: Suspicions<'_>,
    keys: &[KeyDigest],
    mut found: impl FnMut(usize, First),
) -> Result<Vec<Hit>, IndexError> {
    let mut known = suspicions.look()?;
    known.sort_unstable_by_key(|(place, _)| *place);
    let hits = known.into_iter().map(|(place, first)| {
        found(place, first);
        Hit {
            key: keys[place],
            first,
        }
    });
    Ok(hits.collect())
}

pub(super) fn in_deltas(live: &Live, key: KeyDigest) -> Option<First> {
    let frozen = || live.frozen.as_ref().and_then(|frozen| frozen.keys.get(key));
    live.active.keys.get(key).or_else(frozen)
}

fn mark_repeats(
    new_places: &[usize],
    first_seq: Seq,
    arrivals: &Arrivals,
    firsts: &mut [Option<First>],
) {
    let mut seen = HashMap::with_capacity(new_places.len());
    for place in new_places {
        let arrival = &arrivals.list[*place];
        match seen.entry(arrival.key) {
            Entry::Occupied(first) => firsts[*place] = Some(*first.get()),
            Entry::Vacant(vacant) => {
                vacant.insert(First {
                    seq: first_seq.plus(*place as u64),
                    payload: arrival.payload,
                });
            }
        }
    }
}
