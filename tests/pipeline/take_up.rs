//! Exhausted nodes are worked off: their runs go on, and what had been done is not done again.

use crate::bad_input::event_json;
use crate::support::{Hand, Installation, Leg, Process, until};
use orchestrator::log::Topic;
use serde_json::{Value, json};

const ORDER: &str = "\
name: order
nodes:
  - { node_id: find, agent_name: clerk }
  - node_id: pay
    agent_name: bank
    dependencies: [find]
    retry: { max_retries: 1, base_delay: 50ms, jitter: none }
    output_contract: { type: object }
  - { node_id: tell, agent_name: clerk, dependencies: [pay] }
";

/// Both branches are exhausted by themselves, whichever fails first.
const PAIR: &str = "\
name: pair
agents: { bank: { failure_rules: [{ code: http_503, class: non_retryable }] } }
nodes:
  - { node_id: find, agent_name: clerk }
  - { node_id: left, agent_name: bank, dependencies: [find] }
  - { node_id: right, agent_name: bank, dependencies: [find] }
  - { node_id: tell, agent_name: clerk, dependencies: [left, right] }
";

const ASKED: &str = "\
name: asked
nodes:
  - node_id: ask
    agent_name: hand
    retry: { base_delay: 1h, max_delay: 1h, jitter: none }
    output_contract: { type: integer }
  - { node_id: tell, agent_name: echo, dependencies: [ask] }
";

const WORKFLOWS: usize = 8;

/// Both agents write down each attempt. The bank is open once there is a file `open`, and for whoever says `vip`.
struct Town {
    at: Installation,
    _processes: Vec<Process>,
}

impl Town {
    fn new(leg: Leg) -> Self {
        let at = Installation::new(leg);
        at.apply(ORDER);
        at.apply(PAIR);
        let folder = at.folder().display().to_string();
        let note =
            format!("echo \"$ORCHESTRATOR_WORKFLOW_ID/$ORCHESTRATOR_NODE_ID\" >> '{folder}/done'; read -r input;");
        let clerk = format!("{note} echo \"$input\"");
        let bank = format!(
            "{note} case \"$input\" in *vip*) echo '{{\"paid\":1}}'; exit;; esac; \
             [ -e '{folder}/open' ] && echo '{{\"paid\":2}}' && exit; echo '{{\"code\":\"http_503\",\"message\":\"closed\"}}'; exit 1"
        );
        let work = |agent: &str, script: &str| {
            at.start(&format!("worker-{agent}"), &["worker", "--agent", agent, "--exec", "sh", "-c", script])
        };
        let processes = vec![at.serve(), work("clerk", &clerk), work("bank", &bank)];
        Self { at, _processes: processes }
    }

    /// How often a node was executed.
    fn executed(&self, workflow_id: &str, node_id: &str) -> usize {
        let done = std::fs::read_to_string(self.at.folder().join("done")).unwrap_or_default();
        done.lines().filter(|line| *line == format!("{workflow_id}/{node_id}")).count()
    }

    fn letters(&self, state: &str, number: usize) -> Vec<Value> {
        until(&format!("{number} letters are {state}"), || {
            let list = self.at.run(&["dlq", "list", "--state", state, "--limit", "1000", "--output", "json"]);
            let list = list.expect(0).json().as_array().cloned().unwrap_or_default();
            (list.len() == number).then_some(list)
        })
    }

    /// The newest run of a workflow, in the tables, once it has ended so and is not this one.
    fn ended(&self, workflow_id: &str, status: &str, but: &str) -> Value {
        until(&format!("{workflow_id} is {status}"), || {
            let end = self.at.run(&["show", workflow_id, "--output", "json"]);
            let run = (end.code == 0).then(|| end.json());
            run.filter(|run| run["status"] == status && run["run_id"] != but)
        })
    }

    /// Starts a run that fails; its id, once the tables know its end.
    fn fails(&self, workflow_id: &str, definition: &str) -> String {
        self.at.request(workflow_id, definition, &json!({ "id": workflow_id }));
        let run = self.ended(workflow_id, "failed", "");
        until("the tables know its end", || {
            let store = self.at.store();
            let id = workflow_id.parse().unwrap();
            let known = store.query().run(&id, None).unwrap();
            known.filter(|(_, run)| run.ended_at.is_some()).map(drop)
        });
        run["run_id"].as_str().unwrap().to_owned()
    }
}

fn letter_of<'a>(letters: &'a [Value], workflow_id: &str, node_id: &str) -> &'a str {
    let is_it = |letter: &&Value| letter["workflow_id"] == workflow_id && letter["node_id"] == node_id;
    letters.iter().find(is_it).and_then(|letter| letter["id"].as_str()).expect("a letter of the node")
}

