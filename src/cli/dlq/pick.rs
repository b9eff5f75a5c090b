//! The letters that a command works off.

use super::filter::{Which, digits};
use crate::cli::exit::{Exit, fail};
use crate::store::letter::{FoundLetter, LetterFilter, LetterState};
use crate::store::query::Query;
use anyhow::Result;

/// How many letters are asked for at a time.
const PAGE: usize = 1_000;

/// Which letters to work off.
#[derive(Debug, clap::Args)]
pub struct Pick {
    /// These letters
    #[arg(value_name = "LETTER", value_parser = digits)]
    pub ids: Vec<String>,
    /// Or all open ones that are told apart so.
    #[command(flatten)]
    pub which: Which,
    /// Every open letter
    #[arg(long)]
    pub all: bool,
    /// At most this many, the oldest first
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// The letters to work off, the oldest first, and how many were left out because somebody has done that.
pub struct Picked {
    /// The open ones.
    pub open: Vec<FoundLetter>,
    /// The others that were named.
    pub handled: Vec<FoundLetter>,
}

/// Finds the letters.
///
/// # Errors
/// Where it is not said which, or one that is named is not there.
pub fn pick(pick: &Pick, query: &dyn Query) -> Result<Picked> {
    let named = !pick.ids.is_empty();
    match (named, !pick.which.is_empty(), pick.all) {
        (false, false, false) => {
            return Err(fail(Exit::Usage, "name letters, --fault, another filter, or --all for every open letter"));
        }
        (true, false, false) | (false, _, _) => {}
        (true, _, _) => return Err(fail(Exit::Usage, "name letters, or filters, not both")),
    }
    let mut picked = if named { by_ids(&pick.ids, query)? } else { by_filter(&pick.which, query)? };
    picked.open.truncate(pick.limit.map_or(usize::MAX, |limit| limit as usize));
    Ok(picked)
}

fn by_ids(ids: &[String], query: &dyn Query) -> Result<Picked> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let letter = one(query, id)?;
        if found.iter().all(|other: &FoundLetter| other.letter.letter_id != letter.letter.letter_id) {
            found.push(letter);
        }
    }
    let (open, handled) = found.into_iter().partition(|found| found.state() == LetterState::Open);
    Ok(Picked { open, handled })
}

fn by_filter(which: &Which, query: &dyn Query) -> Result<Picked> {
    if let Some(digits) = &which.fault {
        let filter = LetterFilter { group: Some(digits.clone()), limit: 2, ..LetterFilter::default() };
        match query.letter_groups(&filter)?.as_slice() {
            [] => return Err(fail(Exit::NotFound, format!("there is no fault {digits}"))),
            [_] => {}
            [a, b, ..] => {
                let (a, b) = (&a.fingerprint, &b.fingerprint);
                return Err(fail(
                    Exit::Usage,
                    format!("{digits} is the beginning of {a} and of {b}: give more digits"),
                ));
            }
        }
    }
    let mut filter = which.filter(Some(LetterState::Open), PAGE);
    let mut open = Vec::new();
    loop {
        let page = query.letters(&filter)?;
        filter.below = page.last().map(|last| (last.letter.time, last.letter.letter_id.clone()));
        let was_last = page.len() < PAGE;
        open.extend(page);
        if was_last {
            break;
        }
    }
    open.reverse();
    Ok(Picked { open, handled: Vec::new() })
}

/// The one letter whose id begins so.
///
/// # Errors
/// Where there is none, or more than one.
pub fn one(query: &dyn Query, digits: &str) -> Result<FoundLetter> {
    let filter = LetterFilter { id: Some(digits.to_owned()), limit: 2, ..LetterFilter::default() };
    let mut found = query.letters(&filter)?;
    match (found.pop(), found.pop()) {
        (None, _) => Err(fail(
            Exit::NotFound,
            format!("there is no dead letter {digits}; `orchestrator dlq list --state all` lists them"),
        )),
        (Some(one), None) => Ok(one),
        (Some(a), Some(b)) => {
            let (a, b) = (a.letter.letter_id, b.letter.letter_id);
            Err(fail(Exit::Usage, format!("{digits} is the beginning of {a} and of {b}: give more digits")))
        }
    }
}
