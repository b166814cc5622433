//! Frames as they stand in the segments.

use std::io::Write;

use serde_json::{Value, json};

use super::printer::Printer;
use super::{DumpError, DumpOptions};
use crate::inspect::{InspectError, StorePlace, Wanted};
use crate::log::LogError;
use crate::log::format::{FORMAT_VERSION, HEADER_BYTES};
use crate::log::reader::Frame;
use crate::log::segment::SegmentId;
use crate::log::sweep::{End, Found, Sweep, SweepOptions};
use crate::render::rfc3339;

pub(super) fn dump(
    options: &DumpOptions,
    place: &StorePlace,
    wanted: &Wanted,
    printer: &mut Printer<impl Write>,
) -> Result<End, DumpError> {
    let mut sweep = place.sweep(SweepOptions {
        from: wanted.from,
        ..SweepOptions::default()
    })?;
    let mut header_of = None;
    while let Some(found) = sweep.next()? {
        let Found::Frame(frame) = &found else {
            if is_wanted(&found, wanted) {
                printer.print_wrong(&found)?;
            }
            continue;
        };
        let header = &frame.header;
        let is_in = options.segment.is_none_or(|id| id == frame.segment);
        let holds_some = header.first_seq <= wanted.to
            && (header.last_seq() >= wanted.from
                || header.count == 0 && header.first_seq >= wanted.from);
        if !is_in || !holds_some || !wanted.takes_time(header.received_at) {
            continue;
        }
        if options.raw && header_of.replace(frame.segment) != Some(frame.segment) {
            segment_header(options, &sweep, frame.segment, printer)?;
        }
        match (options.json, options.raw) {
            (true, false) => printer.print_line(format_args!("{}", frame_json(frame)))?,
            (true, true) => printer.print_line(format_args!("{}", raw_json(&sweep, frame)))?,
            (false, false) => text(frame, printer)?,
            (false, true) => raw_text(&sweep, frame, printer)?,
        }
    }
    Ok(sweep.end().clone())
}

/// Whether what is wrong is where somebody looks.
fn is_wanted(found: &Found, wanted: &Wanted) -> bool {
    let (first, next) = match found {
        Found::Damage(damage) => (damage.lost.first, damage.lost.next),
        Found::Missing(missing) => (missing.lost.first, missing.lost.next),
        _ => return true,
    };
    first <= wanted.to && next >= wanted.from
}

fn type_name(frame: &Frame) -> String {
    match frame.frame_type {
        Some(frame_type) => frame_type.name().to_owned(),
        None => format!("type-{}", frame.header.type_number),
    }
}

fn frame_json(frame: &Frame) -> Value {
    let header = &frame.header;
    json!({
        "segment": frame.segment.file_name(),
        "offset": frame.offset,
        "type": type_name(frame),
        "flags": header.flags,
        "key_rule": header.key_rule,
        "first_seq": header.first_seq,
        "count": header.count,
        "payload_bytes": header.payload_bytes,
        "received_at": rfc3339(header.received_at),
        "durable_up_to": header.durable_up_to,
    })
}

fn raw_json(sweep: &Sweep, frame: &Frame) -> Value {
    let header = &frame.header;
    let mut value = frame_json(frame);
    if let Value::Object(members) = &mut value {
        let more = [
            ("end", json!(frame.offset + header.frame_bytes())),
            ("type_number", json!(header.type_number)),
            ("received_at_us", json!(header.received_at)),
            ("origin_epoch", json!(header.origin_epoch)),
            ("origin_seq", json!(header.origin_seq)),
            ("payload_crc", json!(header.payload_crc)),
            ("header_crc", json!(header_crc(sweep, frame))),
        ];
        members.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    value
}

/// The last four bytes of the header.
fn header_crc(sweep: &Sweep, frame: &Frame) -> Option<u32> {
    let bytes = sweep.head(frame).last_chunk::<4>()?;
    Some(u32::from_le_bytes(*bytes))
}

fn seqs(frame: &Frame) -> String {
    let header = &frame.header;
    match header.count {
        0 => format!("before {}", header.first_seq),
        1 => header.first_seq.to_string(),
        _ => format!("{} to {}", header.first_seq, header.last_seq()),
    }
}

fn text(frame: &Frame, printer: &mut Printer<impl Write>) -> Result<(), DumpError> {
    let header = &frame.header;
    let shutdown = if header.is_shutdown_mark() {
        " (shutdown)"
    } else {
        ""
    };
    printer.print_line(format_args!(
        "{} {:>10}  {:<8} {:<24} {:>9} bytes  {}  durable up to {}{shutdown}",
        frame.segment.file_name(),
        frame.offset,
        type_name(frame),
        seqs(frame),
        header.payload_bytes,
        rfc3339(header.received_at),
        header.durable_up_to,
    ))?;
    Ok(())
}

fn raw_text(
    sweep: &Sweep,
    frame: &Frame,
    printer: &mut Printer<impl Write>,
) -> Result<(), DumpError> {
    let header = &frame.header;
    printer.print_line(format_args!(
        "{} {:>10}  {:<8} type={} key_rule={} flags={:#06x} length={} count={} first_seq={} \
         received_at={} durable_up_to={} origin={}/{} payload_crc={:#010x} header_crc={:#010x} end={}",
        frame.segment.file_name(),
        frame.offset,
        type_name(frame),
        header.type_number,
        header.key_rule,
        header.flags,
        header.payload_bytes,
        header.count,
        header.first_seq,
        rfc3339(header.received_at),
        header.durable_up_to,
        header.origin_epoch,
        header.origin_seq,
        header.payload_crc,
        header_crc(sweep, frame).unwrap_or_default(),
        frame.offset + header.frame_bytes(),
    ))?;
    Ok(())
}

/// A segment's own header, but for its salt.
fn segment_header(
    options: &DumpOptions,
    sweep: &Sweep,
    segment: SegmentId,
    printer: &mut Printer<impl Write>,
) -> Result<(), DumpError> {
    let Some(header) = sweep.segment_header() else {
        return Ok(());
    };
    let name = segment.file_name();
    let made_at = rfc3339(header.made_at);
    if options.json {
        let value = json!({
            "segment": name,
            "segment_header": {
                "format_version": FORMAT_VERSION,
                "fold_version": header.fold_version,
                "log_id": header.log_id.to_string(),
                "first_seq": header.first_seq,
                "made_at": made_at,
                "end": HEADER_BYTES,
            },
        });
        printer.print_line(format_args!("{value}"))?;
        return Ok(());
    }
    printer.print_line(format_args!(
        "{name} {:>10}  segment  format_version={FORMAT_VERSION} fold_version={} log_id={} \
         first_seq={} made_at={made_at} end={HEADER_BYTES}",
        0, header.fold_version, header.log_id, header.first_seq,
    ))?;
    Ok(())
}

/// The seqs that stand in a segment; as text, that there is none.
pub(super) fn narrowed(
    place: &StorePlace,
    segment: SegmentId,
    wanted: &mut Wanted,
) -> Result<(), DumpError> {
    let sweep = place.sweep(SweepOptions::default())?;
    let segments: Vec<SegmentId> = sweep.segments().collect();
    let Some(at) = segments.iter().position(|id| *id == segment) else {
        return Err(DumpError::NoSegment(segment));
    };
    wanted.from = wanted.from.max(segment.0);
    if let Some(next) = segments.get(at + 1) {
        wanted.to = wanted.to.min(next.0.previous());
    }
    Ok(())
}

impl From<LogError> for DumpError {
    fn from(error: LogError) -> DumpError {
        DumpError::Inspect(InspectError::Log(error))
    }
}
