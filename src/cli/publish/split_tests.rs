//! Inputs are split the same wherever the reads end.

use super::*;

/// The pieces, as text; `None` for one that is too long.
type Pieces = Vec<(u64, Option<String>)>;

#[derive(Debug, PartialEq)]
struct Follows;

impl From<SomethingFollows> for Follows {
    fn from(_: SomethingFollows) -> Follows {
        Follows
    }
}

fn collect(pieces: &mut Pieces) -> impl FnMut(u64, Piece<'_>) -> Result<(), Follows> {
    |number, piece| {
        pieces.push((
            number,
            match piece {
                Piece::Whole(text) => Some(String::from_utf8_lossy(text).into_owned()),
                Piece::TooLong { .. } => None,
            },
        ));
        Ok(())
    }
}

fn lines(text: &[u8], chunk_bytes: usize, bytes_max: usize) -> Pieces {
    let mut pieces = Vec::new();
    let mut take = collect(&mut pieces);
    let mut lines = Lines::new(0, bytes_max);
    for chunk in text.chunks(chunk_bytes) {
        lines.push(chunk, &mut take).expect("taken");
    }
    lines.finish(&mut take).expect("taken");
    drop(take);
    pieces
}

fn elements(text: &[u8], chunk_bytes: usize, bytes_max: usize) -> (Pieces, Result<bool, Follows>) {
    let mut pieces = Vec::new();
    let mut take = collect(&mut pieces);
    let mut elements = Elements::new(bytes_max);
    let mut pushed = Ok(());
    for chunk in text.chunks(chunk_bytes) {
        pushed = pushed.and_then(|()| elements.push(chunk, &mut take));
    }
    drop(take);
    (pieces, pushed.map(|()| elements.is_over()))
}

fn whole(texts: &[&str]) -> Pieces {
    let numbered = (1..).zip(texts);
    numbered
        .map(|(number, text)| (number, Some((*text).to_owned())))
        .collect()
}

#[test]
fn lines_are_the_same_wherever_the_reads_end() {
    let text = b"{\"a\":1}\n\n{\"b\":2}\r\nlast";
    for chunk_bytes in 1..=text.len() {
        let expected = whole(&["{\"a\":1}", "", "{\"b\":2}\r", "last"]);
        assert_eq!(lines(text, chunk_bytes, 100), expected, "{chunk_bytes}");
    }
    assert_eq!(lines(b"", 1, 100), []);
    assert_eq!(lines(b"a\n", 1, 100), whole(&["a"]));
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_those_around_it_are_not() {
    for chunk_bytes in 1..20 {
        let found = lines(b"ab\n123456789\ncd\n12345", chunk_bytes, 5);
        let expected = [
            (1, Some("ab".to_owned())),
            (2, None),
            (3, Some("cd".to_owned())),
            (4, Some("12345".to_owned())),
        ];
        assert_eq!(found, expected, "{chunk_bytes}");
    }
}

#[test]
fn what_is_skipped_takes_no_memory() {
    let mut lines = Lines::new(0, 10);
    for _ in 0..1000 {
        lines
            .push(&[b'x'; 1000], &mut |_, _| Ok::<(), Follows>(()))
            .expect("taken");
    }
    assert_eq!(
        (lines.begun.text.capacity(), lines.begun.bytes),
        (0, 1_000_000)
    );
}

#[test]
fn elements_are_found_whatever_their_strings_hold() {
    let text = br#"{"a":"],[\"\\"}, [1,{"b":[]}] ,"x,\\",3]  "#;
    for chunk_bytes in 1..=text.len() {
        let (found, end) = elements(text, chunk_bytes, 100);
        let expected = whole(&[r#"{"a":"],[\"\\"}"#, r#" [1,{"b":[]}] "#, r#""x,\\""#, "3"]);
        assert_eq!((found, end), (expected, Ok(true)), "{chunk_bytes}");
    }
}

#[test]
fn an_empty_array_has_no_elements_and_a_trailing_comma_makes_an_empty_one() {
    assert_eq!(elements(b" \n ]", 1, 100), (vec![], Ok(true)));
    assert_eq!(elements(b"1,]", 2, 100), (whole(&["1", ""]), Ok(true)));
    assert_eq!(elements(b",1]", 2, 100), (whole(&["", "1"]), Ok(true)));
}

#[test]
fn an_array_that_breaks_off_is_known_and_its_last_element_is_not_taken() {
    let (found, end) = elements(br#"{"a":1},{"b":"#, 3, 100);
    assert_eq!((found, end), (whole(&[r#"{"a":1}"#]), Ok(false)));
}

#[test]
fn what_follows_an_array_is_no_part_of_it() {
    let (found, end) = elements(b"1] 2", 1, 100);
    assert_eq!((found, end), (whole(&["1"]), Err(Follows)));
}

#[test]
fn a_broken_element_does_not_break_the_next() {
    let (found, _) = elements(br#"{"a":]},{"b":1}]"#, 4, 100);
    assert_eq!(found, whole(&[r#"{"a":]}"#, r#"{"b":1}"#]));
}

#[test]
fn an_element_that_is_too_long_is_skipped_and_those_around_it_are_not() {
    let (found, end) = elements(b"1,[2,3,4,5,6],7]", 3, 6);
    let expected = [
        (1, Some("1".to_owned())),
        (2, None),
        (3, Some("7".to_owned())),
    ];
    assert_eq!((found.as_slice(), end), (&expected[..], Ok(true)));
}
