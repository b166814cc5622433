#!/usr/bin/env python3
"""Reads the log of a oncelog data directory with nothing but Python's standard library.

    read_log.py DATA_DIR            one JSON object per event, in seq order
    read_log.py --frames DATA_DIR   one JSON object per frame

It was written from the byte format at the top of src/log/format.rs and shares no code
with oncelog, so it checks both the format's text and the program. Whoever writes another
reader may start here. It never writes, and it does not ask the index (evidence 5).

Exit: 0 the log is whole, or ends in a torn tail (a note on stderr says so);
      1 damaged (stderr names segment, offset and seq); 2 the log could not be read,
      or says something that a version-1 reader must refuse.
"""

import base64
import json
import os
import re
import struct
import sys
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

META_MAGIC = b"\xf7OLMETA\0"
SEGMENT_MAGIC = b"\xf7ONCELOG"
FRAME_MAGIC = b"\xf7OLF"
TRAILER_MAGIC = b"\xf7OLS"
VERSION = 1
HEADER_BYTES = 64  # of a segment and of a frame
LENGTH_LIMIT = 1 << 30
SEAL_SPACING_BYTES = 32 * 1024  # between the frames that a seal names, at least

EVENTS, MARK, SEAL, HOLE, ERASED, CONTROL = range(1, 7)
TYPE_NAMES = {1: "events", 2: "mark", 3: "seal", 4: "hole", 5: "erased", 6: "control"}
COUNTS = {EVENTS: (1, 1 << 24), HOLE: (1, (1 << 32) - 1), ERASED: (1, 1 << 24)}
NO_PAYLOAD = (MARK, HOLE)
FIRST_SKIPPABLE_TYPE = 128
FLAG_SHUTDOWN = 1
MUST_UNDERSTAND = 0x00FF  # flags of which a reader must know each that is set
KEY_RULES = (1, 2)
KINDS = {0: "json", 1: "bytes"}
VERDICTS = {1: "stored", 2: "duplicate", 3: "conflict"}


class Damaged(Exception):
    """Bytes that were durable, or are checked by a CRC, and are not what they must be."""


class Refused(Exception):
    """Valid, but beyond what a version-1 reader may pass over."""


class BadFrame(Exception):
    """No valid frame here: torn or damaged, as the tail rule decides."""


class Segment(NamedTuple):
    """One segment file, read whole, its header checked."""

    name: str
    data: bytes
    log_id: bytes
    first_seq: int
    context: bytes  # what seeds the CRCs of its frames, but for the offset

    def damaged(self, offset, seq, what):
        return Damaged(f"segment {self.name}, offset {offset}, seq {seq}: {what}")


class Frame(NamedTuple):
    """A frame header whose CRC holds."""

    offset: int
    type: int
    key_rule: int
    flags: int
    length: int
    count: int
    first_seq: int
    received_at: int
    durable_up_to: int
    payload_crc: int

    @property
    def payload_start(self):
        return self.offset + HEADER_BYTES

    @property
    def end(self):
        """Where the next frame is due: the payload is padded to a multiple of 8."""
        return self.payload_start + (self.length + 7) // 8 * 8

    @property
    def is_shutdown_mark(self):
        return self.type == MARK and bool(self.flags & FLAG_SHUTDOWN)


# ---- log.meta and segment headers ----------------------------------------------------


