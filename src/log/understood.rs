//! What this version can read of a frame whose checksums are right.

use super::format::*;
use super::frame::FrameHeader;

/// Whether a frame's type, flags and key rule are known, or may be passed over; else what is not.
pub(super) fn understood(header: &FrameHeader) -> Result<(), String> {
    let known_flags = match header.frame_type() {
        Some(FrameType::Mark) => FLAG_SHUTDOWN,
        _ => 0,
    };
    let unknown_flags = header.flags & REQUIRED_FLAGS_MASK & !known_flags;
    match header.frame_type() {
        // Only what takes no seqs can be passed over: else two versions would count differently.
        None if header.type_number < SKIPPABLE_TYPE_MIN || header.count != 0 => {
            Err(format!("frame type {}", header.type_number))
        }
        _ if unknown_flags != 0 => Err(format!("frame flag {unknown_flags:#06x}")),
        None => Ok(()),
        Some(FrameType::Events | FrameType::Erased) if header.rule().is_none() => {
            Err(format!("key rule {}", header.key_rule))
        }
        Some(_) => Ok(()),
    }
}
