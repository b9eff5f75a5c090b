//! `docs/asyncapi.yaml`: all topics as an AsyncAPI 3 document, made of the plan of the topics, of the schemas and of the
//! recorded examples, and checked by the official schema of such documents.
//!
//! `UPDATE_GOLDEN=1 cargo test --test wire asyncapi` writes it anew.

mod channels;
mod check;

use crate::event_reference::{names, versions};
use channels::{CHANNELS, Channel, MESSAGES, Message, Payload};
use orchestrator::core::id::AgentName;
use orchestrator::log::TopicSpec;
use orchestrator::log::plan::{agent_topics, topic_plan};
use orchestrator::log::topic::Topic;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

const HEAD: &str = "\
# Made by `UPDATE_GOLDEN=1 cargo test --test wire asyncapi` of src/log/plan.rs, schemas/ and tests/wire/asyncapi.
";

const DESCRIPTION: &str = "\
Runs graphs of agent calls on Kafka. Names of topics begin with the namespace of the installation, here the default. \
Partitions, replicas and settings are those that `orchestrator init` makes by default on one broker. Avro values have \
single-object framing (C3 01, the schema's CRC-64-AVRO fingerprint, the body); events have Confluent's where the \
installation names a schema registry.";

/// The default of ORCHESTRATOR_PARTITIONS.
const PARTITIONS: u32 = 4;

/// A string as YAML takes it in any place.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn spec_of(channel: &Channel) -> TopicSpec {
    let agent = AgentName::new("agent").unwrap();
    let plan = topic_plan(PARTITIONS, 1).into_iter().chain(agent_topics(&agent, PARTITIONS, 1));
    plan.into_iter().find(|spec| spec.topic.to_string() == channel.topic).unwrap()
}

/// The name of the topic, with a parameter for the agent.
fn address(topic: &Topic) -> String {
    match topic {
        Topic::Ready(_) => "orchestrator.ready.{agent}".to_owned(),
        Topic::Control(_) => "orchestrator.control.{agent}".to_owned(),
        topic => format!("orchestrator.{topic}"),
    }
}

fn channel_text(channel: &Channel) -> String {
    let spec = spec_of(channel);
    let address = address(&spec.topic);
    let mut text = format!("  {}:\n    address: {}\n", channel.id, quoted(&address));
    writeln!(text, "    description: {}", quoted(channel.description)).unwrap();
    if address.ends_with("{agent}") {
        text += "    parameters:\n      agent:\n        description: The name of the agent.\n";
    }
    let messages = messages_of(channel);
    writeln!(text, "    messages:{}", if messages.is_empty() { " {}" } else { "" }).unwrap();
    for id in messages {
        writeln!(text, "      {id}: {{ $ref: \"#/components/messages/{id}\" }}").unwrap();
    }
    write!(
        text,
        "    bindings:\n      kafka:\n        topic: {}\n        partitions: {}\n        replicas: 1\n        topicConfiguration:\n",
        quoted(&address),
        spec.partitions
    )
    .unwrap();
    for (name, value) in &spec.settings {
        let value = match (name.as_str(), value.parse::<i64>()) {
            ("cleanup.policy", _) => format!("[{value}]"),
            (_, Ok(number)) => number.to_string(),
            _ if ["true", "false"].contains(&value.as_str()) => value.clone(),
            _ => quoted(value),
        };
        writeln!(text, "          {name}: {value}").unwrap();
    }
    text + "        bindingVersion: \"0.5.0\"\n"
}

/// The ids of the messages of a channel.
fn messages_of(channel: &Channel) -> Vec<String> {
    if channel.topic == "events" {
        return event_messages();
    }
    MESSAGES
        .iter()
        .filter(|message| message.channels.contains(&channel.id))
        .map(|message| message.id.to_owned())
        .collect()
}

/// Every version of every event: what an older engine wrote stays in the topic.
fn event_messages() -> Vec<String> {
    names().flat_map(versions).map(|schema| format!("{schema:?}")).collect()
}

