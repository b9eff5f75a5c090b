//! Holds all histories against journal, hash chains and tables.

use super::{Args, bodies};
use crate::cli::exit::{Exit, fail};
use crate::cli::output::{Out, say};
use crate::cli::{Context, connect};
use crate::core::diff::values::Difference;
use crate::history::verify::{Fault, Known, Listener, Parts, Report, Rest, verify, verify_rest};
use crate::log::{Log, LogError, Topic};
use crate::store::Store;
use crate::ui::counted;
use crate::ui::style::{harmless, short};
use anyhow::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::sync::Arc;

/// How much of a value people are shown; programs get all of it.
const SHOWN: usize = 300;

/// Verifies, and says what differs.
///
/// # Errors
/// Where something differs, or the log or the store does not answer.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let copy = args.events_of.as_ref().map(|namespace| copy(namespace, context)).transpose()?;
    let missing = || LogError::UnknownTopic(Topic::Journal.to_string());
    let partitions = log.partitions(&Topic::Journal)?.ok_or_else(missing)?;
    if let Some(asked) = args.partition.filter(|asked| *asked >= partitions) {
        return Err(fail(Exit::NotFound, format!("there are the partitions 0 to {}, and no {asked}", partitions - 1)));
    }
    let store = open_store(context);
    if let Err(error) = &store {
        say(format!("the tables are not compared: {error:#}"));
    }
    let events = copy.as_ref().unwrap_or(&log);
    let asked: Vec<u32> = (0..partitions).filter(|p| args.partition.is_none_or(|asked| asked == *p)).collect();
    let mut printer = Printer { out: context.out, bar: bar(events.as_ref(), &asked)?, error: None };
    let (mut all, mut known) = (Vec::new(), Known::default());
    for partition in asked {
        let parts = Parts {
            log: log.as_ref(),
            events: events.as_ref(),
            is_copy: copy.is_some(),
            store: store.as_deref().ok(),
            namespace: &context.settings().namespace,
            partition,
        };
        let report = verify(parts, &mut known, &mut printer)?;
        printer.error.take().map_or(Ok(()), Err)?;
        printer.bar.suspend(|| print_report(context.out, partition, &report, copy.is_some()))?;
        all.push(report);
    }
    let mut faults = all.iter().map(|report: &Report| report.faults).sum();
    // Rows of which no event tells are those of none of the partitions.
    if let (Ok(store), None) = (&store, args.partition) {
        printer.bar.set_message("looking for rows of which no event tells");
        let rest = verify_rest(log.as_ref(), store.as_ref(), partitions, &mut known, &mut printer)?;
        printer.error.take().map_or(Ok(()), Err)?;
        printer.bar.suspend(|| print_rest(context.out, &rest))?;
        faults += rest.faults;
    }
    printer.bar.finish_and_clear();
    let is_behind = copy.is_some() && all.iter().any(|report| report.unpublished > 0);
    conclude(context.out, faults, store.err(), is_behind)
}

/// The log of the namespace that holds a copy of the event stream.
fn copy(namespace: &str, context: &Context) -> Result<Arc<dyn Log>> {
    let mut settings = context.settings().clone();
    namespace.clone_into(&mut settings.namespace);
    let log = connect::open_log(&settings)?;
    match log.partitions(&Topic::Events)? {
        Some(_) => Ok(log),
        None => Err(fail(Exit::NotFound, format!("there is no topic {namespace}.{}", Topic::Events))),
    }
}

fn open_store(context: &Context) -> Result<Arc<dyn Store>> {
    let store = connect::open_store(context.settings())?;
    store.query().positions()?;
    Ok(store)
}

