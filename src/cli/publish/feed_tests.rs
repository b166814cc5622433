//! Inputs are read the same wherever a chunk ends, and no more is read than is taken.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::cli::publish::form::CHUNK_BYTES;
use crate::cli::publish::portion::Unit;

const LIMITS: BatchLimits = BatchLimits {
    events: 2,
    bytes: 1 << 20,
    keeps_refused_text: false,
};

/// The events in these files, with where they stand, and how reading ended.
fn read(texts: &[&[u8]]) -> (Vec<(Place, String)>, Option<Broken>) {
    let dir = TempDir::new().expect("a directory");
    let files: Vec<PathBuf> = (0..texts.len())
        .map(|number| dir.path().join(number.to_string()))
        .collect();
    for (file, text) in files.iter().zip(texts) {
        fs::write(file, text).expect("a file");
    }
    let sources = Source::check_all(&files).expect("they are there");
    let mut from = start(sources, LIMITS).expect("a thread");
    let (mut events, mut broken) = (Vec::new(), None);
    while let Some(told) = from.blocking_recv() {
        match told {
            FromInput::Portion(portion) => {
                assert!(portion.len() <= LIMITS.events && portion.refused.is_empty());
                events.extend((0..portion.len()).map(|index| {
                    let text = String::from_utf8_lossy(portion.text_of(index));
                    (portion.place_of(index), text.into_owned())
                }));
            }
            FromInput::Broken(told) => broken = Some(told),
        }
    }
    (events, broken)
}

fn at(source: usize, unit: Unit, number: u64, text: &str) -> (Place, String) {
    let place = Place {
        source,
        unit,
        number,
    };
    (place, text.to_owned())
}

#[test]
fn an_input_is_read_the_same_wherever_its_first_chunk_ends() {
    for blanks in (CHUNK_BYTES - 12)..(CHUNK_BYTES + 2) {
        let mut text = vec![b' '; blanks];
        let before = text.len();
        text.extend_from_slice(b"[{\"a\":1} , {\"b\":2}]\n");
        let (events, broken) = read(&[&text]);
        let expected = [
            at(0, Unit::Element, 1, "{\"a\":1}"),
            at(0, Unit::Element, 2, "{\"b\":2}"),
        ];
        assert_eq!(
            (events.as_slice(), broken),
            (&expected[..], None),
            "{blanks}"
        );

        text.truncate(before);
        text[0] = b'\n';
        text.extend_from_slice(b"{\"a\":1}\n{\"b\":2}");
        let (events, broken) = read(&[&text]);
        let expected = [
            at(0, Unit::Line, 2, "{\"a\":1}"),
            at(0, Unit::Line, 3, "{\"b\":2}"),
        ];
        assert_eq!(
            (events.as_slice(), broken),
            (&expected[..], None),
            "{blanks}"
        );
    }
}

#[test]
fn nothing_is_read_behind_an_input_that_broke_off() {
    let (events, broken) = read(&[b"{\"a\":1}", b"[{\"b\":2},{", b"{\"c\":3}"]);
    let expected = [
        at(0, Unit::Line, 1, "{\"a\":1}"),
        at(1, Unit::Element, 1, "{\"b\":2}"),
    ];
    assert_eq!(events, expected);
    let broken = broken.expect("it broke off");
    assert_eq!((broken.source, broken.is_io), (1, false));
    assert!(broken.what.contains("element 2"), "{}", broken.what);
}

#[test]
fn short_inputs_and_byte_order_marks_are_no_trouble() {
    let mark = b"\xef\xbb\xbf";
    let (events, broken) = read(&[b"", b"[]", b"\n", mark, b"{}", &[mark, &b"{}"[..]].concat()]);
    let expected = [at(4, Unit::Line, 1, "{}"), at(5, Unit::Line, 1, "{}")];
    assert_eq!((events.as_slice(), broken), (&expected[..], None));
}
