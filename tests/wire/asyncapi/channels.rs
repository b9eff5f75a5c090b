//! What only a person can say of the topics: what they are for, who writes and reads them, what their records are.

/// A topic.
pub struct Channel {
    /// In the document.
    pub id: &'static str,
    /// In the plan; `agent` stands for the name of any.
    pub topic: &'static str,
    pub description: &'static str,
    /// What orchestrator does there: `send`, `receive`.
    pub actions: &'static [&'static str],
}

pub enum Payload {
    /// The name of a schema of `schemas.yaml`.
    Json(&'static str),
    /// The newest version of a schema of `schemas/`.
    Avro(&'static str),
}

/// A kind of record.
pub struct Message {
    pub id: &'static str,
    pub channels: &'static [&'static str],
    pub summary: &'static str,
    pub payload: Payload,
    /// What the key is; empty: none.
    pub key: &'static str,
    /// Whether it carries the trace context.
    pub traced: bool,
    /// Golden files, or JSON.
    pub examples: &'static [&'static str],
}

pub const CHANNELS: &[Channel] = &[
    Channel {
        id: "requests",
        topic: "requests",
        description: "Ask for a run. JSON or Avro, told apart by the first bytes.",
        actions: &["receive"],
    },
    Channel {
        id: "signals",
        topic: "signals",
        description: "What concerns something that is there already.",
        actions: &["receive"],
    },
    Channel {
        id: "responses",
        topic: "responses",
        description: "The answer of each run, or the refusal of a request. A record may come twice after a crash, with the same content.",
        actions: &["send"],
    },
    Channel {
        id: "events",
        topic: "events",
        description: "Everything that happens, in order for each workflow, kept for ever. A record may, rarely, come twice, identical, ce_id included.",
        actions: &["send"],
    },
    Channel {
        id: "ready",
        topic: "ready.agent",
        description: "Attempts for the workers of an agent. The partitions are those of the installation unless somebody made others.",
        actions: &["send"],
    },
    Channel {
        id: "control",
        topic: "control.agent",
        description: "For what all workers of an agent have to hear. Nothing is sent in this version.",
        actions: &["send"],
    },
    Channel {
        id: "results",
        topic: "results",
        description: "What workers say of attempts, to the partition that the task names. JSON or Avro, told apart by the first bytes.",
        actions: &["receive"],
    },
    Channel {
        id: "deadLetters",
        topic: "dead-letters",
        description: "What could not be done, whole, with its reason.",
        actions: &["send"],
    },
    Channel { id: "delay1s", topic: "delay.1s", description: DELAY, actions: BOTH },
    Channel { id: "delay10s", topic: "delay.10s", description: DELAY, actions: BOTH },
    Channel { id: "delay1m", topic: "delay.1m", description: DELAY, actions: BOTH },
    Channel { id: "delay10m", topic: "delay.10m", description: DELAY, actions: BOTH },
    Channel { id: "delay1h", topic: "delay.1h", description: DELAY, actions: BOTH },
    Channel { id: "delay1d", topic: "delay.1d", description: DELAY, actions: BOTH },
    Channel {
        id: "definitions",
        topic: "definitions",
        description: "Definitions by name and hash, and the pinned number of partitions. Leave it to the command line.",
        actions: BOTH,
    },
    Channel {
        id: "journal",
        topic: "journal",
        description: "The write-ahead log and the truth. Only the owner of a partition writes it; read events instead.",
        actions: BOTH,
    },
];

const DELAY: &str = "Wake-ups that wait for a fixed time. Only the engine writes and reads them.";
const BOTH: &[&str] = &["send", "receive"];
const DELAYS: &[&str] = &["delay1s", "delay10s", "delay1m", "delay10m", "delay1h", "delay1d"];
const WORKFLOW_ID: &str = "The workflow_id.";
const WHERE_KNOWN: &str = "The workflow_id, where one is known.";

const fn message(
    id: &'static str,
    channels: &'static [&'static str],
    summary: &'static str,
    key: &'static str,
) -> Message {
    Message { id, channels, summary, payload: Payload::Json(id), key, traced: false, examples: &[] }
}

pub const MESSAGES: &[Message] = &[
    Message {
        traced: true,
        examples: &[r#"{"definition":"recommend-coffee","input":{"customer":"c-7"},"workflow_id":"order 7 / ☕"}"#],
        ..message("Request", &["requests"], "Start a run.", "The workflow_id; none: one is derived.")
    },
    Message {
        traced: true,
        payload: Payload::Avro("Request"),
        ..message(
            "RequestAvro",
            &["requests"],
            "The same as Avro; input is JSON text.",
            "The workflow_id; none: one is derived.",
        )
    },
    Message {
        examples: &[
            r#"{"format":1,"type":"discard","letter_id":"0123456789abcdef","by":"ada","note":"sent by mistake"}"#,
        ],
        ..message("Discard", &["signals"], "Nothing will be done about a dead letter.", WHERE_KNOWN)
    },
    Message {
        examples: &[
            r#"{"format":1,"type":"supply","node_id":"find-orders","output":[{"sku":"espresso","count":2}],"by":"ada","workflow_id":"order 7 / ☕"}"#,
        ],
        ..message("Supply", &["signals"], "An unfinished node has this output.", WORKFLOW_ID)
    },
    Message {
        traced: true,
        examples: &["response_completed", "response_failed"],
        ..message("Answer", &["responses"], "A run has ended.", WORKFLOW_ID)
    },
    Message {
        traced: true,
        examples: &["response_refused"],
        ..message("Refused", &["responses"], "A request was refused.", WHERE_KNOWN)
    },
    Message {
        traced: true,
        examples: &["task", "task_heartbeat"],
        ..message("Task", &["ready"], "One attempt of a node.", "workflow_id/node_id.")
    },
    Message {
        examples: &["report_started", "report_heartbeat", "report_completed", "report_failed", "report_unclassified"],
        ..message("Report", &["results"], "What a worker says of an attempt.", WORKFLOW_ID)
    },
    Message {
        payload: Payload::Avro("Report"),
        ..message("ReportAvro", &["results"], "The same as Avro; output and details are JSON text.", WORKFLOW_ID)
    },
    Message {
        traced: true,
        examples: &["dead_letter_input"],
        ..message("LetterOfInput", &["deadLetters"], "A refused input.", WHERE_KNOWN)
    },
    Message {
        traced: true,
        examples: &["dead_letter_node"],
        ..message("LetterOfNode", &["deadLetters"], "A node that has failed for good.", WORKFLOW_ID)
    },
    Message { examples: &["wakeup"], ..message("Wakeup", DELAYS, "An attempt waits for its retry.", WORKFLOW_ID) },
    Message {
        examples: &["definition_applied"],
        ..message("Applied", &["definitions"], "A version of a definition.", "name@hash.")
    },
    Message {
        examples: &["definition_installation"],
        ..message("Installation", &["definitions"], "The pinned number of partitions.", "orchestrator/installation.")
    },
    Message {
        payload: Payload::Avro("JournalStep"),
        ..message("JournalStep", &["journal"], "What the owner decided from one batch of inputs.", "")
    },
    Message {
        payload: Payload::Avro("PartitionTaken"),
        ..message("PartitionTaken", &["journal"], "A claim on the partition.", "")
    },
];