fn bar(events: &dyn Log, partitions: &[u32]) -> Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let mut records = 0;
    for partition in partitions {
        let ends = events.ends(&Topic::Events, *partition)?;
        records += ends.high - ends.low;
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records, {per_sec}, {eta}");
    Ok(ProgressBar::new(records).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
}

/// Prints what differs as it is found.
struct Printer {
    out: Out,
    bar: ProgressBar,
    /// Why nothing can be printed any more.
    error: Option<Error>,
}

impl Listener for Printer {
    fn fault(&mut self, fault: Fault) {
        let printed = self.bar.suspend(|| match self.out.is_json() {
            true => self.out.json_line(&fault_json(&fault)),
            false => Ok(self.out.text(&fault_text(&fault))?),
        });
        if let (Err(error), None) = (printed, &self.error) {
            self.error = Some(error);
        }
    }

    fn progress(&mut self, records: u64) {
        self.bar.inc(records);
    }
}

fn fault_text(fault: &Fault) -> String {
    let Fault { kind, partition, events_offset, journal_offset, table, workflow_id, subject, sequence, field, .. } =
        fault;
    let mut place: Vec<String> = partition.iter().map(|partition| format!("partition {partition}")).collect();
    place.extend(workflow_id.as_ref().map(|id| format!("workflow {}", harmless(id.as_str()))));
    place.extend(subject.as_ref().map(|subject| match subject.starts_with("partition-") {
        true => harmless(subject),
        false if subject.starts_with("letter ") => harmless(subject),
        false => format!("run {}", harmless(subject)),
    }));
    place.extend(sequence.map(|sequence| format!("event {sequence}")));
    place.extend(events_offset.map(|offset| format!("events offset {offset}")));
    place.extend(journal_offset.map(|offset| format!("journal offset {offset}")));
    place.extend(table.map(|table| format!("table {table}")));
    let field = field.as_ref().map_or_else(String::new, |field| format!(", {field}"));
    let shown = |text: &str| short(&harmless(text), SHOWN);
    let mut text = format!(
        "{}{field}: {}\n  expected  {}\n  found     {}\n",
        kind.as_str(),
        place.join(", "),
        shown(&fault.expected),
        shown(&fault.found)
    );
    for Difference { pointer, a, b } in fault.values.as_ref().map(bodies::differences).unwrap_or_default() {
        let side = |value: Option<Value>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        let line = format!("    {pointer}: expected {}, found {}", side(a), side(b));
        text.push_str(&shown(&line));
        text.push('\n');
    }
    text
}

fn fault_json(fault: &Fault) -> Value {
    let field = |Difference { pointer, a, b }: Difference| json!({ "field": pointer, "expected": a, "found": b });
    json!({
        "difference": fault.kind.as_str(),
        "partition": fault.partition,
        "events_offset": fault.events_offset,
        "journal_offset": fault.journal_offset,
        "table": fault.table,
        "workflow_id": fault.workflow_id.as_ref().map(|id| id.as_str()),
        "subject": fault.subject,
        "sequence": fault.sequence,
        "field": fault.field,
        "expected": fault.expected,
        "found": fault.found,
        "fields": fault.values.as_ref().map(|values| bodies::differences(values).into_iter().map(field).collect::<Vec<_>>()),
    })
}

fn print_report(out: Out, partition: u32, report: &Report, is_copy: bool) -> Result<()> {
    if out.is_json() {
        return out.json_line(&report_json(partition, report));
    }
    Ok(out.text(&report_text(partition, report, is_copy))?)
}

/// A copy that was made earlier cannot be told from one whose last records were removed.
const BEHIND: &str = "events come after the copy's end: made earlier, or cut";

fn report_text(partition: u32, report: &Report, is_copy: bool) -> String {
    let Report { records, twins, journal_low, journal_end, runs, unfinished, letters, sums, .. } = report;
    let mut text = format!(
        "partition {partition}: {records} records of the stream ({twins} of them repeat another), journal from \
         {journal_low} to {journal_end}, {runs} runs compared with the tables ({unfinished} of them under way), \
         {letters} dead letters, {sums} sums"
    );
    let asides = [
        (report.void_records, "records of the journal do not count"),
        (report.unpublished, if is_copy { BEHIND } else { "events are not on the stream yet" }),
        (report.unprojected, "events are not in the tables yet"),
        (report.moved_on, "runs moved on in the tables meanwhile, and were not compared"),
        (report.before_the_journal, "records are older than the journal: held against their chain alone"),
        (report.removed, "events have been removed from the start of the stream"),
        (report.beheaded, "runs began before what is there: not folded"),
        (report.sums_left_out, "sums of an agent and minute were not compared: not all that they are made of is there"),
    ];
    for (count, words) in asides.iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("; {count} {words}"));
    }
    text + "\n"
}

fn report_json(partition: u32, report: &Report) -> Value {
    json!({
        "partition": partition,
        "records": report.records,
        "events_end": report.events_end,
        "twins": report.twins,
        "before_the_journal": report.before_the_journal,
        "journal_low": report.journal_low,
        "journal_end": report.journal_end,
        "removed": report.removed,
        "void_records": report.void_records,
        "unpublished": report.unpublished,
        "projected_to": report.projected_to,
        "unprojected": report.unprojected,
        "runs": report.runs,
        "unfinished": report.unfinished,
        "moved_on": report.moved_on,
        "beheaded": report.beheaded,
        "letters": report.letters,
        "sums": report.sums,
        "sums_left_out": report.sums_left_out,
        "differences": report.faults,
    })
}

fn print_rest(out: Out, rest: &Rest) -> Result<()> {
    let Rest { owners, letters, judged, faults } = rest;
    if out.is_json() {
        return out.json_line(&json!({
            "table_owners": owners, "table_letters": letters, "rows_without_events_judged": judged, "differences": faults,
        }));
    }
    let how = match judged {
        true => "each looked up among the events",
        false => "not looked up among the events, some of which are gone from stream and journal",
    };
    Ok(out.text(&format!(
        "tables: rows of {owners} owners (a run or a partition, in a table), {letters} dead letters: {how}\n"
    ))?)
}

fn conclude(out: Out, faults: u64, no_store: Option<Error>, is_behind: bool) -> Result<Exit> {
    if faults > 0 {
        let found = counted(usize::try_from(faults).unwrap_or(usize::MAX), "difference");
        return Err(fail(Exit::Failed, format!("{found} found, see above")));
    }
    if let Some(error) = no_store {
        return Err(error.context("nothing differs, but the tables were not compared"));
    }
    if !out.is_json() {
        out.line(if is_behind { "nothing differs as far as the copy goes" } else { "nothing differs" })?;
    }
    Ok(Exit::Done)
}