#[test]
fn a_group_is_redriven_and_only_what_was_exhausted_is_executed_again() {
    for leg in Leg::all() {
        let town = Town::new(leg);
        let ids: Vec<String> = (0..WORKFLOWS).map(|number| format!("order-{number}")).collect();
        for id in &ids {
            town.at.request(id, "order", &json!({ "id": id }));
        }
        let letters = town.letters("open", WORKFLOWS);
        let fault = letters[0]["fingerprint"].as_str().unwrap();
        ids.iter().for_each(|id| drop(town.ended(id, "failed", "")));
        std::fs::write(town.at.folder().join("open"), "").unwrap();
        // Twice: what is behind in the tables does no harm.
        for _ in 0..2 {
            until("every letter is picked", || {
                let end = town.at.run(&["dlq", "redrive", "--fault", fault, "--rate", "200", "--by", "ada"]);
                (end.code == 0).then_some(())
            });
        }
        for id in &ids {
            let run = town.ended(id, "completed", "");
            assert_eq!((&run["answer"]["pay"], &run["lineage"]["by"]), (&json!({ "paid": 2 }), &"ada".into()));
            let times = ["find", "pay", "tell"].map(|node| town.executed(id, node));
            assert_eq!(times, [1, 3, 1], "{id}");
        }
        let handled = town.letters("redriven", WORKFLOWS);
        assert!(handled.iter().all(|letter| letter["handled"]["run_id"].is_string()), "{handled:?}");
        let counts = town.at.judge(WORKFLOWS);
        assert_eq!((&counts["runs"], &counts["taken_up"]), (&(2 * WORKFLOWS).into(), &WORKFLOWS.into()), "{counts}");
    }
}

#[test]
fn nodes_are_skipped_supplied_and_repaired() {
    for leg in Leg::all() {
        let town = Town::new(leg);
        let [skip, supply, edit, pair] = ["skip", "supply", "edit", "pair"].map(|id| {
            let definition = if id == "pair" { "pair" } else { "order" };
            town.fails(id, definition)
        });
        let letters = town.letters("open", 5);
        let dlq = |verb: &str, workflow_id: &str, node_id: &str, more: &[&str]| {
            town.at.run(&[&["dlq", verb, letter_of(&letters, workflow_id, node_id)], more].concat())
        };
        dlq("supply", "supply", "pay", &["--value", "7"]).expect(1);
        dlq("skip", "skip", "pay", &[]).expect(0);
        dlq("supply", "supply", "pay", &["--value", r#"{"paid":3}"#]).expect(0);
        dlq("edit", "edit", "pay", &["--set", "/who=\"vip\""]).expect(0);
        for (id, run_id, answer, paid) in [
            ("skip", skip, Value::Null, 2),
            ("supply", supply, json!({ "paid": 3 }), 2),
            ("edit", edit, json!({ "paid": 1 }), 3),
        ] {
            let run = town.ended(id, "completed", &run_id);
            assert_eq!(run["answer"]["pay"], answer, "{run}");
            assert_eq!(["find", "pay", "tell"].map(|node| town.executed(id, node)), [1, paid, 1], "{id}");
        }

        // Two branches of a run: one request for both, whichever was asked for.
        dlq("redrive", "pair", "left", &[]).expect(0);
        let second = town.ended("pair", "failed", &pair);
        let again = town.letters("open", 2);
        assert!(again.iter().all(|letter| letter["run_id"] == second["run_id"]), "{again:?}");
        assert_eq!(["find", "left", "right"].map(|node| town.executed("pair", node)), [1, 2, 2]);
        until("both are repaired at once", || {
            let end = town.at.run(&["dlq", "edit", "--workflow", "pair", "--set", "/who=\"vip\""]);
            (end.code == 0).then_some(())
        });
        let third = town.ended("pair", "completed", "");
        assert_eq!(third["lineage"]["run_id"], second["run_id"]);
        assert_eq!(["find", "left", "right"].map(|node| town.executed("pair", node)), [1, 3, 3]);
        town.letters("open", 0);
        let counts = town.at.judge(4);
        assert_eq!(counts["taken_up"], 5, "{counts}");
    }
}

#[test]
fn a_node_under_way_is_supplied_and_its_late_result_stands_in_the_history() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(ASKED);
        let _serve = at.serve();
        let mut hand = Hand::new(&at);
        let mut events = at.stream(Topic::Events);
        for (id, fails) in [("runs", false), ("waits", true)] {
            at.request(id, "asked", &json!({}));
            let task = hand.task(id, "ask");
            if fails {
                hand.report(&task, &json!({ "type": "failed", "code": "http_503", "message": "not well" }));
                events.wait("the retry", |record| event_json(record)["type"] == "NodeRetryScheduled");
            }
            let bad = at.run(&["supply", id, "ask", "--value", "\"text\""]).expect(3);
            assert!(bad.stderr.contains("breaks its contract"), "{bad:?}");
            at.run(&["supply", id, "ask", "--value", "7", "--by", "ada"]).expect(0);
            hand.complete(&task, &json!(8));
            let run = until("the run has completed", || {
                let end = at.run(&["show", id, "--output", "json"]);
                (end.code == 0).then(|| end.json()).filter(|run| run["status"] == "completed")
            });
            assert_eq!(run["answer"], json!({ "ask": 7 }));
            let history = until("the late result is rejected", || {
                let history = at.run(&["history", id]).expect(0).stdout;
                history.contains("results/").then_some(history)
            });
            assert!(history.contains("InputRejected") && history.contains("was supplied by ada"), "{history}");
        }
        at.judge(2);
    }
}
