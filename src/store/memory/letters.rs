//! Dead letters and groups of errors in memory.

use super::tables::Tables;
use crate::core::time::Timestamp;
use crate::store::letter::{
    ErrorFilter, ErrorGroup, FoundLetter, HandledRow, LetterFilter, LetterGroup, LetterRow, LetterState,
};
use crate::store::row::ErrorRow;
use std::collections::BTreeMap;

/// A row of `orchestrator_dead_letters`: what came first may be either half.
#[derive(Clone, Default)]
pub struct LetterHalves {
    /// The letter, with its partition.
    pub letter: Option<(u32, LetterRow)>,
    /// What was done with it.
    pub handled: Option<HandledRow>,
}

impl LetterHalves {
    /// What was done last counts.
    pub fn handle(&mut self, row: &HandledRow) {
        if self.handled.as_ref().is_none_or(|before| before.at <= row.at) {
            self.handled = Some(row.clone());
        }
    }

    fn found(&self) -> Option<FoundLetter> {
        let (partition, row) = self.letter.as_ref()?;
        Some(FoundLetter { letter: row.letter.clone(), partition: *partition, handled: self.handled.clone() })
    }
}

/// The letters that a filter asks for, the newest first.
pub fn letters(tables: &Tables, filter: &LetterFilter) -> Vec<FoundLetter> {
    let mut found = wanted(tables, filter);
    found.truncate(filter.limit);
    found
}

fn wanted(tables: &Tables, filter: &LetterFilter) -> Vec<FoundLetter> {
    let found = tables.letters.values().filter_map(LetterHalves::found);
    let mut found: Vec<FoundLetter> = found.filter(|found| is_wanted(found, filter)).collect();
    found.sort_by(|a, b| (b.letter.time, &b.letter.letter_id).cmp(&(a.letter.time, &a.letter.letter_id)));
    found
}

fn is_wanted(found: &FoundLetter, filter: &LetterFilter) -> bool {
    let letter = &found.letter;
    let begins = |text: &str, start: &Option<String>| start.as_ref().is_none_or(|start| text.starts_with(start));
    let is = |text: Option<&str>, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| text == Some(wanted));
    begins(letter.letter_id.as_str(), &filter.id)
        && begins(&letter.fingerprint, &filter.group)
        && filter.state.is_none_or(|state| state == found.state())
        && filter.kind.is_none_or(|kind| kind == letter.kind)
        && is(letter.agent_name.as_ref().map(|name| name.as_str()), &filter.agent)
        && filter.class.is_none_or(|class| letter.class == Some(class))
        && is(Some(&letter.code), &filter.code)
        && is(letter.workflow_id.as_ref().map(|id| id.as_str()), &filter.workflow)
        && is(letter.definition.as_ref().map(|name| name.as_str()), &filter.definition)
        && letter.time >= filter.since
        && filter.below.as_ref().is_none_or(|(time, id)| (letter.time, &letter.letter_id) < (*time, id))
}

/// The groups of the letters that a filter asks for.
pub fn letter_groups(tables: &Tables, filter: &LetterFilter) -> Vec<LetterGroup> {
    let mut groups = BTreeMap::<String, LetterGroup>::new();
    for found in wanted(tables, filter) {
        let open = u64::from(found.state() == LetterState::Open);
        let letter = found.letter;
        let group = groups.entry(letter.fingerprint.clone()).or_insert_with(|| LetterGroup {
            fingerprint: letter.fingerprint.clone(),
            kind: letter.kind,
            agent_name: letter.agent_name.clone(),
            topic: letter.origin.as_ref().map(|origin| origin.topic.clone()),
            class: letter.class,
            code: letter.code.clone(),
            message: letter.message.clone(),
            letters: 0,
            open: 0,
            first_seen: letter.time,
            last_seen: letter.time,
        });
        group.message = letter.message.min(std::mem::take(&mut group.message));
        (group.letters, group.open) = (group.letters + 1, group.open + open);
        (group.first_seen, group.last_seen) = (group.first_seen.min(letter.time), group.last_seen.max(letter.time));
    }
    let mut groups: Vec<LetterGroup> = groups.into_values().collect();
    groups.sort_by(|a, b| (b.open, b.letters, &a.fingerprint).cmp(&(a.open, a.letters, &b.fingerprint)));
    groups.truncate(filter.limit);
    groups
}

/// The groups of the errors that a filter asks for.
pub fn error_groups(tables: &Tables, filter: &ErrorFilter) -> Vec<ErrorGroup> {
    let mut by_fingerprint = BTreeMap::<&str, Vec<&ErrorRow>>::new();
    for row in tables.errors.values().flat_map(BTreeMap::values) {
        by_fingerprint.entry(&row.fingerprint).or_default().push(row);
    }
    let groups = by_fingerprint.values().filter_map(|rows| error_group(tables, rows, filter));
    let mut groups: Vec<ErrorGroup> = groups.collect();
    groups.sort_by(|a, b| (b.errors, &a.fingerprint).cmp(&(a.errors, &b.fingerprint)));
    groups.truncate(filter.limit);
    groups
}

fn error_group(tables: &Tables, all: &[&ErrorRow], filter: &ErrorFilter) -> Option<ErrorGroup> {
    let definition_of = |row: &ErrorRow| {
        let run = tables.runs.iter().find(|(run_id, _)| run_id.as_str() == row.subject);
        run.map(|(_, (_, row))| row.run.definition.name.to_string())
    };
    let is_wanted = |row: &&&ErrorRow| {
        let of_agent = || row.agent_name.as_ref().map(|name| name.as_str());
        row.time >= filter.before
            && !(row.event == "WorkflowFailed" && row.node_id.is_some())
            && filter.agent.as_ref().is_none_or(|agent| of_agent() == Some(agent))
            && filter.definition.as_ref().is_none_or(|name| definition_of(row).as_ref() == Some(name))
    };
    let rows: Vec<&ErrorRow> = all.iter().filter(is_wanted).copied().collect();
    let count = |during: fn(Timestamp, Timestamp) -> bool| {
        rows.iter().filter(|row| during(row.time, filter.since)).count() as u64
    };
    let errors = count(|time, since| time >= since);
    let first = rows.first().filter(|_| errors > 0)?;
    let workflows = rows.iter().filter_map(|row| row.workflow_id.clone());
    let mut workflows: Vec<_> = [workflows.clone().min(), workflows.max()].into_iter().flatten().collect();
    workflows.dedup();
    Some(ErrorGroup {
        fingerprint: first.fingerprint.clone(),
        event: first.event.to_owned(),
        agent_name: first.agent_name.clone(),
        class: first.class,
        code: first.code.clone(),
        message: rows.iter().map(|row| &row.message).min()?.clone(),
        errors,
        errors_before: count(|time, since| time < since),
        first_seen: all.iter().map(|row| row.time).min()?,
        last_seen: rows.iter().map(|row| row.time).max()?,
        workflows,
    })
}
