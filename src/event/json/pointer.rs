//! Where in a request body something is: RFC 6901 JSON pointers.

/// What the body is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyShape {
    /// One event.
    Event,
    /// An array of events.
    Array,
    /// `{"events": […]}`.
    Envelope,
}

impl BodyShape {
    /// The pointer to an event's member, or to the event itself if that is empty.
    pub(super) fn pointer(self, index: usize, member: &str) -> String {
        let mut pointer = match self {
            BodyShape::Event => String::new(),
            BodyShape::Array => format!("/{index}"),
            BodyShape::Envelope => format!("/events/{index}"),
        };
        if !member.is_empty() {
            append_name(&mut pointer, member);
        }
        pointer
    }
}

/// Appends a step down to the element at this place of an array.
pub(crate) fn append_index(pointer: &mut String, place: usize) {
    pointer.push('/');
    pointer.push_str(&place.to_string());
}

/// Appends a step down to the member with this name.
pub(crate) fn append_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    for char in name.chars() {
        match char {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(char),
        }
    }
}
