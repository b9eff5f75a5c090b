-- Why: everything that people and recovery ask of the store is folded from the journal into these tables; losing
-- them loses nothing, a projector that starts at the journal's beginning writes them again.
--
-- The same tables and columns as in Postgres. Times are microseconds since 1970-01-01T00:00:00Z:
-- datetime(started_at / 1000000, 'unixepoch'). JSON is text. U+0000 is written as U+FFFD.

-- One row a run: its state after the last projected event. A run that has ended never changes.
CREATE TABLE orchestrator_workflow_states (
    -- The run: 32 hexadecimal digits, derived from where its request stood.
    run_id TEXT NOT NULL PRIMARY KEY,
    -- The client's key for all runs that belong together.
    workflow_id TEXT NOT NULL,
    -- The partition that the workflow lives in.
    partition INTEGER NOT NULL,
    -- What it executes: the name of the definition.
    definition_name TEXT NOT NULL,
    -- What it executes: the version of the definition.
    definition_version INTEGER NOT NULL,
    -- What it executes: SHA-256 of the definition's content.
    definition_hash TEXT NOT NULL,
    -- The conversation that it belongs to.
    conversation_id TEXT,
    -- initializing, planning, executing_single, executing_parallel, synthesizing, responding, paused, waiting, completed, failed or cancelled.
    status TEXT NOT NULL,
    -- How many events the run has.
    sequence INTEGER NOT NULL,
    -- How many of its nodes have completed.
    nodes_completed INTEGER NOT NULL,
    -- How many of its nodes have failed.
    nodes_failed INTEGER NOT NULL,
    -- How many of its nodes are scheduled or running.
    nodes_open INTEGER NOT NULL,
    -- When the run started.
    started_at INTEGER NOT NULL,
    -- When its last event was decided.
    updated_at INTEGER NOT NULL,
    -- When it ended; null while it runs.
    ended_at INTEGER,
    -- JSON: the answer of a run that has completed.
    answer TEXT,
    -- Of a run that has failed: the node that caused it.
    error_node TEXT,
    -- Of a run that has failed: retryable, non_retryable, timeout, rate_limited, contract or cancelled.
    error_class TEXT,
    -- Of a run that has failed: a short stable word.
    error_code TEXT,
    -- Of a run that has failed: a sentence.
    error_message TEXT,
    -- JSON: the input of its request.
    input TEXT NOT NULL,
    -- Tells requests with another payload apart: 32 hexadecimal digits.
    payload_hash TEXT NOT NULL,
    -- The W3C trace context of its request.
    traceparent TEXT,
    -- Where its request stood first: the topic.
    origin_topic TEXT NOT NULL,
    -- Where its request stood first: the partition.
    origin_partition INTEGER NOT NULL,
    -- Where its request stood first: the offset.
    origin_offset INTEGER NOT NULL,
    -- When its request was appended there.
    origin_time INTEGER NOT NULL,
    -- The hash chain over its events, 16 bytes.
    chain BLOB NOT NULL,
    -- JSON: the rest of the state, for recovery: settings, plans, and the nodes that are open or have failed. Completed nodes stand in orchestrator_agent_results alone.
    state TEXT NOT NULL
) STRICT;

