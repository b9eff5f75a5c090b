//! Bad documents and what is said about them.

use super::golden;
use orchestrator::core::definition::Definition;
use std::time::Duration;

/// A title, and a document with at least one fault. Documents are YAML; the last ones are JSON.
const BAD: &[(&str, &str)] = &[
    ("nothing", ""),
    ("a list", "- a\n- b\n"),
    ("no name, no nodes", "description: shop\n"),
    ("no nodes in the list", "name: shop\nnodes: []\n"),
    ("nodes of the wrong type", "name: shop\nnodes: {a: 1}\n"),
    ("an illegal name", "name: my shop\nnodes: [{node_id: a, agent_name: echo}]\n"),
    (
        "wrong types everywhere",
        "name: 7\ndescription: [a]\nmax_agent_calls: -1\nnodes:\n  - node_id: 7\n    agent_name: null\n    dependencies: a\n    timeout: soon\n    role: 3\n  - 5\n",
    ),
    ("too many agent calls", "name: shop\nmax_agent_calls: 100000\nnodes: [{node_id: a, agent_name: echo}]\n"),
    ("a node without fields", "name: shop\nnodes:\n  - {}\n"),
    (
        "illegal ids",
        "name: shop\nnodes:\n  - node_id: a b\n    agent_name: ech/o\n  - node_id: ''\n    agent_name: echo\n    dependencies: ['ä', 3]\n",
    ),
    (
        "unknown fields",
        "name: shop\nversion: 1\nInput_Contract: {}\nnodes:\n  - node_id: a\n    agent_nam: echo\n    agent_name: echo\n    depends_on: []\n    output-contract: {}\n    colour: red\n",
    ),
    (
        "retries",
        "name: shop\nretry_policy: {}\nnodes:\n  - node_id: a\n    agent_name: echo\n    retry: 3\n    max_retries: 3\n    base_delay: 1s\n    on_failure: continue\n",
    ),
    (
        "retry rules",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo, retry: 3}\n  - {node_id: b, agent_name: echo, retry: {max_retries: 101}}\n  - {node_id: c, agent_name: echo, retry: {max_retries: -1, base_delay: soon, exponential_base: 0.5}}\n  - {node_id: d, agent_name: echo, retry: {max_retries: 1.5, exponential_base: two, max_delay: -1s}}\n  - {node_id: e, agent_name: echo, retry: {jitter: ful, max_elapsed: 1000h, delay: 1s}}\n  - {node_id: f, agent_name: echo, retry: {max_attempts: 3, backoff: 1s, max_backoff: 2s, jitter: 3, exponential_base: 1001}}\n",
    ),
    (
        "failure rules",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo, failure_rules: {http_404: retryable}}\n  - node_id: b\n    agent_name: echo\n    failure_rules:\n      - http_404\n      - {code: http_404}\n      - {class: retryable}\n      - {code: 404, class: retryable}\n      - {code: '', class: retryable}\n      - {code: '*_*', class: retryable}\n      - {code: http_404, class: retriable}\n      - {code: http_404, class: fatal}\n      - {code: http_404, class: timeout, because: of}\n",
    ),
    (
        "policies of agents",
        "name: shop\nagents:\n  echo: {retry: {max_retries: many}, failure_rules: [{code: x, class: y}], timeout: 1s}\n  ech: {}\n  no agent: {}\n  other: []\nnodes: [{node_id: a, agent_name: echo}]\n",
    ),
    ("agents of the wrong type", "name: shop\nagents: [echo]\nnodes: [{node_id: a, agent_name: echo}]\n"),
    (
        "wrong handling of failures",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo, on_failure: retry}\n  - {node_id: b, agent_name: echo, on_failure: [skip]}\n  - {node_id: c, agent_name: echo, on_failure: {continue: 1}}\n  - {node_id: d, agent_name: echo, on_failure: {route_to: 7}}\n  - {node_id: e, agent_name: echo, output_contract: {type: string}, on_failure: {continue_with: 7}}\n  - {node_id: f, agent_name: echo, on_failure: {route_to: apologize}, undo: f}\n  - {node_id: apologise, agent_name: echo}\n",
    ),
    (
        "nodes that cannot stand by",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo, on_failure: {route_to: x}}\n  - {node_id: b, agent_name: echo, undo: x}\n  - {node_id: c, agent_name: echo, undo: y, dependencies: [x]}\n  - {node_id: x, agent_name: echo}\n  - {node_id: y, agent_name: echo, role: responder, dependencies: [a], input: {n: 1}, on_failure: {route_to: z}}\n  - {node_id: z, agent_name: echo}\n",
    ),
    (
        "wrong time limits",
        "name: shop\ntimeout: never\nnodes:\n  - {node_id: a, agent_name: echo, heartbeat: 5s, total_timeout: 0}\n",
    ),
    (
        "duplicate ids",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo}\n  - {node_id: b, agent_name: echo}\n  - {node_id: a, agent_name: echo}\n",
    ),
    (
        "unknown dependencies",
        "name: shop\nnodes:\n  - {node_id: price-check, agent_name: echo}\n  - {node_id: b, agent_name: echo, dependencies: [price_check, nowhere-at-all]}\n",
    ),
    (
        "a dependency named twice",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo}\n  - {node_id: b, agent_name: echo, dependencies: [a, a]}\n",
    ),
    ("waits for itself", "name: shop\nnodes:\n  - {node_id: a, agent_name: echo, dependencies: [a]}\n"),
    (
        "a cycle",
        "name: shop\nnodes:\n  - {node_id: start, agent_name: echo}\n  - {node_id: a, agent_name: echo, dependencies: [start, c]}\n  - {node_id: b, agent_name: echo, dependencies: [a]}\n  - {node_id: c, agent_name: echo, dependencies: [b]}\n  - {node_id: end, agent_name: echo, dependencies: [c]}\n",
    ),
    (
        "two cycles and a bad node",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo, dependencies: [b]}\n  - {node_id: b, agent_name: echo, dependencies: [a], timeout: 0}\n  - {node_id: x, agent_name: echo, dependencies: [y]}\n  - {node_id: y, agent_name: echo, dependencies: [x, a]}\n",
    ),
    (
        "a mapping that reads a stranger",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo}\n  - {node_id: b, agent_name: echo}\n  - node_id: c\n    agent_name: echo\n    dependencies: [b]\n    input:\n      fine: outputs.b\n      stranger: outputs.a.total\n      nobody: outputs[\"d\"]\n      self: outputs.c\n",
    ),
    (
        "a faulty expression beside one that reads a stranger",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo}\n  - node_id: b\n    agent_name: echo\n    input: {broken: 'request.', stranger: outputs.a, nobody: outputs.c}\n",
    ),
    (
        "several faults in one schema",
        "name: shop\ninput_contract:\n  required: total\n  properties:\n    total: {type: int}\n    sku: {pattern: '('}\nnodes: [{node_id: a, agent_name: echo}]\n",
    ),
    (
        "expressions that do not parse",
        "name: shop\nnodes:\n  - node_id: a\n    agent_name: echo\n    input:\n      - request.\n      - Hello there\n      - ''\n      - {deep: [\"request.total +\"]}\n",
    ),
    (
        "names that do not exist",
        "name: shop\nnodes:\n  - node_id: a\n    agent_name: echo\n    input: [requst.total, order.total, outputs, 'outputs[request.x]', 'lenght(request)', 'siz(request)', 'Shop{a: 1}']\n",
    ),
    (
        "loops in loops in loops",
        "name: shop\nnodes:\n  - node_id: a\n    agent_name: echo\n    input: request.a.map(x, x.map(y, y.map(z, z)))\n",
    ),
    (
        "schemas that are none",
        "name: shop\ninput_contract: 3\nnodes:\n  - node_id: a\n    agent_name: echo\n    input_contract: {properties: {total: {type: int}}}\n    output_contract: {type: object, required: total}\n",
    ),
    (
        "schemas that reach out",
        "name: shop\ninput_contract: {$ref: 'https://example.com/order.json'}\nnodes:\n  - node_id: a\n    agent_name: echo\n    output_contract: {properties: {a: {$ref: 'file:///etc/passwd'}, b: {$ref: '#/$defs/b'}}}\n",
    ),
    (
        "patterns that backtrack",
        "name: shop\ninput_contract: {properties: {sku: {pattern: '(a+)+(?!b)'}}}\nnodes: [{node_id: a, agent_name: echo}]\n",
    ),
    (
        "timeouts",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo, timeout: 0}\n  - {node_id: b, agent_name: echo, timeout: -1}\n  - {node_id: c, agent_name: echo, timeout: 10 minutes}\n  - {node_id: d, agent_name: echo, timeout: '30'}\n  - {node_id: e, agent_name: echo, timeout: 1000h}\n",
    ),
    (
        "roles",
        "name: shop\nnodes:\n  - {node_id: a, agent_name: echo, role: planer}\n  - {node_id: b, agent_name: echo, role: Responder}\n  - {node_id: c, agent_name: echo, role: boss}\n",
    ),
    ("a field without a value", "name: shop\ndescription:\nnodes: [{node_id: a, agent_name: echo}]\n"),
    ("YAML that is none", "name: shop\nnodes:\n  - {node_id: a\n"),
    ("a member named twice", "name: shop\nname: other\nnodes: []\n"),
    ("two documents", "name: shop\n---\nname: other\n"),
    ("JSON that is none", "{\"name\": \"shop\",\n \"nodes\": [}"),
    (
        "JSON with a fault on its line",
        "{\n \"name\": \"shop\",\n \"nodes\": [\n  {\"node_id\": \"a\",\n   \"agent_name\": \"echo\",\n   \"rol\": \"planner\"}\n ]\n}",
    ),
];

