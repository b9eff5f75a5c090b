//! Tables made anew: they say what the live ones say, or should.

mod held;
mod interrupted;
mod tables;

use crate::kill::{dice, load, moves, serve};
use crate::support::{Installation, Leg, Process, Stream, json, until};
use orchestrator::log::{NewRecord, Topic};
use orchestrator::store::rebuild::{RUN_OFFSETS, WORKFLOW_OFFSETS};
use rand::RngExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tables::{Other, Tables, assert_same, dump, projected};

/// Fails for good in its second node: `nap` needs `ms` in its input.
const TRIP: &str = "\
name: trip
nodes:
  - { node_id: pack, agent_name: echo }
  - node_id: nap
    agent_name: sleep
    dependencies: [pack]
    retry: { max_retries: 1, base_delay: 20ms, jitter: none }
  - { node_id: tell, agent_name: echo, dependencies: [nap] }
";
/// What fails is tried again, and then done without; beside it something costs money.
const BREAK: &str = "\
name: break
nodes:
  - node_id: pay
    agent_name: fail
    retry: { max_retries: 2, base_delay: 20ms, jitter: none }
    on_failure: { continue_with: 7 }
  - { node_id: rest, agent_name: sleep, input: { ms: 1, usage: { cost: 0.0021, input_tokens: 3 } } }
  - { node_id: tell, agent_name: echo, dependencies: [pay] }
";
/// No worker is there for `hand`.
const ASKED: &str = "\
name: asked
nodes:
  - { node_id: find, agent_name: echo }
  - { node_id: ask, agent_name: hand, dependencies: [find], output_contract: { type: integer } }
  - { node_id: tell, agent_name: echo, dependencies: [ask] }
";
const WORKFLOWS: usize = 30;
const TRIPS: usize = 6;

/// An installation in which much has happened; nothing runs there.
fn lived_in(leg: Leg) -> Installation {
    let at = crate::kill::installation(leg);
    [TRIP, BREAK, ASKED].iter().for_each(|definition| at.apply(definition));
    let (mut journal, mut responses) = (at.stream(Topic::Journal), at.stream(Topic::Responses));
    let mut dice = dice("rebuild");
    happens(&at, 0);
    let first = serve(&at, "serve");
    moves(&mut journal, "the process has taken a partition");
    std::thread::sleep(dice.random_range(Duration::ZERO..Duration::from_millis(800)));
    first.kill();
    let second = serve(&at, "serve");
    // The runs that wait for `hand` have no answer.
    answered(&mut responses, WORKFLOWS + 3 * TRIPS);
    work_off_letters(&at);
    at.run(&["fork", "trip-0-3", "--from", "nap", "--input", "nap={\"ms\":1}", "--wait"]).expect(0);
    at.run(&["supply", "asked-0-5", "ask", "--value", "41"]).expect(0);
    projected(&at);
    second.signal("TERM");
    assert_eq!(second.wait(), 0);
    at
}

/// Waits until so many workflows are answered, by a refusal or otherwise.
fn answered(responses: &mut Stream, workflows: usize) {
    until("every workflow is answered", || {
        let ids: BTreeSet<_> = responses.records().iter().map(|r| json(r)["workflow_id"].to_string()).collect();
        (ids.len() >= workflows).then_some(())
    });
}

/// Requests of every kind: some complete, some fail, some wait, some are refused, some are forwarded.
fn happens(at: &Installation, wave: usize) {
    at.publish_all(load(at, wave, WORKFLOWS));
    for n in 0..TRIPS {
        at.request(&format!("trip-{wave}-{n}"), "trip", &json!({ "n": n }));
        at.request(&format!("break-{wave}-{n}"), "break", &json!({ "code": "http_503", "n": n }));
        at.request(&format!("asked-{wave}-{n}"), "asked", &json!({ "n": n, "zero": "a\u{0}b" }));
        at.request(&format!("lost-{wave}-{n}"), "no-such-definition", &json!({}));
        // Once more, and where a foreign partitioner puts it.
        let id = format!("trip-{wave}-{n}");
        let body = json!({ "definition": "trip", "input": { "n": n } }).to_string();
        at.publish(NewRecord {
            topic: Topic::Requests,
            partition: Some((at.home(&id) + 1) % crate::support::PARTITIONS),
            key: Some(id.into()),
            value: Some(body.into()),
            headers: vec![],
        });
    }
}