def read_meta(path):
    """The log id in `log.meta`; None if there is no such file: it can be made anew."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        note("log.meta is missing; the segment headers tell the log id")
        return None
    if len(data) != 48 or data[:8] != META_MAGIC:
        raise Damaged("log.meta: wrong magic or size")
    version, log_id, _made_at, crc = struct.unpack("<8xH6x16sq4xI", data)
    if crc32(data[:44]) != crc:
        raise Damaged("log.meta: the CRC does not match")
    if version != VERSION:
        raise Refused(f"log.meta: unknown format version {version}")
    return log_id


def open_segment(path):
    """Reads a segment and checks its header. A segment got its name only after its header
    was synced, so a bad header is always damage."""
    data = path.read_bytes()
    due = int(path.stem)
    head = data[:HEADER_BYTES]
    if len(head) < HEADER_BYTES or head[:8] != SEGMENT_MAGIC:
        raise Damaged(f"segment {path.name}, offset 0, seq {due}: no segment header")
    version, _fold_version, log_id, first_seq, salt, _made_at, crc = struct.unpack(
        "<8xHH4x16sQ8sq4xI", head
    )
    if crc32(head[:60]) != crc:
        raise Damaged(f"segment {path.name}, offset 0, seq {due}: segment header CRC")
    if version != VERSION:
        raise Refused(f"segment {path.name}: unknown format version {version}")
    if first_seq != due:
        raise Damaged(f"segment {path.name}, offset 0, seq {due}: header says {first_seq}")
    context = salt + log_id + struct.pack("<Q", first_seq)
    return Segment(path.name, data, log_id, first_seq, context)


# ---- frames ---------------------------------------------------------------------------


def read_header(segment, offset):
    """The frame header at `offset`, if its magic and CRC are right."""
    head = segment.data[offset : offset + HEADER_BYTES]
    if len(head) < HEADER_BYTES:
        raise BadFrame("the file ends within a frame header")
    if head[:4] != FRAME_MAGIC:
        raise BadFrame("no frame magic")
    context = segment.context + struct.pack("<Q", offset)
    # The two fields of the origin say nothing to a reader.
    fields = struct.unpack("<4xBBHIIQqQ16xII", head)
    if crc32(context + head[:60]) != fields[-1]:
        raise BadFrame("the header CRC does not match")
    frame = Frame(offset, *fields[:-1])
    if frame.length > LENGTH_LIMIT:
        raise BadFrame(f"a payload of {frame.length} bytes is beyond the format's limit")
    return frame


def read_payload(segment, frame):
    """The payload, if all of it is there and its CRC is right."""
    body = segment.data[frame.payload_start : frame.end]
    if len(body) < frame.end - frame.payload_start:
        raise BadFrame("the file ends within a payload")
    context = segment.context + struct.pack("<Q", frame.offset)
    head = segment.data[frame.offset : frame.offset + 56]
    if crc32(context + head + body) != frame.payload_crc:
        raise BadFrame("the payload CRC does not match")
    return body[: frame.length]


def check_frame(segment, frame, due_seq):
    """What CRCs cannot tell. A valid frame that fails here was never written by oncelog."""
    if frame.first_seq != due_seq:
        raise segment.damaged(frame.offset, due_seq, f"the frame says seq {frame.first_seq}")
    if frame.durable_up_to >= frame.first_seq:
        raise segment.damaged(frame.offset, due_seq, "durable up to a seq not yet written")
    where = f"segment {segment.name}, offset {frame.offset}, seq {due_seq}"
    if frame.type not in TYPE_NAMES and (frame.type < FIRST_SKIPPABLE_TYPE or frame.count):
        raise Refused(f"{where}: unknown frame type {frame.type}")
    known = FLAG_SHUTDOWN if frame.type == MARK else 0
    if unknown := frame.flags & MUST_UNDERSTAND & ~known:
        raise Refused(f"{where}: unknown flags {unknown:#x}")
    if frame.type in (EVENTS, ERASED) and frame.key_rule not in KEY_RULES:
        raise Refused(f"{where}: unknown key rule {frame.key_rule}")
    least, most = COUNTS.get(frame.type, (0, 0))
    if not least <= frame.count <= most:
        raise segment.damaged(frame.offset, due_seq, f"a count of {frame.count}")
    if frame.type in NO_PAYLOAD and frame.length:
        raise segment.damaged(frame.offset, due_seq, "a payload where there is none")


def evidence_after(segment, offset, due_seq):
    """Why the bad bytes at `offset`, where `due_seq` is due, must once have been durable;
    None if nothing in this segment says so. A valid header is looked for at each multiple
    of 8, but within a frame whose own header is good: nothing in a bad one can be trusted."""
    try:
        at = read_header(segment, offset).end - 1
    except BadFrame:
        at = offset
    while (at := segment.data.find(FRAME_MAGIC, at + 1)) >= 0:
        if at % 8:
            continue
        try:
            later = read_header(segment, at)
        except BadFrame:
            continue
        if later.durable_up_to >= due_seq:
            return f"the frame at {at} says durable up to {later.durable_up_to}"
        if later.count and later.first_seq == due_seq:
            return f"the frame at {at} takes seq {due_seq}, and came after a synced mark"
        if later.type == SEAL or later.is_shutdown_mark:
            return f"the {TYPE_NAMES[later.type]} at {at} came after all was synced"
    return None


def read_segment(segment, is_last):
    """Yields (frame, payload) of each frame, and returns the seq due after them."""
    offset, seq, table = HEADER_BYTES, segment.first_seq, []
    written = len(segment.data.rstrip(b"\0"))  # only zeros from here on: prepared room
    while offset < written:
        try:
            frame = read_header(segment, offset)
            payload = read_payload(segment, frame)
        except BadFrame as bad:
            evidence = evidence_after(segment, offset, seq)
            if evidence is None and not is_last:
                evidence = "a further segment follows"
            if evidence:
                raise segment.damaged(offset, seq, f"{bad}; damaged, since {evidence}")
            note(f"segment {segment.name}, offset {offset}, seq {seq}: {bad}; a torn tail")
            return seq
        check_frame(segment, frame, seq)
        if frame.type == SEAL:
            check_seal(segment, frame, payload, table)
        yield frame, payload
        if frame.count and (not table or offset - table[-1][1] >= SEAL_SPACING_BYTES):
            table.append((frame.first_seq, offset))
        offset, seq = frame.end, seq + frame.count
        if frame.type == SEAL:
            # A crash between the seal and the cut of the room leaves zeros behind it.
            if written > offset or (len(segment.data) > offset and not is_last):
                raise segment.damaged(offset, seq, "bytes follow the seal")
            return seq
    if not is_last:
        raise segment.damaged(offset, seq, "no seal, though a further segment follows")
    return seq


def check_seal(segment, frame, payload, table):
    """The footer: the segment header again, a sparse table of frames, and the trailer."""

    def demand(holds, what):
        if not holds:
            raise segment.damaged(frame.offset, frame.first_seq, f"seal: {what}")

    demand(len(payload) >= HEADER_BYTES + 16, "too short")
    demand(payload[:HEADER_BYTES] == segment.data[:HEADER_BYTES], "another segment header")
    seal_offset, pairs, magic = struct.unpack("<QI4s", payload[-16:])
    demand(magic == TRAILER_MAGIC, "trailer magic")
    demand(seal_offset == frame.offset, f"the trailer names offset {seal_offset}")
    demand(len(payload) == HEADER_BYTES + 16 * pairs + 16, f"no room for {pairs} pairs")
    pairs = list(struct.iter_unpack("<QQ", payload[HEADER_BYTES:-16]))
    demand(pairs == table, "its table does not fit the frames")


# ---- payloads: bincode 1.3 with variable-length integers --------------------------------


class Payload:
    """A cursor over a payload; each method reads one value."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size > len(self.data) - self.at:
            raise ValueError("the payload ends within a value")
        self.at += size
        return self.data[self.at - size : self.at]

    def u8(self):
        return self.take(1)[0]

    def integer(self):
        first = self.u8()
        if first < 251:
            return first
        if first > 253:
            raise ValueError(f"no integer begins with byte {first}")
        return int.from_bytes(self.take({251: 2, 252: 4, 253: 8}[first]), "little")

    def bytes(self):
        return self.take(self.integer())

    def string(self):
        return self.bytes().decode("utf-8")

    def option(self, read):
        present = self.u8()
        if present > 1:
            raise ValueError(f"an option begins with byte {present}")
        return read() if present else None

    def list(self, read):
        return [read() for _ in range(self.integer())]

    def known(self, what, names):
        number = self.u8()
        if number not in names:
            raise Refused(f"unknown {what} {number}")
        return names[number]

    def attributes(self):
        return self.list(lambda: [self.string(), self.string()])

    def event(self):
        event = {"topic": self.string(), "event_id": self.string(), "source": self.string()}
        event["timestamp"] = self.option(self.string)
        event["kind"] = self.known("payload kind", KINDS)
        if event["kind"] == "json":
            event["payload"] = self.string()
        else:
            event["payload_base64"] = base64.b64encode(self.bytes()).decode()
        event["attributes"] = self.attributes()
        return event

    def erased_event(self):
        topic, verdict = self.integer(), self.known("verdict", VERDICTS)
        digests = {"key": 16, "payload_digest": 16, "canonical_digest": 32}
        event = {"erased": True, "topic_index": topic, "verdict": verdict}
        return event | {name: self.take(size).hex() for name, size in digests.items()}


