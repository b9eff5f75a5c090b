//! `orchestrator rebuild`.

mod progress;

use super::exit::Exit;
use super::{Context, connect};
use crate::log::{Log, Topic};
use crate::projector::rebuild::{Early, Rebuilt, Wanted, rebuild};
use crate::store::rebuild::{Change, RUNS, TABLES, Which};
use crate::ui::style::{Paint, harmless};
use crate::ui::table::{lines, table};
use crate::ui::time::duration;
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use progress::Progress;
use serde_json::{Value, json};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator rebuild                                      all tables
  orchestrator rebuild --table orchestrator_agent_results   one alone
  orchestrator rebuild --from-scratch                       goes by nothing they say
The engine, the projector and readers go on meanwhile; the tables change places at
the end, in one moment. An interrupted rebuild has changed nothing, and the next one
goes on with it.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Swap this table alone
    #[arg(long, value_name = "TABLE", value_parser = PossibleValuesParser::new(TABLES.map(|table| table.name)))]
    pub table: Option<String>,
    /// Throw away what an interrupted rebuild has left, and go by nothing that the tables say, not even by how far they
    /// are: for a store that is damaged, or of another journal
    #[arg(long)]
    pub from_scratch: bool,
}

impl Args {
    fn which(&self) -> Which {
        let named = |name: &str| TABLES.into_iter().find(|table| table.name == name);
        self.table.as_deref().and_then(named).map_or(Which::All, Which::One)
    }
}

/// Makes the tables anew and says what was different.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let (partitions, _) = connect::installation(&*log, context.settings())?;
    let store = connect::open_store(context.settings())?;
    let wanted = Wanted { which: args.which(), from_scratch: args.from_scratch };
    let mut progress = Progress::new(events_in(&*log, partitions)?);
    let rebuilt = rebuild(&*log, &*store, partitions, wanted, |stage| progress.say(stage));
    progress.end();
    let rebuilt = rebuilt?;
    if context.out.is_json() {
        context.out.json(&document(&rebuilt))?;
    } else {
        context.out.text(&summary(&rebuilt, context.out.paint))?;
    }
    Ok(Exit::Done)
}

/// How many events there are, about: the event stream has each of them, and after a takeover some twice.
fn events_in(log: &dyn Log, partitions: u32) -> Result<u64> {
    let mut events = 0;
    for partition in 0..partitions {
        events += log.ends(&Topic::Events, partition)?.high;
    }
    Ok(events)
}

fn differing(rebuilt: &Rebuilt) -> u64 {
    rebuilt.changes.iter().map(Change::differing).sum()
}

fn runs_differing(rebuilt: &Rebuilt) -> u64 {
    rebuilt.changes.iter().filter(|change| change.table == RUNS).map(Change::differing).sum()
}

fn rate(rebuilt: &Rebuilt) -> u64 {
    let seconds = (rebuilt.loading + rebuilt.completing).as_secs_f64();
    if seconds > 0.0 { (rebuilt.events as f64 / seconds) as u64 } else { 0 }
}

/// What could not be made of what the journal has no more.
fn without_journal(early: &Early) -> String {
    let Early { partition, begins_at, events, refused_inputs, .. } = early;
    let mut text = format!(
        "the journal of partition {partition} begins at offset {begins_at}: {events} events before it come from the event \
         stream. Where they stood in the journal is not known any more: `history` reads the event stream for their runs"
    );
    if *refused_inputs > 0 {
        text += &format!(
            ". {refused_inputs} inputs were refused there: their dead letters are not in the table any more, only in the \
             topic dead-letters"
        );
    }
    text
}

/// For people.
fn summary(rebuilt: &Rebuilt, paint: Paint) -> String {
    let mut rows = table(&["table", "rows before", "rows now", "removed", "added", "altered"], paint);
    for change in &rebuilt.changes {
        let numbers = [change.before, change.now, change.removed, change.added, change.altered];
        rows.add_row([change.table.to_owned()].into_iter().chain(numbers.map(|number| number.to_string())));
    }
    let mut text = lines(&rows);
    for change in rebuilt.changes.iter().filter(|change| change.differing() > 0) {
        let examples: Vec<String> = change.examples.iter().map(|key| harmless(key)).collect();
        let more = if change.differing() > examples.len() as u64 { ", …" } else { "" };
        text += &format!("different in {}: {}{more}\n", change.table, examples.join(", "));
    }
    let Rebuilt { events, records, loading, completing, swapping, .. } = rebuilt;
    text += &format!(
        "{events} events of {records} journal records in {} ({} events/s): {} folding and loading, {} indexes, {} \
         swapping and comparing\n",
        duration(*loading + *completing + *swapping),
        rate(rebuilt),
        duration(*loading),
        duration(*completing),
        duration(*swapping),
    );
    text += &match (differing(rebuilt), rebuilt.same_place) {
        (0, true) => "nothing was different\n".to_owned(),
        (_, true) => format!(
            "{} rows were different, and are not any more; runs with another state: {}\n",
            differing(rebuilt),
            runs_differing(rebuilt)
        ),
        (_, false) => {
            "the tables stood at another place of the journal: what differs is what was to be projected, too\n"
                .to_owned()
        }
    };
    text
}

/// For programs.
fn document(rebuilt: &Rebuilt) -> Value {
    let early = |early: &Early| {
        json!({
            "partition": early.partition, "journal_begins_at": early.begins_at, "events": early.events,
            "letters_lost": early.refused_inputs,
        })
    };
    let change = |change: &Change| {
        json!({
            "table": change.table, "rows_before": change.before, "rows": change.now, "removed": change.removed,
            "added": change.added, "altered": change.altered, "examples": change.examples,
        })
    };
    json!({
        "events": rebuilt.events,
        "journal_records": rebuilt.records,
        "events_per_second": rate(rebuilt),
        "seconds": {
            "loading": rebuilt.loading.as_secs_f64(),
            "indexes": rebuilt.completing.as_secs_f64(),
            "swapping": rebuilt.swapping.as_secs_f64(),
        },
        "from_event_stream": rebuilt.early.iter().map(early).collect::<Vec<_>>(),
        "same_place": rebuilt.same_place,
        "differing_rows": differing(rebuilt),
        "differing_runs": runs_differing(rebuilt),
        "tables": rebuilt.changes.iter().map(change).collect::<Vec<_>>(),
    })
}
