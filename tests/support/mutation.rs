//! Bytes that are nearly something: what is in a corpus, changed in a few places.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, Selector};

/// One change.
#[derive(Clone, Debug)]
enum Change {
    /// A bit is turned.
    Flip(Index, u8),
    /// A byte is another one.
    Set(Index, u8),
    /// Bytes come in between.
    Insert(Index, Vec<u8>),
    /// Bytes go.
    Remove(Index, usize),
    /// All that follows goes.
    Cut(Index),
    /// A piece comes so often again.
    Repeat(Index, usize, usize),
    /// A piece of this stands in its place.
    Splice(Index, Vec<u8>, Index, usize),
    /// The digits there are another number.
    Number(Index, String),
}

/// A seed with up to six changes.
pub fn of(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let others = seeds.clone();
    (any::<Selector>(), vec(change(others), 0..=6)).prop_map(move |(which, changes)| {
        let seed = which.select(&seeds).clone();
        changes.iter().fold(seed, apply)
    })
}

/// What decoders know: a lone one of these is worth more than a random byte.
const TOKENS: [&str; 28] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "1e999",
    "-0.0",
    "1.0",
    "\u{7f}",
    "\u{feff}",
    "\0",
    "/",
    "~1",
    "- ",
    "\n",
    "&a ",
    "*a",
    "!!binary ",
    "request",
    "outputs.a",
    "(",
    ")",
];

fn change(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    let token = proptest::sample::select(&TOKENS[..]).prop_map(|token| token.as_bytes().to_vec());
    // Avro's lengths: huge ones, negative ones.
    let length = proptest::sample::select(&[1u64 << 61, u64::MAX, 1 << 33, 1 << 21, 3, 1][..]).prop_map(varint);
    let bytes = prop_oneof![vec(any::<u8>(), 1..8), token, length];
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        Just("0".to_owned()),
    ];
    prop_oneof![
        (index(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (index(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), 1..32usize).prop_map(|(at, length)| Change::Remove(at, length)),
        index().prop_map(Change::Cut),
        (index(), 1..16usize, 1..200usize).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        (index(), any::<Selector>(), index(), 1..64usize).prop_map(move |(at, which, from, length)| Change::Splice(
            at,
            which.select(&seeds).clone(),
            from,
            length
        )),
        (index(), number).prop_map(|(at, number)| Change::Number(at, number)),
    ]
}

fn varint(mut rest: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn apply(mut data: Vec<u8>, change: &Change) -> Vec<u8> {
    let piece = |data: &[u8], at: &Index, length: usize| {
        let from = at.index(data.len() + 1);
        from..(from + length).min(data.len())
    };
    match change {
        Change::Flip(at, bit) if !data.is_empty() => *at.get_mut(&mut data) ^= 1 << bit,
        Change::Set(at, byte) if !data.is_empty() => *at.get_mut(&mut data) = *byte,
        Change::Flip(..) | Change::Set(..) => {}
        Change::Insert(at, bytes) => {
            let at = piece(&data, at, 0);
            data.splice(at, bytes.iter().copied());
        }
        Change::Remove(at, length) => drop(data.drain(piece(&data, at, *length))),
        Change::Cut(at) => data.truncate(at.index(data.len() + 1)),
        Change::Repeat(at, length, times) => {
            let piece = piece(&data, at, *length);
            let again = data[piece.clone()].repeat(*times);
            data.splice(piece.end..piece.end, again);
        }
        Change::Splice(at, other, from, length) => {
            let piece_of_other = other[piece(other, from, *length)].to_vec();
            let at = piece(&data, at, *length);
            data.splice(at, piece_of_other);
        }
        Change::Number(at, number) => {
            let from = at.index(data.len() + 1);
            let digits = |byte: &u8| byte.is_ascii_digit();
            if let Some(start) = data[from..].iter().position(digits).map(|found| from + found) {
                let end = data[start..].iter().position(|byte| !digits(byte)).map_or(data.len(), |found| start + found);
                data.splice(start..end, number.bytes());
            }
        }
    }
    data
}
