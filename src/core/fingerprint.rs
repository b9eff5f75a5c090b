//! What makes two failures the same fault, so that a thousand of a kind are seen as one: in dead letters, in the error
//! log, and wherever they are grouped.

use sha2::{Digest, Sha256};

/// The fingerprint of a failure: 16 hexadecimal digits of SHA-256 over `kind` (`node`, `input`, `workflow`, `effect`,
/// `loss`), `source` (the agent; of what has none the topic), class, code and the message without what differs from
/// case to case, each ended by a zero byte.
pub fn of(kind: &str, source: &str, class: &str, code: &str, message: &str) -> String {
    let mut hash = Sha256::new();
    for part in [kind, source, class, code, &normalise(message)] {
        hash.update(part);
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..8])
}

/// A message without what differs from one case to the next: quoted parts, and words with a digit in them (numbers,
/// ids, hashes, times) or of eight or more hexadecimal letters, become `#`.
pub fn normalise(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    let mut after_word = false;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        // An apostrophe within a word (doesn't) opens nothing.
        let opens = matches!(first, '"' | '`') || (first == '\'' && !after_word);
        let quoted = if opens { rest[1..].find(first).map(|end| end + 2) } else { None };
        let taken = if let Some(end) = quoted {
            out.push('#');
            end
        } else if word > 0 {
            out.push_str(if varies(&rest[..word]) { "#" } else { &rest[..word] });
            word
        } else {
            out.push(first);
            first.len_utf8()
        };
        after_word = word > 0;
        rest = &rest[taken..];
    }
    out
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn varies(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit()) || (word.len() >= 8 && word.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_case_to_case_does_not_count() {
        for (a, b) in [
            ("expected at most 1000 bytes, found 2000", "expected at most 1000 bytes, found 345"),
            ("no order \"A 17\" in the shop", "no order \"B\" in the shop"),
            ("run 0123456789abcdef failed", "run deadbeefdeadbeef failed"),
            ("request 6f1c-aa-bb was cut", "request 1 was cut"),
            ("field `total` isn't there", "field `sum of it` isn't there"),
            ("it took 1.5 s", "it took 27.25 s"),
        ] {
            assert_eq!(normalise(a), normalise(b));
        }
        assert_eq!(normalise("it doesn't answer, won't start"), "it doesn't answer, won't start");
        assert_eq!(normalise("an open \"quote and ☕ 7"), "an open \"quote and ☕ #");
        assert_ne!(normalise("no order"), normalise("no shop"));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(of("node", "ab", "c", "", ""), of("node", "a", "bc", "", ""));
        assert_eq!(of("node", "a", "", "", "").len(), 16);
    }
}