fn work_off_letters(at: &Installation) {
    let list = |state: &str| {
        let list = at.run(&["dlq", "list", "--state", state, "--limit", "1000", "--output", "json"]);
        list.expect(0).json().as_array().cloned().unwrap_or_default()
    };
    let letters = until("there are letters", || Some(list("open")).filter(|list| list.len() >= 2 * TRIPS));
    let of = |kind: &str| {
        let ids = letters.iter().filter(|letter| letter["kind"] == kind).map(|letter| letter["id"].as_str().unwrap());
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    at.run(&["dlq", "discard", &of("input")[0], "--note", "nobody needs it"]).expect(0);
    at.run(&["dlq", "skip", &of("node")[0]]).expect(0);
    at.run(&["dlq", "redrive", &of("node")[1]]).expect(0);
    until("what was redriven has failed again", || (list("open").len() + 2 == letters.len()).then_some(()));
}

fn rebuild(at: &Installation, more: &[&str]) -> Value {
    let line = [&["rebuild", "--output", "json"], more].concat();
    at.run(&line).expect(0).json()
}

fn rebuild_in_background(at: &Installation, name: &str) -> Process {
    at.start(name, &["rebuild"])
}

/// Each of these leaves the tables as they were.
#[test]
fn the_tables_say_the_same_whatever_happens_and_engine_and_projector_go_on_from_them() {
    for leg in Leg::all() {
        let at = lived_in(leg);
        let before = dump(&at);
        assert!(before.values().all(|rows| !rows.is_empty()), "each table is put to the test");
        let done = rebuild(&at, &[]);
        assert_eq!((&done["differing_rows"], &done["same_place"]), (&0.into(), &true.into()), "{done:#}");
        assert!(done["events"].as_u64().unwrap() > 0, "{done:#}");
        assert_same(&before, &dump(&at));
        let whole = verified(&at);
        assert!(sum(&whole, "letters") > 2 * TRIPS as u64 && sum(&whole, "sums") > 0, "{whole:#?}");
        assert_eq!(sum(&whole, "before_the_journal"), 0, "{whole:#?}");

        one_at_a_time_and_what_was_killed_is_gone_on_with(&at, &before);
        killed_at_any_moment_it_leaves_the_tables_whole(&at, &before);
        one_table_is_mended_alone(&at, &before);
        if leg == Leg::Kafka {
            rights_stay_and_what_hangs_on_a_table_is_named(&at);
        }
        assert_same(&before, &dump(&at));
        goes_on(&at);
        verified(&at);
    }
}

/// Nothing differs between journal, stream and tables; what was compared.
fn verified(at: &Installation) -> Vec<Value> {
    let end = at.run(&["replay", "--all", "--verify", "--output", "json"]).expect(0);
    end.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sum(lines: &[Value], field: &str) -> u64 {
    lines.iter().filter_map(|line| line[field].as_u64()).sum()
}

fn one_at_a_time_and_what_was_killed_is_gone_on_with(at: &Installation, before: &Tables) {
    let mut other = Other::new(at);
    other.holds("orchestrator_agent_results");
    let first = rebuild_in_background(at, "first");
    until("the tables are waited for", || first.output().contains("waiting: ").then_some(()));
    let second = at.run(&["rebuild"]).expect(3);
    assert!(second.stderr.contains("another rebuild"), "{second:?}");
    first.kill();
    assert_same(before, &dump(at));
    other.lets_go();

    let third = until("the lock of the one that was killed is gone", || {
        let end = at.run(&["rebuild", "--output", "json"]);
        (end.code != 3).then(|| end.expect(0))
    });
    assert!(third.stderr.contains("going on with an interrupted rebuild"), "{third:?}");
    assert_eq!(third.json()["differing_rows"], 0, "{third:?}");
    assert_same(before, &dump(at));
    let fourth = at.run(&["rebuild", "--from-scratch"]).expect(0);
    assert!(fourth.stderr.contains("making the tables anew"), "{fourth:?}");
}

/// While it makes its tables, loads them, makes indexes, waits or swaps.
fn killed_at_any_moment_it_leaves_the_tables_whole(at: &Installation, before: &Tables) {
    let mut dice = dice("rebuild killed");
    for _ in 0..4 {
        let process = rebuild_in_background(at, "killed");
        std::thread::sleep(dice.random_range(Duration::ZERO..Duration::from_millis(1_500)));
        process.kill();
        assert_same(before, &dump(at));
    }
    let done = until("the lock of the one that was killed is gone", || {
        let end = at.run(&["rebuild", "--output", "json"]);
        (end.code != 3).then(|| end.expect(0))
    });
    assert_eq!(done.json()["differing_rows"], 0, "{done:?}");
}

/// And others stay as they are.
fn one_table_is_mended_alone(at: &Installation, before: &Tables) {
    Other::new(at).run(
        "DELETE FROM orchestrator_operation_logs WHERE attempt = 1; UPDATE orchestrator_error_logs SET code = 'x'",
    );
    let damaged = dump(at);
    let done = rebuild(at, &["--table", "orchestrator_operation_logs"]);
    assert!(done["differing_rows"].as_u64().unwrap() > 0, "{done:#}");
    for (table, rows) in &dump(at) {
        let like = if *table == "orchestrator_operation_logs" { before } else { &damaged };
        assert_eq!(rows, &like[table], "{table}");
    }
    let unknown = at.run(&["rebuild", "--table", "orchestrator_error_log"]).expect(2);
    assert!(unknown.stderr.contains("'orchestrator_error_logs'"), "{unknown:?}");
    rebuild(at, &["--table", "orchestrator_error_logs", "--from-scratch"]);
}

fn goes_on(at: &Installation) {
    let _serve = serve(at, "serve");
    at.run(&["supply", "asked-0-0", "ask", "--value", "42"]).expect(0);
    at.request("after", "chain", &json!({}));
    for id in ["after", "asked-0-0"] {
        until(&format!("{id} completes"), || {
            let run = at.run(&["show", id, "--output", "json"]);
            (run.code == 0 && run.json()["status"] == "completed").then_some(())
        });
    }
}

#[test]
fn damage_is_mended_while_the_engine_runs_and_load_comes_in() {
    for leg in Leg::all() {
        let at = lived_in(leg);
        let mut responses = at.stream(Topic::Responses);
        Other::new(&at).run(
            "DELETE FROM orchestrator_agent_results WHERE node_id = 'pack'; \
             UPDATE orchestrator_workflow_states SET answer = '7' WHERE workflow_id LIKE 'wave%'; \
             UPDATE orchestrator_performance_metrics SET calls = calls + 1; \
             DELETE FROM orchestrator_dead_letters; DELETE FROM orchestrator_run_offsets",
        );
        let serving = serve(&at, "serve");
        happens(&at, 1);
        let done = rebuild(&at, &[]);
        assert!(done["differing_runs"].as_u64().unwrap() >= WORKFLOWS as u64, "{done:#}");
        let of = |table: &str| done["tables"].as_array().unwrap().iter().find(|row| row["table"] == table).unwrap();
        assert!(of("orchestrator_dead_letters")["added"].as_u64().unwrap() >= 2 * TRIPS as u64, "{done:#}");
        assert!(of("orchestrator_agent_results")["added"].as_u64().unwrap() >= TRIPS as u64, "{done:#}");
        let named = of("orchestrator_agent_results")["examples"].as_array().unwrap().clone();
        assert!(named.len() == 5 && named.iter().all(|key| key.as_str().unwrap().contains('/')), "{named:?}");
        happens(&at, 2);
        answered(&mut responses, 3 * (WORKFLOWS + 3 * TRIPS));
        projected(&at);
        assert!(!serving.output().contains("ERROR"), "the running processes have nothing to complain about");
        serving.signal("TERM");
        assert_eq!(serving.wait(), 0);
        // What was swapped in and what was projected after that is what a rebuild makes of the whole.
        let before = dump(&at);
        let again = rebuild(&at, &[]);
        assert_eq!(again["differing_rows"], 0, "{again:#}");
        assert_same(&before, &dump(&at));
    }
}

/// Rights, owners and what people have added stay; what would be lost without a word stops the rebuild.
fn rights_stay_and_what_hangs_on_a_table_is_named(at: &Installation) {
    let mut other = Other::new(at);
    // One that every Postgres has.
    let role = "pg_monitor";
    let runs = "orchestrator_workflow_states";
    other.run(&format!(
        "GRANT SELECT ON {runs} TO {role} WITH GRANT OPTION; GRANT SELECT ON {runs} TO PUBLIC; \
         GRANT UPDATE (answer) ON {runs} TO {role}; ALTER TABLE {runs} SET (autovacuum_enabled = false); \
         CREATE INDEX by_conversation ON {runs} (conversation_id); \
         CREATE VIEW failed AS SELECT * FROM {runs} WHERE status = 'failed'"
    ));
    let rights = |other: &mut Other| {
        other.texts(&format!(
            "SELECT relname || ' ' || reloptions::text || ' ' || relowner::regrole || ' ' || (SELECT string_agg(a::text, ',' \
             ORDER BY a::text) FROM unnest(relacl) a) || (SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid \
             AND attname = 'answer') FROM pg_class c WHERE oid = '{runs}'::regclass"
        ))
    };
    let before = rights(&mut other);
    let refused = at.run(&["rebuild"]).expect(1);
    assert!(refused.stderr.contains("view failed of orchestrator_workflow_states"), "{refused:?}");
    other.run("DROP VIEW failed");
    rebuild(at, &[]);
    assert_eq!(rights(&mut other), before);
    let indexes = "SELECT indexdef FROM pg_indexes WHERE indexname = 'by_conversation' AND schemaname = 'public'";
    assert_eq!(other.texts(indexes).len(), 1);
    let schemas = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'orchestrator%'";
    assert_eq!(other.texts(schemas), Vec::<String>::new(), "nothing is left behind");
}

/// Removes the first half of each journal, as nobody should.
fn lose_the_beginning(at: &Installation) {
    for partition in 0..crate::support::PARTITIONS {
        let cut = at.log().ends(&Topic::Journal, partition).unwrap().high / 2;
        tables::remove_below(at, &Topic::Journal, partition, cut);
    }
}

#[test]
fn what_the_tables_or_a_journal_have_lost_comes_from_the_journal_or_the_event_stream() {
    for leg in Leg::all() {
        let at = lived_in(leg);
        let before = dump(&at);
        // Of another journal, and one of them gone.
        Other::new(&at).run(
            "UPDATE orchestrator_projector_positions SET position = replace(position, '\"next_offset\":', \
             '\"next_offset\":99'), next_offset = 99000 + next_offset; DROP TABLE orchestrator_error_logs",
        );
        let refused = at.run(&["rebuild"]).expect(3);
        assert!(refused.stderr.contains("--from-scratch"), "{refused:?}");
        let done = rebuild(&at, &["--from-scratch"]);
        assert_eq!(done["same_place"], false, "{done:#}");
        assert_same(&before, &dump(&at));

        let history = |id: &str| at.run(&["history", id, "--output", "json"]).expect(0).stdout;
        let told = history("trip-0-0");
        lose_the_beginning(&at);
        let end = at.run(&["rebuild", "--output", "json"]).expect(0);
        assert!(end.stderr.contains("of the event stream of partition 1 of 4"), "{end:?}");
        let done = end.json();
        let early = done["from_event_stream"].as_array().unwrap();
        assert_eq!(early.len(), crate::support::PARTITIONS as usize, "{done:#}");
        let after = dump(&at);
        for (table, rows) in &before {
            match *table {
                RUN_OFFSETS | WORKFLOW_OFFSETS => assert!(after[table].len() < rows.len(), "{table}"),
                // Letters of inputs that were refused in what is lost are not there, as it was said.
                "orchestrator_dead_letters" => {
                    let lost: u64 = early.iter().map(|early| early["letters_lost"].as_u64().unwrap()).sum();
                    let letters: Vec<_> = after[table].iter().filter(|row| rows.contains(row)).collect();
                    assert_eq!(letters.len() as u64 + lost, rows.len() as u64, "{done:#}");
                }
                _ => assert_eq!(rows, &after[table], "{table}"),
            }
        }
        assert_eq!(history("trip-0-0"), told, "the history of a run whose journal records are gone");
        let whole = verified(&at);
        let from_stream: u64 = early.iter().map(|early| early["events"].as_u64().unwrap()).sum();
        assert!(sum(&whole, "before_the_journal") >= from_stream && from_stream > 0, "{whole:#?}");

        goes_on(&at);
    }
}
