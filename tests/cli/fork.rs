//! Workflows forked from the command line, and compared.

use crate::embedded::Folder;
use crate::tool::Background;
use serde_json::{Value, json};

/// Two branches; `other` reads the request, `rank` does not.
const SHOP: &str = "\
name: shop
nodes:
  - { node_id: find, agent_name: echo }
  - { node_id: rank, agent_name: echo, dependencies: [find] }
  - { node_id: other, agent_name: echo }
  - { node_id: answer, agent_name: echo, dependencies: [rank, other] }
  - { node_id: tell, agent_name: echo, dependencies: [answer] }
";

struct House {
    folder: Folder,
    _dev: Background,
}

impl House {
    /// With the workflow `order-7`, answered.
    fn new() -> Self {
        let folder = Folder::new();
        let dev = folder.dev();
        let file = format!("{}/shop.yaml", folder.data());
        std::fs::write(&file, SHOP).expect("the definition is written");
        folder.run(&["definitions", "apply", &file]).expect(0);
        let input = r#"{"customer":"c-7","items":[1,2]}"#;
        folder.run(&["submit", "shop", "--input", input, "--id", "order-7", "--wait"]).expect(0);
        Self { folder, _dev: dev }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.folder.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
    }
}

#[test]
fn a_dry_run_says_what_would_be_taken_over_and_what_the_rest_cost() {
    let house = House::new();
    for (from, upstream) in [
        ("find", &[][..]),
        ("other", &[]),
        ("rank", &["find"]),
        ("answer", &["find", "rank", "other"]),
        ("tell", &["find", "rank", "other", "answer"]),
    ] {
        let planned = house.json(&["fork", "order-7", "--from", from, "--dry-run"]);
        let nodes = planned["nodes"].as_array().expect("a list").iter().filter(|node| node["taken_over"] == true);
        let taken: Vec<&str> = nodes.map(|node| node["node_id"].as_str().expect("a node")).collect();
        assert_eq!(taken, upstream, "from {from}");
        assert_eq!(planned["taken_over"]["attempts"], upstream.len(), "from {from}");
        assert_eq!(planned["runs"]["attempts"], 5 - upstream.len(), "from {from}");
    }
    assert_eq!(house.json(&["list"]).as_array().expect("a list").len(), 1, "nothing was published");
    let text = house.folder.run(&["fork", "order-7", "--from", "answer", "--dry-run"]).expect(0).stdout;
    assert!(text.contains("2 nodes would run; run ") && text.contains("in 2 attempts"), "{text}");
}

#[test]
fn a_fork_runs_the_rest_and_the_difference_is_told() {
    let house = House::new();
    let changes = ["--set", "/customer=\"c-8\"", "--input", r#"rank={"by":"hand"}"#, "--agent", "tell=sleep"];
    let fork = [&["fork", "order-7", "--from", "rank", "--id", "b", "--by", "ada", "--wait"][..], &changes].concat();
    // `tell` is given to an agent that does not take its input: it fails.
    house.folder.run(&fork).expect(1);
    let run = house.json(&["show", "b"]);
    assert_eq!((&run["nodes"]["find"]["carried"], &run["nodes"]["rank"]["carried"]), (&json!(true), &json!(false)));
    let lineage = &run["lineage"];
    assert_eq!(
        (&lineage["kind"], &lineage["workflow_id"], &lineage["by"]),
        (&json!("fork"), &json!("order-7"), &json!("ada"))
    );
    assert_eq!((&lineage["from_node"], &run["nodes"]["tell"]["agent_name"]), (&json!("rank"), &json!("sleep")));
    let original = house.json(&["show", "order-7"]);
    assert_eq!(original["status"], "completed", "nothing becomes of the run that is forked");

    let diff = house.json(&["diff", "order-7", "b"]);
    assert_eq!((&diff["differs"], &diff["first"]["in"]), (&json!(true), &json!("request")));
    assert_eq!(diff["request"], json!([{ "pointer": "/customer", "a": "c-7", "b": "c-8" }]));
    let node = |name: &str| {
        diff["nodes"].as_array().expect("a list").iter().find(|node| node["node_id"] == name).expect("the node")
    };
    assert_eq!(node("find")["differs_in"], json!([]));
    assert_eq!(node("rank")["differs_in"], json!(["input", "output"]));
    assert_eq!(node("other")["output"], json!([{ "pointer": "/customer", "a": "c-7", "b": "c-8" }]));
    assert_eq!(node("tell")["differs_in"][0], "agent");
    let text = house.folder.run(&["diff", "order-7", "b"]).expect(0).stdout;
    for words in [
        "B is a fork of A from node rank on",
        "They part first in the request's input at /customer: \"c-7\" in A, \"c-8\" in B",
        "node tell, agent: executed by echo in A, by sleep in B",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let same = house.json(&["diff", "b", "b"]);
    assert_eq!((&same["differs"], &same["first"]), (&json!(false), &json!(null)));
}

#[test]
fn the_same_fork_again_is_the_same_request_and_another_one_a_conflict() {
    let house = House::new();
    let fork =
        |from: &str| house.folder.run(&["fork", "order-7", "--from", from, "--id", "b", "--by", "ada", "--wait"]);
    fork("rank").expect(0);
    fork("rank").expect(0);
    let conflict = fork("answer").expect(3);
    assert!(conflict.stderr.contains("id_conflict"), "{conflict:?}");
    let unnamed = house.folder.run(&["fork", "b", "--from", "tell"]).expect(0);
    assert!(unnamed.stdout.starts_with("b.fork-"), "{unnamed:?}");
}

#[test]
fn what_cannot_be_forked_says_why() {
    let house = House::new();
    for (arguments, words) in [
        (&["--from", "rnak"][..], "the run has no node rnak (did you mean rank?)"),
        (&["--from", "rank", "--input", "find=1"], "node find is upstream of rank"),
        (&["--from", "rank", "--agent", "find=sleep"], "node find is upstream of rank"),
        (&["--from", "rank", "--definition", "shop@7"], "shop has no version 7"),
        (&["--from", "rank", "--agent", "nobody=echo"], "names node nobody"),
        (&["--from", "rank", "--set", "/a/b=1"], "--set: there is no object"),
        (&["--from", "rank", "--id", "order-7", "--dry-run"], "order-7 is there already"),
    ] {
        let refused = house.folder.run(&[&["fork", "order-7"], arguments].concat()).expect(3);
        assert!(refused.stderr.contains(words), "{arguments:?}: {refused:?}");
    }
    let unknown = house.folder.run(&["fork", "nothing", "--from", "rank"]);
    assert!(unknown.stderr.contains("nothing"), "{unknown:?}");
    assert_eq!(house.json(&["list"]).as_array().expect("a list").len(), 1, "nothing was published");
}
