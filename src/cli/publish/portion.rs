//! What is sent in one request: events as text, and where each stands in the input.

use std::ops::Range;

use bytes::Bytes;

/// What an input is counted in.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Line,
    Element,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Line => "line",
            Unit::Element => "element",
        }
    }
}

/// Where an event stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the inputs, from 0.
    pub(super) source: usize,
    pub(super) unit: Unit,
    /// Of the line or element, from 1.
    pub(super) number: u64,
}

/// An event that is refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) place: Place,
    pub(super) event_id: Option<String>,
    /// A stable name, as in the server's answers.
    pub(super) code: String,
    pub(super) detail: String,
    /// None if it is not kept.
    pub(super) text: Option<String>,
}

/// Events that go together, and what was refused before it was sent.
#[derive(Debug, Default)]
pub(super) struct Portion {
    /// The events' texts, one behind the other.
    text: Vec<u8>,
    events: Vec<(Range<usize>, Place)>,
    pub(super) refused: Vec<Refusal>,
}

impl Portion {
    pub(super) fn push(&mut self, text: &[u8], place: Place) {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.events.push((start..self.text.len(), place));
    }

    /// How many events there are to send.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// What their texts take.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether there is neither an event nor a refusal.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.refused.is_empty()
    }

    pub(super) fn text_of(&self, index: usize) -> &[u8] {
        &self.text[self.events[index].0.clone()]
    }

    pub(super) fn place_of(&self, index: usize) -> Place {
        self.events[index].1
    }

    /// A request body: these events as an array, the same bytes each time.
    pub(super) fn body_of(&self, indexes: &[usize]) -> Bytes {
        let texts = indexes.iter().map(|&index| self.text_of(index));
        let bytes: usize = texts.clone().map(|text| text.len() + 1).sum();
        let mut body = Vec::with_capacity(bytes + 1);
        for text in texts {
            body.push(if body.is_empty() { b'[' } else { b',' });
            body.extend_from_slice(text);
        }
        body.push(b']');
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_choice_of_events_is_a_body_of_its_own() {
        let mut portion = Portion::default();
        for number in 1..=3 {
            let place = Place {
                source: 0,
                unit: Unit::Line,
                number,
            };
            portion.push(format!("{{\"n\":{number}}}").as_bytes(), place);
        }
        let body = |indexes: &[usize]| String::from_utf8(portion.body_of(indexes).to_vec());
        assert_eq!(
            body(&[0, 1, 2]).as_deref(),
            Ok(r#"[{"n":1},{"n":2},{"n":3}]"#)
        );
        assert_eq!(body(&[2]).as_deref(), Ok(r#"[{"n":3}]"#));
        assert_eq!(portion.place_of(1).number, 2);
    }
}
