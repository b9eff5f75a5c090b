//! What happens in a run, in order: a line a thing.

use super::run::lived;
use super::world::{BEGINNING, World};
use super::{Options, Violation};
use crate::core::time::Timestamp;
use crate::journal::record::JournalRecord;
use crate::log::memory::{Happening, MemoryLog, What};
use crate::log::{Record, Topic};
use crate::wire::event::{Published, decode};
use crate::wire::{headers, journal};

/// The last lines are told, no more: what was long before seldom matters.
const MOST_LINES: usize = 400;

/// Runs a seed once more, and tells it.
pub(super) fn tell(seed: u64, options: &Options) -> Vec<String> {
    let mut world = World::new(seed, options.clone());
    let ended = lived(&mut world, seed);
    let mut lines: Vec<(Timestamp, String)> = world.notes.clone();
    let told = world.log.trace().into_iter().filter(|happening| matters(happening, options.actions));
    lines.extend(told.map(|happening| (happening.at, line(&happening, &world.log))));
    lines.sort_by_key(|(at, _)| *at);
    let mut story: Vec<String> = lines.iter().map(|(at, what)| format!("{} {what}", since(*at))).collect();
    let left_out = story.len().saturating_sub(MOST_LINES);
    story.drain(..left_out);
    if left_out > 0 {
        story.insert(0, format!("({left_out} lines before)"));
    }
    story.push(match ended {
        Ok(_) => "every invariant holds".to_owned(),
        Err(Violation { invariant, what, .. }) => format!("{invariant} does not hold: {what}"),
    });
    story
}

fn since(at: Timestamp) -> String {
    format!("{:>9.3} s", at.since(BEGINNING).as_secs_f64())
}

/// In a short run everything does; in a long one not what happens all the time and does no harm.
fn matters(happening: &Happening, actions: usize) -> bool {
    let usual = [What::DeliveryHeld, What::AckLate, What::HeldUnderWay, What::Given, What::Revoked, What::Unreachable];
    actions < 200 || !usual.contains(&happening.what)
}

fn line(happening: &Happening, log: &MemoryLog) -> String {
    let found = happening
        .place
        .as_ref()
        .zip(happening.offset)
        .and_then(|((topic, partition), offset)| log.records_from(topic, *partition, offset).into_iter().next());
    let process = happening.process.map(|process| process.0.to_string()).unwrap_or_default();
    let place = happening.place.as_ref().map(|(topic, partition)| format!(" {topic}[{partition}]"));
    let offset = happening.offset.map(|offset| format!("@{offset}"));
    let (place, offset) = (place.unwrap_or_default(), offset.unwrap_or_default());
    let what = found.map(|record| content(&record)).unwrap_or_default();
    format!("{:>5} {:?}{place}{offset} {what}", process, happening.what)
}

/// What a record says, shortly.
fn content(record: &Record) -> String {
    let value = record.value.clone().unwrap_or_default();
    match &record.topic {
        Topic::Journal => {
            journal::decode(&value).map_or_else(|error| error.to_string(), |decoded| of_journal(&decoded))
        }
        Topic::Events => decode(&value).map_or_else(|error| error.to_string(), |event| of_event(&event)),
        _ => {
            let text = String::from_utf8_lossy(&value).chars().take(160).collect::<String>();
            let origin = record.header(headers::ORIGIN).map(String::from_utf8_lossy);
            origin.map_or(text.clone(), |origin| format!("{text} from {origin}"))
        }
    }
}

fn of_journal(record: &JournalRecord) -> String {
    match record {
        JournalRecord::PartitionTaken(taken) => format!("taken, term {}, owner {}", taken.term, brief(&taken.owner.0)),
        JournalRecord::Step(step) => {
            let bodies = step.transitions.iter().flat_map(|transition| &transition.events);
            let events: Vec<String> = bodies.filter_map(|body| Some(of_event(&decode(body).ok()?))).collect();
            let positions: Vec<String> =
                step.positions.iter().map(|input| format!("{} {}", input.topic, input.next)).collect();
            let through = step.effects_through.map(|through| through.step);
            let (term, number, owner) = (step.term, step.number, brief(&step.owner.0));
            format!(
                "step {number}, term {term}, owner {owner}, through {through:?}, read {}: {}",
                positions.join(" "),
                events.join(", ")
            )
        }
    }
}

fn brief(id: &[u8; 16]) -> String {
    hex::encode(&id[..3])
}

fn of_event(event: &Published) -> String {
    match event {
        Published::Run(recorded) => {
            let event: String = format!("{:?}", recorded.event).chars().skip_while(|c| *c != '(').take(70).collect();
            format!("{}/{} {}{event}", recorded.workflow_id, recorded.sequence, recorded.event.name())
        }
        Published::Partition(recorded) => format!("{:?}", recorded.event).chars().take(120).collect(),
    }
}
