//! From single texts to portions, which are handed over one by one: no more is read ahead
//! than one portion that waits and one that is being made.

use tokio::sync::mpsc::Sender;

use super::check::{check, event_id_in};
use super::dumped::as_sent;
use super::portion::{Place, Portion, Refusal, Unit};
use super::split::{Piece, SomethingFollows};

/// How large portions may be.
#[derive(Copy, Clone, Debug)]
pub(super) struct BatchLimits {
    pub(super) events: usize,
    /// Of the events' texts; a larger event goes alone.
    pub(super) bytes: usize,
    /// Whether refusals carry the event's text.
    pub(super) keeps_refused_text: bool,
}

/// What the reading thread tells.
#[derive(Debug)]
pub(super) enum FromInput {
    Portion(Portion),
    /// An input broke off; no more is read.
    Broken(Broken),
}

/// An input that ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) source: usize,
    /// What happened, and where.
    pub(super) what: String,
    /// The system failed to read it, as opposed to: it is not whole.
    pub(super) is_io: bool,
}

/// Why reading ends before the end.
#[derive(Debug)]
pub(super) enum ReadStop {
    /// Nobody takes portions any more.
    NobodyTakes,
    /// The input is not whole, or could not be read; in words.
    Broken { what: String, is_io: bool },
}

impl From<SomethingFollows> for ReadStop {
    fn from(_: SomethingFollows) -> ReadStop {
        ReadStop::Broken {
            what: "something follows the array".into(),
            is_io: false,
        }
    }
}

/// Makes portions.
#[derive(Debug)]
pub(super) struct Batcher {
    limits: BatchLimits,
    portion: Portion,
    refused_bytes: usize,
    to: Sender<FromInput>,
}

impl Batcher {
    pub(super) fn new(limits: BatchLimits, to: Sender<FromInput>) -> Batcher {
        Batcher {
            limits,
            portion: Portion::default(),
            refused_bytes: 0,
            to,
        }
    }

    /// Takes the text of one event.
    pub(super) fn take(&mut self, piece: Piece<'_>, place: Place) -> Result<(), ReadStop> {
        let text = match piece {
            Piece::Whole(text) => text.trim_ascii(),
            Piece::TooLong { bytes } => {
                let unit = place.unit.name();
                let detail = format!("the {unit} has {bytes} bytes; it was not read");
                return self.refuse(place, "event_too_large", detail, b"");
            }
        };
        if text.is_empty() && place.unit == Unit::Line {
            return Ok(());
        }
        let event = as_sent(text).and_then(|event| check(&event).map(|()| event));
        match event {
            Ok(event) => self.add(&event, place),
            Err(fault) => self.refuse(place, fault.code, fault.detail, text),
        }
    }

    fn add(&mut self, text: &[u8], place: Place) -> Result<(), ReadStop> {
        let bytes = self.portion.bytes();
        if bytes > 0 && bytes + text.len() > self.limits.bytes {
            self.hand_over()?;
        }
        self.portion.push(text, place);
        if self.portion.len() >= self.limits.events || self.portion.bytes() >= self.limits.bytes {
            self.hand_over()?;
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        place: Place,
        code: &str,
        detail: String,
        text: &[u8],
    ) -> Result<(), ReadStop> {
        let kept = self.limits.keeps_refused_text && !text.is_empty();
        self.portion.refused.push(Refusal {
            place,
            event_id: event_id_in(text),
            code: code.to_owned(),
            detail,
            text: kept.then(|| String::from_utf8_lossy(text).into_owned()),
        });
        self.refused_bytes += if kept { text.len() } else { 0 };
        if self.portion.refused.len() >= self.limits.events
            || self.refused_bytes >= self.limits.bytes
        {
            self.hand_over()?;
        }
        Ok(())
    }

    /// Hands over what there is; waits while the one before was not taken.
    pub(super) fn hand_over(&mut self) -> Result<(), ReadStop> {
        if self.portion.is_empty() {
            return Ok(());
        }
        self.refused_bytes = 0;
        let portion = std::mem::take(&mut self.portion);
        self.tell(FromInput::Portion(portion))
    }

    /// What came before is handed over, and then this is told.
    pub(super) fn break_off(&mut self, broken: Broken) -> Result<(), ReadStop> {
        self.hand_over()?;
        self.tell(FromInput::Broken(broken))
    }

    /// Whether something waits for more to go with it.
    pub(super) fn has_some(&self) -> bool {
        !self.portion.is_empty()
    }

    fn tell(&self, what: FromInput) -> Result<(), ReadStop> {
        let told = self.to.blocking_send(what);
        told.map_err(|_closed| ReadStop::NobodyTakes)
    }
}
