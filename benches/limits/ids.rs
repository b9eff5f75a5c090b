//! Ids of workflows of every kind: a legal one runs and is answered under the same bytes, an illegal one is refused.

use super::client::Client;
use super::say;
use super::setup::{Installation, Roles, Services};
use super::table::Table;
use anyhow::Result;
use orchestrator::core::id::MAX_ID_BYTES;
use serde_json::{Value, json};

pub fn measure(services: &Services, table: &mut Table) -> Result<()> {
    say("ids: legal and illegal ones");
    let nodes = [json!({ "node_id": "a", "agent_name": "echo", "input": "request" })];
    let definition = json!({ "name": "one", "nodes": nodes });
    let installation = Installation::make(services, "ids", 4, &[("one", definition)])?;
    let _roles = Roles::start(&installation, &["engine", "projector", "worker"])?;
    let client = Client::open(&installation)?;
    let (legal, illegal) = (legal(), illegal());
    let mut wrong = Vec::new();
    for (what, id) in &legal {
        let answer = ask(&client, id.as_bytes())?;
        if answer["status"] != "completed" || answer["workflow_id"] != **id {
            wrong.push(*what);
        }
    }
    for (what, id) in &illegal {
        let answer = ask(&client, id)?;
        if answer["kind"] != "refused" || answer["reason"] != "illegal_id" {
            wrong.push(*what);
        }
    }
    let measured = match wrong.as_slice() {
        [] => format!("{} legal kinds run, {} illegal kinds are refused", legal.len(), illegal.len()),
        wrong => format!("not as it should be: {}", wrong.join(", ")),
    };
    table.holds("ids of every kind", measured, wrong.is_empty());
    Ok(())
}

fn ask(client: &Client, id: &[u8]) -> Result<Value> {
    client.publish(id, r#"{"definition":"one","input":{}}"#)?;
    client.answer()
}

fn legal() -> Vec<(&'static str, String)> {
    vec![
        ("one byte", "a".into()),
        ("the longest", "x".repeat(MAX_ID_BYTES)),
        ("the longest, of four bytes a letter", "🦀".repeat(MAX_ID_BYTES / 4)),
        ("spaces", "order 7".into()),
        ("a path", "a/b/../c".into()),
        ("quotes and backslashes", r#"a"b\c'd"#.into()),
        ("an SQL statement", "'; DROP TABLE orchestrator_workflow_states; --".into()),
        ("a format string", "%s{}$1".into()),
        ("right to left", "مرحبا".into()),
        ("a composed letter", "e\u{301}".into()),
        ("the same letter in one", "é".into()),
        ("looks like a number", "0017".into()),
        ("looks like JSON", r#"{"a":1}"#.into()),
        ("looks like a partition", "partition-0".into()),
    ]
}

fn illegal() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("too long", "x".repeat(MAX_ID_BYTES + 1).into_bytes()),
        ("no UTF-8", vec![0x61, 0xff, 0xfe]),
        ("half a letter", "é".as_bytes()[..1].to_vec()),
        ("a line feed", b"a\nb".to_vec()),
        ("a NUL", b"a\0b".to_vec()),
        ("an escape sequence", b"\x1b[31mred".to_vec()),
        ("empty", Vec::new()),
    ]
}
