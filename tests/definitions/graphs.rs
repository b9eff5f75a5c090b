//! Graphs as people see them.

use super::golden;
use orchestrator::core::definition::Definition;
use orchestrator::ui::graph;

fn read(text: &str) -> Definition {
    Definition::read(text).unwrap()
}

fn chain() -> Definition {
    read(
        "name: chain\nnodes:\n  - {node_id: fetch, agent_name: http}\n  - {node_id: summarise, agent_name: model, dependencies: [fetch]}\n  - {node_id: send, agent_name: mail, dependencies: [summarise], role: responder}\n",
    )
}

fn diamond() -> Definition {
    read(&golden::example("order-diamond.yaml"))
}

fn fan() -> Definition {
    let parts: String = (1..=30)
        .map(|i| {
            format!(
                "  - {{node_id: part-{i}, agent_name: {}, dependencies: [split]}}\n",
                if i % 10 == 0 { "sleep" } else { "echo" }
            )
        })
        .collect();
    let all: Vec<String> = (1..=30).map(|i| format!("part-{i}")).collect();
    read(&format!(
        "name: fan\nnodes:\n  - {{node_id: split, agent_name: echo}}\n{parts}  - {{node_id: join, agent_name: echo, dependencies: [{}], role: synthesizer}}\n",
        all.join(", ")
    ))
}

fn planner_shop() -> Definition {
    read(
        "
name: planner-shop
max_agent_calls: 4
nodes:
  - {node_id: plan, agent_name: planner, role: planner}
  - {node_id: stock, agent_name: shop}
  - {node_id: prices, agent_name: shop, dependencies: [stock]}
  - {node_id: combine, agent_name: model, role: synthesizer, dependencies: [prices]}
  - {node_id: answer, agent_name: model, role: responder, dependencies: [combine]}
",
    )
}

/// A failure node, and two that undo.
fn travel() -> Definition {
    read(
        "
name: travel
nodes:
  - {node_id: flight, agent_name: airline, undo: cancel-flight}
  - {node_id: hotel, agent_name: rooms, on_failure: {route_to: any-hotel}, undo: cancel-hotel}
  - {node_id: pay, agent_name: bank, dependencies: [flight, hotel], on_failure: compensate}
  - {node_id: any-hotel, agent_name: model}
  - {node_id: cancel-flight, agent_name: airline}
  - {node_id: cancel-hotel, agent_name: rooms}
",
    )
}

fn tangle() -> Definition {
    let wide: String = (1..=5)
        .map(|i| format!("  - {{node_id: a-rather-long-name-{i}, agent_name: echo, dependencies: [a]}}\n"))
        .collect();
    let many: String = (1..=150)
        .map(|i| {
            format!(
                "  - {{node_id: m{i}, agent_name: echo, dependencies: [{}]}}\n",
                if i % 2 == 0 { "a, c" } else { "c" }
            )
        })
        .collect();
    read(&format!(
        "name: tangle\nnodes:\n  - {{node_id: a, agent_name: echo}}\n  - {{node_id: b, agent_name: echo}}\n  - {{node_id: c, agent_name: echo, dependencies: [a]}}\n  - {{node_id: d, agent_name: echo, dependencies: [b, c]}}\n{wide}{many}"
    ))
}

#[test]
fn drawn_for_the_terminal() {
    let drawings = [chain(), diamond(), fan(), planner_shop(), tangle(), travel()];
    let drawings = drawings.map(|definition| graph::draw(&definition));
    assert!(drawings.iter().flat_map(|text| text.lines()).all(|line| line.chars().count() <= 104));
    golden::check("graphs.txt", &drawings.join("\n"));
}

#[test]
fn written_for_graphviz() {
    golden::check(
        "graphs.dot",
        &[chain(), diamond(), planner_shop(), travel()].map(|definition| graph::dot(&definition)).join("\n"),
    );
    assert_eq!(graph::dot(&fan()).matches(" -> ").count(), 60);
}

#[test]
fn written_for_mermaid() {
    golden::check(
        "graphs.mmd",
        &[chain(), diamond(), planner_shop(), travel()].map(|definition| graph::mermaid(&definition)).join("\n"),
    );
    assert_eq!(graph::mermaid(&fan()).matches(" --> ").count(), 60);
}

#[test]
fn ten_thousand_nodes_in_a_row() {
    let nodes: String = (0..10_000)
        .map(|i| {
            format!(
                "- {{node_id: n{i}, agent_name: echo, dependencies: [{}]}}\n",
                if i == 0 { String::new() } else { format!("n{}", i - 1) }
            )
        })
        .collect();
    let drawing = graph::draw(&read(&format!("name: row\nnodes:\n{nodes}")));
    assert_eq!(drawing.matches("┌").count(), 10_000);
}