-- One row for each attempt that has ended. Rows are only ever added.
CREATE TABLE orchestrator_agent_results (
    -- The run.
    run_id TEXT NOT NULL,
    -- The number, within the run, of the event that ended the attempt.
    sequence INTEGER NOT NULL,
    -- The workflow.
    workflow_id TEXT NOT NULL,
    -- The node.
    node_id TEXT NOT NULL,
    -- The attempt, counted from 1.
    attempt INTEGER NOT NULL,
    -- Who executed it.
    agent_name TEXT NOT NULL,
    -- completed or failed.
    status TEXT NOT NULL,
    -- JSON: what the agent returned, of a completed attempt.
    output TEXT,
    -- Of a failed attempt: retryable, non_retryable, timeout, rate_limited, contract or cancelled.
    error_class TEXT,
    -- Of a failed attempt: a short stable word.
    error_code TEXT,
    -- Of a failed attempt: a sentence.
    error_message TEXT,
    -- JSON, of a failed attempt: more, e.g. {"pointer": "/total"}.
    error_details TEXT,
    -- How long the attempt might have taken from started_at, in milliseconds.
    timeout_ms INTEGER NOT NULL,
    -- When it was handed to its agent.
    scheduled_at INTEGER NOT NULL,
    -- When a worker said that it works on it; null where the result came before such a word.
    started_at INTEGER,
    -- When its end was decided.
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, sequence)
) STRICT;

-- What was done, a row each. Rows are only ever added.
CREATE TABLE orchestrator_operation_logs (
    -- The run, or partition-N for what concerns no run.
    subject TEXT NOT NULL,
    -- The number of the event within its subject.
    sequence INTEGER NOT NULL,
    -- The workflow.
    workflow_id TEXT NOT NULL,
    -- When it was decided.
    time INTEGER NOT NULL,
    -- agent_call (an attempt ended), state_transition, input_rejected or input_forwarded.
    operation TEXT NOT NULL,
    -- agent_call: the node.
    node_id TEXT,
    -- agent_call: who executed it.
    agent_name TEXT,
    -- agent_call: the attempt.
    attempt INTEGER,
    -- agent_call: completed or failed.
    status TEXT,
    -- agent_call: from scheduled to ended, in microseconds.
    duration_us INTEGER,
    -- state_transition: the state before.
    from_status TEXT,
    -- state_transition: the state after.
    to_status TEXT,
    -- input_rejected: a short stable word.
    reason TEXT,
    -- input_rejected: a sentence.
    message TEXT,
    -- input_forwarded: the partition that it was sent to.
    to_partition INTEGER,
    PRIMARY KEY (subject, sequence)
) STRICT;

-- What went wrong, a row each: failed nodes and runs, refused inputs, effects that could not be performed. Rows are only ever added.
CREATE TABLE orchestrator_error_logs (
    -- The run, or partition-N for what concerns no run.
    subject TEXT NOT NULL,
    -- The number of the event within its subject.
    sequence INTEGER NOT NULL,
    -- NodeFailed, WorkflowFailed, InputRefused or EffectFailed.
    event TEXT NOT NULL,
    -- The workflow, as far as it is known.
    workflow_id TEXT,
    -- The node.
    node_id TEXT,
    -- Who executed it.
    agent_name TEXT,
    -- The attempt.
    attempt INTEGER,
    -- retryable, non_retryable, timeout, rate_limited, contract or cancelled; null for refusals and effects.
    class TEXT,
    -- A short stable word: the failure's code, the reason of a refusal, the kind of an effect.
    code TEXT NOT NULL,
    -- A sentence: what was expected, what was found.
    message TEXT NOT NULL,
    -- JSON: more, e.g. {"pointer": "/total"}.
    details TEXT,
    -- When it was decided.
    time INTEGER NOT NULL,
    PRIMARY KEY (subject, sequence)
) STRICT;