fn operation_text(channel: &Channel) -> String {
    let operation = |action: &&str| {
        let name = format!("{action}{}{}", channel.id[..1].to_uppercase(), &channel.id[1..]);
        format!("  {name}:\n    action: {action}\n    channel: {{ $ref: \"#/channels/{}\" }}\n", channel.id)
    };
    channel.actions.iter().map(operation).collect()
}

fn payload_text(payload: &Payload) -> String {
    match payload {
        Payload::Json(schema) => {
            format!(
                "      contentType: application/json\n      payload: {{ $ref: \"#/components/schemas/{schema}\" }}\n"
            )
        }
        Payload::Avro(name) => avro_text(&format!("{:?}", versions(name)[0])),
    }
}

fn avro_text(schema: &str) -> String {
    format!(
        "      contentType: application/avro\n      payload:\n        \
         schemaFormat: application/vnd.apache.avro+json;version=1.9.0\n        \
         schema: {{ $ref: \"../schemas/{schema}.avsc\" }}\n"
    )
}

fn key_text(key: &str) -> String {
    let key = match key {
        "" => "{ type: \"null\" }".to_owned(),
        key => format!("{{ type: string, description: {} }}", quoted(key)),
    };
    format!("      bindings:\n        kafka:\n          key: {key}\n          bindingVersion: \"0.5.0\"\n")
}

fn message_text(message: &Message) -> String {
    let mut text = format!("    {}:\n      summary: {}\n", message.id, quoted(message.summary));
    if message.traced {
        text += "      headers: { $ref: \"#/components/schemas/Traced\" }\n";
    }
    text += &payload_text(&message.payload);
    text += &key_text(message.key);
    for (index, example) in examples_of(message).iter().enumerate() {
        text += if index == 0 { "      examples:\n" } else { "" };
        writeln!(text, "        - payload: {example}").unwrap();
    }
    text
}

/// The recorded examples of a JSON message.
fn examples_of(message: &Message) -> Vec<Value> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire");
    let read = |name: &&str| {
        let text = std::fs::read_to_string(golden.join(format!("{name}.json"))).unwrap();
        // The definitions' have the key on a line before the value.
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    };
    let inline = message.examples.iter().filter(|example| example.starts_with('{'));
    let files = message.examples.iter().filter(|example| !example.starts_with('{'));
    inline.map(|text| serde_json::from_str(text).unwrap()).chain(files.map(read)).collect()
}

fn event_text(id: &str) -> String {
    let name = id.split('.').next().unwrap();
    let schema = versions(name).into_iter().find(|schema| format!("{schema:?}") == id).unwrap();
    let document: Value = serde_json::from_str(schema.text).unwrap();
    let of_run = document["fields"][0]["name"] == "workflow_id";
    let key = if of_run { "The workflow_id." } else { "partition-N." };
    format!(
        "    {id}:\n      summary: {}\n      headers: {{ $ref: \"#/components/schemas/CloudEvent\" }}\n{}{}",
        quoted(document["doc"].as_str().unwrap()),
        avro_text(id),
        key_text(key)
    )
}

/// The headers of an event, as docs/events.md tells them.
fn cloud_event() -> String {
    let mut text = String::from("    CloudEvent:\n      type: object\n      properties:\n");
    for (name, words) in crate::event_reference::HEADERS {
        let description = if words.is_empty() { String::new() } else { format!(", description: {}", quoted(words)) };
        writeln!(text, "        {name}: {{ type: string{description} }}").unwrap();
    }
    text
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    let info = json!({ "title": "orchestrator", "version": env!("CARGO_PKG_VERSION"), "description": DESCRIPTION,
        "license": { "name": "Apache-2.0" } });
    write!(text, "asyncapi: 3.0.0\ninfo: {info}\ndefaultContentType: application/json\n").unwrap();
    text += "servers:\n  kafka: { host: \"localhost:9092\", protocol: kafka }\nchannels:\n";
    text.extend(CHANNELS.iter().map(channel_text));
    text += "operations:\n";
    text.extend(CHANNELS.iter().map(operation_text));
    text += "components:\n  messages:\n";
    text.extend(MESSAGES.iter().map(message_text));
    text.extend(event_messages().iter().map(|id| event_text(id)));
    text += "  schemas:\n";
    text += &cloud_event();
    text + include_str!("asyncapi/schemas.yaml")
}