#[test]
fn every_fault_is_named_at_once_with_its_place() {
    let mut table = String::new();
    for (title, text) in BAD {
        let faults = Definition::read(text).map(|definition| definition.name).expect_err(title);
        table.push_str(&format!("## {title}\n"));
        for line in text.lines() {
            table.push_str(&format!("    {line}\n"));
        }
        for fault in faults {
            table.push_str(&format!("- {fault}\n"));
        }
        table.push('\n');
    }
    golden::check("faults.md", &table);
}

#[test]
fn a_good_document_is_what_its_author_wrote() {
    let definition = Definition::read(&golden::example("order-diamond.yaml")).unwrap();
    assert_eq!(definition.name.as_str(), "order-diamond");
    let ids: Vec<&str> = definition.nodes.iter().map(|node| node.node_id.as_str()).collect();
    assert_eq!(ids, ["take-order", "check-price", "check-stock", "confirm"]);
    assert_eq!(definition.nodes[0].timeout, Some(Duration::from_secs(30)));
    assert_eq!(definition.nodes[3].role.as_str(), "responder");
    let json = serde_json::to_string_pretty(&definition.document).unwrap();
    assert_eq!(Definition::read(&json).unwrap(), definition);
}

#[test]
fn the_examples_are_sound() {
    for name in ["hello.yaml", "order-diamond.yaml", "research.yaml"] {
        let definition = Definition::read(&golden::example(name)).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        assert_eq!(format!("{}.yaml", definition.name), name);
    }
}

#[test]
fn timeouts_are_read_in_their_units() {
    let table = [
        ("1.5", 1_500),
        ("2", 2_000),
        ("500ms", 500),
        ("30s", 30_000),
        ("2m", 120_000),
        ("1.5h", 5_400_000),
        ("1 d", 86_400_000),
    ];
    for (text, millis) in table {
        let text = format!("name: shop\nnodes: [{{node_id: a, agent_name: echo, timeout: {text}}}]\n");
        assert_eq!(Definition::read(&text).unwrap().nodes[0].timeout, Some(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn the_hash_is_that_of_the_content() {
    let read = |text: &str| Definition::read(text).unwrap().hash;
    let plain = read("name: shop\nnodes: [{node_id: a, agent_name: echo}]\n");
    assert_eq!(plain, read("{\"nodes\": [{\"agent_name\": \"echo\", \"node_id\": \"a\"}], \"name\": \"shop\"}"));
    assert_ne!(plain, read("name: shop\nnodes: [{node_id: a, agent_name: echo, role: plain}]\n"));
}
