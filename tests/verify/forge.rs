//! A segment with other content and right checksums, as only somebody makes it who wants to.

use std::fs;
use std::path::Path;

use oncelog::event::{Batch, Event, EventLimits};
use oncelog::log::codec::{decode_events, encode_events};
use oncelog::log::format::{FrameType, HEADER_BYTES};
use oncelog::log::frame::{
    FrameHeader, PreparedPayload, check_payload, decode_header, encode_frame,
};
use oncelog::log::header::SegmentHeader;

/// Writes a segment anew: `edit` gets each frame's header, and the events of those that have
/// some.
pub(super) fn forge(segment: &Path, mut edit: impl FnMut(&mut FrameHeader, &mut Vec<Event<'_>>)) {
    let bytes = fs::read(segment).expect("the segment");
    let of_segment = SegmentHeader::decode(&bytes[..HEADER_BYTES]).expect("a header");
    let mut forged = bytes[..HEADER_BYTES].to_vec();
    let mut offset = HEADER_BYTES;
    while let Ok(mut header) = decode_header(&of_segment, offset as u64, &bytes[offset..]) {
        let frame = &bytes[offset..];
        let payload = check_payload(&of_segment, offset as u64, &header, frame);
        let payload = payload.expect("a good frame");
        offset += header.frame_bytes() as usize;
        let payload = match header.frame_type() {
            Some(FrameType::Events) => {
                let mut events = decode_events(payload, header.count).expect("events");
                edit(&mut header, &mut events);
                header.count = events.len() as u32;
                let rule = header.rule().expect("a rule");
                let batch = Batch::new(rule, events, &EventLimits::default());
                encode_events(&batch.expect("events of one batch")).expect("a payload")
            }
            _ => {
                edit(&mut header, &mut Vec::new());
                payload.to_vec()
            }
        };
        let prepared = PreparedPayload::new(payload);
        let at = forged.len() as u64;
        encode_frame(&of_segment, at, header, &prepared, &mut forged);
    }
    fs::write(segment, forged).expect("the segment");
}
