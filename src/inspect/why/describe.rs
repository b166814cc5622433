//! Each arrival that was found, with what the log has of it.

use super::asked::KeyName;
use super::lives::{Life, Lives, Met};
use super::logged::{AtSeq, LogReader};
use super::told::{Arrival, Differs, Found, KeyLife, Logged, Outcome};
use super::{Failed, NoIndex, Search};
use crate::event::PayloadKind;
use crate::index::canonical::differences::differences;
use crate::index::fold::Verdict;
use crate::log::LogError;

/// A payload, if the log has it.
type Payload = Option<(PayloadKind, Vec<u8>)>;

impl Search<'_> {
    /// What was found, as it is told.
    ///
    /// # Errors
    /// Those of a sweep; an index that does not agree with the log.
    pub(super) fn describe(
        &mut self,
        lives: Lives,
        reader: &mut LogReader,
        has_index: bool,
    ) -> Result<Outcome, Failed> {
        if lives.list.is_empty() {
            return Ok(Outcome::NeverArrived);
        }
        let (total, asked) = (lives.total(), lives.asked());
        let mut keys = Vec::with_capacity(lives.list.len());
        for life in lives.list {
            let mut describing = Describing {
                life: &life,
                name: life.name.clone(),
                first: None,
                has_index,
            };
            let mut arrivals = Vec::with_capacity(life.listed.len());
            for met in &life.listed {
                let mut arrival = describing.arrival(self, met, reader)?;
                arrival.is_asked = asked == Some(met.seq);
                arrivals.push(arrival);
            }
            keys.push(KeyLife {
                key: life.key,
                name: describing.name,
                kept: life.first.seq,
                arrivals,
                total: life.total,
                counts: life.counts,
                last: life.last,
            });
        }
        Ok(Outcome::Found(Found { keys, total }))
    }
}

struct Describing<'l> {
    life: &'l Life,
    name: Option<KeyName>,
    /// The payload of the event that is kept, once it was read.
    first: Option<Payload>,
    has_index: bool,
}

impl Describing<'_> {
    fn arrival(
        &mut self,
        search: &mut Search<'_>,
        met: &Met,
        reader: &mut LogReader,
    ) -> Result<Arrival, Failed> {
        let mut payload = None;
        let logged = match reader.at(met.seq)? {
            AtSeq::Event(batch, event) if event.name.digest() == self.life.key => {
                self.name.get_or_insert(event.name);
                let payload_bytes = event.payload.len();
                payload = Some((event.kind, event.payload));
                Logged::Event {
                    batch,
                    topic: event.topic,
                    source: event.source,
                    timestamp: event.timestamp,
                    payload_bytes,
                }
            }
            AtSeq::Erased(batch, topic, key) if key == self.life.key => {
                Logged::Erased { batch, topic }
            }
            AtSeq::Nothing => Logged::Gone(search.wrongs.of_seq(met.seq, &search.place)?),
            // Another event, or a hole.
            _ if self.has_index => return Err(NoIndex::Disagrees.into()),
            _ => Logged::Gone(None),
        };
        let differs = match met.verdict {
            Some(Verdict::Conflict) => {
                let most = search.options.most.differences;
                Some(self.differs(payload, reader, most)?)
            }
            _ => None,
        };
        Ok(Arrival {
            seq: met.seq,
            verdict: met.verdict,
            is_asked: false,
            logged,
            has_same_bytes: met.payload == self.life.first.payload,
            differs,
        })
    }

    fn differs(
        &mut self,
        payload: Payload,
        reader: &mut LogReader,
        most: usize,
    ) -> Result<Differs, LogError> {
        if self.first.is_none() {
            self.first = Some(match reader.at(self.life.first.seq)? {
                AtSeq::Event(_, event) => Some((event.kind, event.payload)),
                _ => None,
            });
        }
        let (Some(Some((first_kind, first))), Some((kind, other))) = (&self.first, &payload) else {
            return Ok(Differs::Unknown);
        };
        if let (PayloadKind::Json, PayloadKind::Json) = (first_kind, kind)
            && let Some(found) = differences(first, other, most)
        {
            return Ok(Differs::Json(found));
        }
        let same = first.iter().zip(other).take_while(|(a, b)| a == b).count();
        Ok(Differs::Bytes {
            first_bytes: first.len(),
            other_bytes: other.len(),
            at: (first != other).then_some(same),
        })
    }
}
