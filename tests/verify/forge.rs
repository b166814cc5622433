//! A segment with other content and right checksums, as only somebody makes it who wants to.

use std::fs;
use std::path::Path;

use oncelog::event::{Batch, Event, EventLimits, Seq};
use oncelog::log::codec::{decode_events, encode_events};
use oncelog::log::format::{FrameType, HEADER_BYTES, SEAL_MAGIC, SEAL_SPACING_BYTES};
use oncelog::log::frame::{
    FrameHeader, PreparedPayload, check_payload, decode_header, encode_frame,
};
use oncelog::log::header::SegmentHeader;
use oncelog::log::segment::SegmentId;

use crate::store::segments;

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

/// Writes all of a log anew: `keep` gets each event with its seq, may change it, and says whether
/// it stays. Whoever stands behind one that does not moves up by a seq. Headers, names of segments,
/// seals and what each frame says to be durable fit what was made of it.
pub(super) fn forge_log(data_dir: &Path, mut keep: impl FnMut(u64, &mut Event<'_>) -> bool) {
    let mut due = Seq::FIRST;
    // By the old seq: the last new one at that place or before it.
    let mut moved = vec![Seq::ZERO];
    for path in segments(data_dir) {
        let bytes = fs::read(&path).expect("the segment");
        let old = SegmentHeader::decode(&bytes[..HEADER_BYTES]).expect("a header");
        let new = SegmentHeader {
            first_seq: due,
            ..old
        };
        let mut forged = new.encode().to_vec();
        let mut places: Vec<(Seq, u64)> = Vec::new();
        let mut offset = HEADER_BYTES;
        while let Ok(mut header) = decode_header(&old, offset as u64, &bytes[offset..]) {
            let frame = &bytes[offset..];
            let payload = check_payload(&old, offset as u64, &header, frame);
            let mut payload = payload.expect("a good frame").to_vec();
            offset += header.frame_bytes() as usize;
            let at = forged.len() as u64;
            let (first, count) = (due, u64::from(header.count));
            match header.frame_type() {
                Some(FrameType::Events) => {
                    let mut kept = Vec::new();
                    for mut event in decode_events(&payload, header.count).expect("events") {
                        if keep(moved.len() as u64, &mut event) {
                            kept.push(event);
                            due = due.next();
                        }
                        moved.push(due.previous());
                    }
                    header.count = kept.len() as u32;
                    let rule = header.rule().expect("a rule");
                    let batch = Batch::new(rule, kept, &EventLimits::default());
                    payload = encode_events(&batch.expect("a batch")).expect("a payload");
                    if places
                        .last()
                        .is_none_or(|(_, last)| at - last >= SEAL_SPACING_BYTES)
                    {
                        places.push((first, at));
                    }
                }
                Some(FrameType::Seal) => payload = seal(&new, &places, at),
                _ => assert_eq!(count, 0, "a frame that takes no seqs"),
            }
            header.first_seq = first;
            header.durable_up_to = moved[header.durable_up_to.get() as usize];
            encode_frame(
                &new,
                at,
                header,
                &PreparedPayload::new(payload),
                &mut forged,
            );
        }
        fs::remove_file(&path).expect("the old one goes away");
        let name = SegmentId(new.first_seq).file_name();
        fs::write(data_dir.join("log").join(name), forged).expect("the segment");
    }
}

/// The payload of a seal, as the byte spec has it.
fn seal(header: &SegmentHeader, places: &[(Seq, u64)], at: u64) -> Vec<u8> {
    let mut bytes = header.encode().to_vec();
    for (seq, offset) in places {
        bytes.extend_from_slice(&seq.get().to_le_bytes());
        bytes.extend_from_slice(&offset.to_le_bytes());
    }
    bytes.extend_from_slice(&at.to_le_bytes());
    bytes.extend_from_slice(&(places.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&SEAL_MAGIC);
    bytes
}
