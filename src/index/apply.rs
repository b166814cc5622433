//! Applies a frame: first all of it is judged, reading only; then it is taken, which
//! cannot fail. So whatever goes wrong, nothing has changed and the frame can be applied
//! again.

use std::time::Instant;

use hashbrown::HashMap;

use super::digest::CanonicalDigest;
use super::error::IndexError;
use super::fold::{
    Arrivals, First, FoldInput, FoldState, Judged, Payloads, Verdict, canonical_of,
    verdict_on_differing,
};
use super::foresight::Foresight;
use super::known::{Sources, known};
use super::note::{NotStored, Note};
use super::shared::{Live, Shared};
use crate::event::Seq;

/// Applies the frame whose first seq this is. A hole gives no list, however long it is.
pub(super) fn apply(
    mut sources: Sources<'_>,
    first_seq: Seq,
    input: FoldInput<'_>,
    foresight: Option<&Foresight>,
) -> Result<Vec<Judged>, IndexError> {
    let shared = sources.shared;
    let before = admit(shared, first_seq, input)?;
    match input {
        FoldInput::Hole(0) => Ok(Vec::new()),
        FoldInput::Hole(count) => {
            let mut state = before;
            state.take_hole(count);
            let note = Note::hole(first_seq, count);
            take(shared, state, |live| live.active.notes.push(note));
            Ok(Vec::new())
        }
        FoldInput::Arrivals(arrivals) => {
            let firsts = known(&mut sources, first_seq, arrivals, foresight)?;
            let (state, judged) = judge(before, first_seq, arrivals, &firsts, sources.payloads)?;
            if !judged.is_empty() {
                take(shared, state, |live| insert(live, arrivals, &judged));
            }
            Ok(judged)
        }
    }
}

/// Whether the frame may come now; the state that it comes upon.
fn admit(shared: &Shared, first_seq: Seq, input: FoldInput<'_>) -> Result<FoldState, IndexError> {
    let live = shared.read();
    let state = live.active.state;
    let expected = state.applied().next();
    if first_seq != expected {
        return Err(IndexError::NotNext {
            expected,
            given: first_seq,
        });
    }
    let count = input.count();
    if count > (i64::MAX as u64).saturating_sub(first_seq.get()) {
        return Err(IndexError::TooManySeqs {
            first: first_seq,
            count,
        });
    }
    let entries = match input {
        FoldInput::Arrivals(_) => count,
        FoldInput::Hole(_) => 1,
    };
    let waiting = live.waiting();
    drop(live);
    if !shared.has_room(waiting, entries) {
        shared.tell_worker(|signal| signal.flush_upto = signal.flush_upto.max(state.applied()));
        return Err(IndexError::DeltaFull);
    }
    Ok(state)
}

fn judge(
    mut state: FoldState,
    first_seq: Seq,
    arrivals: &Arrivals,
    firsts: &[Option<First>],
    payloads: &dyn Payloads,
) -> Result<(FoldState, Vec<Judged>), IndexError> {
    let originals = differing_originals(arrivals, firsts, payloads)?;
    let mut all = Vec::with_capacity(firsts.len());
    let mut seq = first_seq;
    for (arrival, first) in arrivals.list.iter().zip(firsts) {
        let topics = arrivals.topics.len();
        assert!(
            (arrival.topic as usize) < topics,
            "an arrival's topic is one of its frame's"
        );
        let (verdict, original_seq) = match first {
            None => (Verdict::Stored, seq),
            Some(first) if first.payload == arrival.payload => (Verdict::Duplicate, first.seq),
            Some(first) => {
                if payloads.is_interrupted() {
                    return Err(IndexError::Interrupted);
                }
                let again = match arrivals.canonicals.get(all.len()) {
                    Some(erased) => *erased,
                    None => canonical_of(seq, payloads)?,
                };
                let original = originals[&first.seq];
                (verdict_on_differing(again, original), first.seq)
            }
        };
        let judged = Judged {
            seq,
            verdict,
            original_seq,
        };
        state.take(judged, arrival.key, arrival.payload);
        all.push(judged);
        seq = seq.next();
    }
    Ok((state, all))
}

/// The canonical digests of the first payloads that differ from an arrival's as sent.
fn differing_originals(
    arrivals: &Arrivals,
    firsts: &[Option<First>],
    payloads: &dyn Payloads,
) -> Result<HashMap<Seq, CanonicalDigest>, IndexError> {
    let mut seqs: Vec<Seq> = arrivals
        .list
        .iter()
        .zip(firsts)
        .filter_map(|(arrival, first)| first.filter(|first| first.payload != arrival.payload))
        .map(|first| first.seq)
        .collect();
    // In the order of the log each frame is read once, however the batch is mixed.
    seqs.sort_unstable();
    seqs.dedup();
    let mut originals = HashMap::with_capacity(seqs.len());
    for seq in seqs {
        if payloads.is_interrupted() {
            return Err(IndexError::Interrupted);
        }
        originals.insert(seq, canonical_of(seq, payloads)?);
    }
    Ok(originals)
}

/// A flush has time while less than this part of the next one waits.
const HASTE_PARTS: u64 = 4;

/// Changes the active delta, and wakes the flush thread if that has made something due.
fn take(shared: &Shared, state: FoldState, change: impl FnOnce(&mut Live)) {
    let mut live = shared.write();
    change(&mut live);
    live.active.state = state;
    let (waiting, flush_at) = (live.active.len(), shared.options.flush_at_events);
    let due = waiting >= flush_at && live.frozen.is_none();
    if waiting >= flush_at / HASTE_PARTS && live.frozen.is_some() {
        shared.pace.set_haste(true);
    }
    let begun = live.active.since.is_none();
    if begun {
        live.active.since = Some(Instant::now());
    }
    drop(live);
    if due || begun {
        shared.tell_worker(|_| {});
    }
}

fn insert(live: &mut Live, arrivals: &Arrivals, judged: &[Judged]) {
    let Live { active, topics, .. } = live;
    // By position in the frame: the topic's number and its place in the delta.
    let mut places: Vec<Option<(u64, usize)>> = vec![None; arrivals.topics.len()];
    for (arrival, judged) in arrivals.list.iter().zip(judged) {
        if judged.verdict != Verdict::Stored {
            active.notes.push(Note {
                first: NotStored {
                    judged: *judged,
                    key: arrival.key,
                    payload: arrival.payload,
                },
                count: 1,
            });
            continue;
        }
        active.keys.add(
            arrival.key,
            First {
                seq: judged.seq,
                payload: arrival.payload,
            },
        );
        let topic = arrival.topic as usize;
        let (no, place) = *places[topic].get_or_insert_with(|| {
            let no = topics.number_or_new(&arrivals.topics[topic], judged.seq);
            (no, active.place_of(topics.get(no)))
        });
        active.topics[place].seqs.push(judged.seq);
        topics.get_mut(no).stored += 1;
    }
}
