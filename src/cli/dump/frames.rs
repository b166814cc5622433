//! Frames as they stand in the segments.

use std::io::Write;
use std::path::Path;

use super::{DumpError, DumpOptions};
use crate::log::error::Evidence;
use crate::log::format::FrameType;
use crate::log::reader::{Frame, FrameWalk, Step};
use crate::log::segment::SegmentFile;
use crate::log::storage::FileSystem;
use crate::log::{LogError, OfflineLog};
use crate::render::rfc3339;

pub(super) fn dump(
    options: &DumpOptions,
    log: &OfflineLog,
    dir: &Path,
    out: &mut impl Write,
) -> Result<(), DumpError> {
    let last = log.segments.last();
    for id in &log.segments {
        let segment = SegmentFile::open(&FileSystem, dir, *id)?;
        let mut walk = FrameWalk::of_file(&segment);
        if let (Some(tail), true) = (&log.tail, Some(id) == last) {
            walk.set_limit(tail.end);
        }
        while let Some(frame) = next(&mut walk, &segment)? {
            let header = &frame.header;
            let holds_some = header.first_seq <= options.to()
                && (header.last_seq() >= options.from()
                    || header.count == 0 && header.first_seq >= options.from());
            if holds_some {
                print(options, &frame, out)?;
            }
            if frame.frame_type == Some(FrameType::Seal) {
                break;
            }
        }
    }
    Ok(())
}

fn next(walk: &mut FrameWalk, segment: &SegmentFile) -> Result<Option<Frame>, LogError> {
    match walk.step() {
        Ok(Step::Frame(frame)) => Ok(Some(frame)),
        Ok(Step::Limit) => Ok(None),
        Ok(Step::Fault(fault)) => Err(walk.corruption(fault, Evidence::FurtherSegment)),
        Err(error) => Err(walk.place(error, &segment.path)),
    }
}

fn print(options: &DumpOptions, frame: &Frame, out: &mut impl Write) -> Result<(), DumpError> {
    let header = &frame.header;
    let type_name = match frame.frame_type {
        Some(frame_type) => frame_type.name().to_owned(),
        None => format!("type-{}", header.type_number),
    };
    let name = frame.segment.file_name();
    let received_at = rfc3339(header.received_at);
    if options.json {
        let object = serde_json::json!({
            "segment": name,
            "offset": frame.offset,
            "type": type_name,
            "flags": header.flags,
            "key_rule": header.key_rule,
            "first_seq": header.first_seq,
            "count": header.count,
            "payload_bytes": header.payload_bytes,
            "received_at": received_at,
            "durable_up_to": header.durable_up_to,
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    let seqs = match header.count {
        0 => format!("before {}", header.first_seq),
        1 => header.first_seq.to_string(),
        _ => format!("{} to {}", header.first_seq, header.last_seq()),
    };
    let shutdown = if header.is_shutdown_mark() {
        " (shutdown)"
    } else {
        ""
    };
    writeln!(
        out,
        "{name} {:>10}  {type_name:<8} {seqs:<24} {:>9} bytes  {received_at}  durable up to {}{shutdown}",
        frame.offset, header.payload_bytes, header.durable_up_to,
    )?;
    Ok(())
}