-- Per agent and minute: calls, failures and a histogram of durations. Partitions write rows of their own; sum over them.
CREATE TABLE orchestrator_performance_metrics (
    -- The partition whose calls these are.
    partition INTEGER NOT NULL,
    -- The agent.
    agent_name TEXT NOT NULL,
    -- The start of the minute in which the calls ended.
    minute INTEGER NOT NULL,
    -- Attempts that ended.
    calls INTEGER NOT NULL,
    -- Those of them that failed.
    failures INTEGER NOT NULL,
    -- Sum of the durations, from scheduled to ended, in microseconds.
    duration_us INTEGER NOT NULL,
    -- Calls of up to 5 ms. Each call is in one bucket alone.
    upto_5ms INTEGER NOT NULL,
    -- Calls of over 5 and up to 10 ms.
    upto_10ms INTEGER NOT NULL,
    -- Calls of over 10 and up to 25 ms.
    upto_25ms INTEGER NOT NULL,
    -- Calls of over 25 and up to 50 ms.
    upto_50ms INTEGER NOT NULL,
    -- Calls of over 50 and up to 100 ms.
    upto_100ms INTEGER NOT NULL,
    -- Calls of over 100 and up to 250 ms.
    upto_250ms INTEGER NOT NULL,
    -- Calls of over 250 and up to 500 ms.
    upto_500ms INTEGER NOT NULL,
    -- Calls of over 500 ms and up to 1 s.
    upto_1s INTEGER NOT NULL,
    -- Calls of over 1 and up to 5 s.
    upto_5s INTEGER NOT NULL,
    -- Calls of over 5 and up to 15 s.
    upto_15s INTEGER NOT NULL,
    -- Calls of over 15 and up to 60 s.
    upto_60s INTEGER NOT NULL,
    -- Calls of over 60 and up to 300 s.
    upto_300s INTEGER NOT NULL,
    -- Calls of over 300 s.
    longer INTEGER NOT NULL,
    PRIMARY KEY (partition, agent_name, minute)
) STRICT;

-- Structured notes that the workflows of a conversation share.
CREATE TABLE orchestrator_conversation_memory (
    -- The conversation.
    conversation_id TEXT NOT NULL,
    -- The note within it.
    note_id TEXT NOT NULL,
    -- What kind of note it is, e.g. fact, decision, preference.
    kind TEXT NOT NULL,
    -- JSON: the note.
    content TEXT NOT NULL,
    -- The workflow that wrote it.
    workflow_id TEXT,
    -- The run that wrote it.
    run_id TEXT,
    -- How much attention it deserves, against others of its conversation.
    weight REAL NOT NULL DEFAULT 1,
    -- When it was written.
    created_at INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, note_id)
) STRICT;

-- How far each partition's journal has been projected. Written in the same transaction as the rows; comparing it before writing keeps a second projector out.
CREATE TABLE orchestrator_projector_positions (
    -- The partition.
    partition INTEGER NOT NULL PRIMARY KEY,
    -- The format of the projected state. A program that knows only lower ones does not touch it.
    format INTEGER NOT NULL,
    -- The next journal offset to be read.
    next_offset INTEGER NOT NULL,
    -- The last counting record below it, by which a lost journal is recognised: its offset.
    mark_offset INTEGER,
    -- The last counting record below it: its term.
    mark_term INTEGER,
    -- The last counting record below it: its step number; null for a taking.
    mark_number INTEGER,
    -- When the last projected step was decided.
    time INTEGER NOT NULL,
    -- JSON: the whole position, with input positions and effects_through.
    position TEXT NOT NULL
) STRICT;

-- Where the events of a run stand in the journal: a row for each projected batch that held some. Rows are only ever added.
CREATE TABLE orchestrator_run_offsets (
    -- The run.
    run_id TEXT NOT NULL,
    -- The first of the offsets.
    first_offset INTEGER NOT NULL,
    -- Offsets, in its partition's journal, of the steps that hold its events, ascending. JSON.
    offsets TEXT NOT NULL,
    PRIMARY KEY (run_id, first_offset)
) STRICT;

CREATE INDEX orchestrator_workflow_states_unfinished ON orchestrator_workflow_states (partition) WHERE ended_at IS NULL;
CREATE INDEX orchestrator_workflow_states_ended ON orchestrator_workflow_states (partition, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX orchestrator_workflow_states_started ON orchestrator_workflow_states (started_at);
CREATE INDEX orchestrator_workflow_states_workflow ON orchestrator_workflow_states (workflow_id);
CREATE INDEX orchestrator_error_logs_time ON orchestrator_error_logs (time);
