//! "Did you mean …?"

/// Looking for what is close takes a pass over all candidates, so a document full of unknown names gets hints for
/// the first of them only.
pub(crate) struct Hints(u32);

impl Default for Hints {
    fn default() -> Self {
        Self(20)
    }
}

impl Hints {
    /// A hint with its punctuation, or nothing.
    pub fn for_word<'a>(&mut self, word: &str, candidates: impl Iterator<Item = &'a str>) -> String {
        if self.0 == 0 {
            return String::new();
        }
        self.0 -= 1;
        closest(word, candidates).map(|close| format!("; did you mean \"{close}\"?")).unwrap_or_default()
    }
}

/// The candidate that is a slip of the hand away from a word, if there is one.
pub(crate) fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // One letter in three may differ, three at most.
    let allowed = (word.chars().count() / 3).min(3);
    let length = word.len();
    candidates
        .filter(|candidate| candidate.len().abs_diff(length) <= allowed)
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