def events_of(frame, data):
    """The events of an `events` or `erased` frame, as objects to print."""
    payload = Payload(data)
    if frame.type == EVENTS:
        batch_attributes = payload.attributes()
        events = payload.list(payload.event)
        for event in events:
            event["batch_attributes"] = batch_attributes
    else:
        topics = payload.list(payload.string)
        events = payload.list(payload.erased_event)
        for event in events:
            event["topic"] = topics[event.pop("topic_index")]
    if payload.at != len(data):
        raise ValueError("bytes follow the last value")
    if len(events) != frame.count:
        raise ValueError(f"{len(events)} events where the header says {frame.count}")
    for seq, event in enumerate(events, frame.first_seq):
        yield {"seq": seq, **event, "key_rule": frame.key_rule, "received_at": frame.received_at}


# ---- the whole log ----------------------------------------------------------------------


def read_log(directory, emit_frame, emit_event):
    """Drives the segments in order and checks the chain of seqs across them."""
    meta_id = read_meta(directory / "log.meta")
    paths = sorted(p for p in directory.iterdir() if re.fullmatch(r"\d{20}\.seg", p.name))
    due_seq, log_id = 1, meta_id
    for path in paths:
        segment = open_segment(path)
        log_id = log_id or segment.log_id
        if segment.log_id != log_id:
            raise segment.damaged(0, due_seq, "it belongs to another log")
        if segment.first_seq != due_seq:
            raise segment.damaged(0, due_seq, f"seqs {due_seq} and on are in no segment")
        frames = read_segment(segment, is_last=path == paths[-1])
        while True:
            try:
                frame, payload = next(frames)
            except StopIteration as end:
                due_seq = end.value
                break
            emit_frame(segment, frame)
            if frame.type in (EVENTS, ERASED):
                try:
                    events = list(events_of(frame, payload))
                except (ValueError, LookupError) as error:
                    raise segment.damaged(frame.offset, frame.first_seq, f"payload: {error}")
                except Refused as reason:
                    raise Refused(f"segment {path.name}, offset {frame.offset}: {reason}")
                for event in events:
                    emit_event(event)
            elif frame.type == HOLE:
                note(f"seqs {frame.first_seq} to {frame.first_seq + frame.count - 1} are lost")


def frame_object(segment, frame):
    return {
        "segment": segment.name,
        "offset": frame.offset,
        "type": TYPE_NAMES.get(frame.type, frame.type),
        "flags": frame.flags,
        "first_seq": frame.first_seq,
        "count": frame.count,
        "length": frame.length,
        "received_at": frame.received_at,
        "durable_up_to": frame.durable_up_to,
    }


def note(text):
    print(f"note: {text}", file=sys.stderr)


def show(value):
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def main(arguments):
    frames = "--frames" in arguments
    paths = [argument for argument in arguments if argument != "--frames"]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    on_frame = (lambda *of: show(frame_object(*of))) if frames else lambda *of: None
    on_event = (lambda event: None) if frames else show
    try:
        read_log(Path(paths[0]) / "log", on_frame, on_event)
        sys.stdout.flush()
    except BrokenPipeError:  # as in `| head`; Python would complain of it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Damaged as damage:
        print(f"damaged: {damage}", file=sys.stderr)
        return 1
    except (Refused, OSError) as reason:
        print(f"refused: {reason}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
