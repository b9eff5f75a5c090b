-- Why: everything that people and recovery ask of the store is folded from the journal into these tables; losing
-- them loses nothing, a projector that starts at the journal's beginning writes them again.
--
-- JSON stands in columns of type text: Postgres then neither parses it again (it was checked where it came in) nor
-- changes its spelling, which run histories and hashes depend on. Cast where you look inside: answer::jsonb.
-- U+0000, which Postgres cannot hold in text, is written as U+FFFD.

CREATE TABLE orchestrator_workflow_states (
    run_id             text        NOT NULL PRIMARY KEY,
    workflow_id        text        NOT NULL,
    partition          bigint      NOT NULL,
    definition_name    text        NOT NULL,
    definition_version bigint      NOT NULL,
    definition_hash    text        NOT NULL,
    conversation_id    text,
    status             text        NOT NULL,
    sequence           bigint      NOT NULL,
    nodes_completed    bigint      NOT NULL,
    nodes_failed       bigint      NOT NULL,
    nodes_open         bigint      NOT NULL,
    started_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    ended_at           timestamptz,
    answer             text,
    error_node         text,
    error_class        text,
    error_code         text,
    error_message      text,
    input              text        NOT NULL,
    payload_hash       text        NOT NULL,
    traceparent        text,
    origin_topic       text        NOT NULL,
    origin_partition   bigint      NOT NULL,
    origin_offset      bigint      NOT NULL,
    origin_time        timestamptz NOT NULL,
    chain              bytea       NOT NULL,
    state              text        NOT NULL
) WITH (fillfactor = 70);

-- A run's row is updated with every batch that moves it. Only ended_at, which changes once, is in an index together
-- with what never changes, so that all other updates stay within their page (HOT).
CREATE INDEX orchestrator_workflow_states_unfinished ON orchestrator_workflow_states (partition) WHERE ended_at IS NULL;
CREATE INDEX orchestrator_workflow_states_ended
    ON orchestrator_workflow_states (partition, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX orchestrator_workflow_states_started ON orchestrator_workflow_states (started_at);
CREATE INDEX orchestrator_workflow_states_workflow ON orchestrator_workflow_states (workflow_id);

COMMENT ON TABLE orchestrator_workflow_states IS 'One row a run: its state after the last projected event. A run that has ended never changes.';
COMMENT ON COLUMN orchestrator_workflow_states.run_id IS 'The run: 32 hexadecimal digits, derived from where its request stood.';
COMMENT ON COLUMN orchestrator_workflow_states.workflow_id IS 'The client''s key for all runs that belong together.';
COMMENT ON COLUMN orchestrator_workflow_states.partition IS 'The partition that the workflow lives in.';
COMMENT ON COLUMN orchestrator_workflow_states.definition_name IS 'What it executes: the name of the definition.';
COMMENT ON COLUMN orchestrator_workflow_states.definition_version IS 'What it executes: the version of the definition.';
COMMENT ON COLUMN orchestrator_workflow_states.definition_hash IS 'What it executes: SHA-256 of the definition''s content.';
COMMENT ON COLUMN orchestrator_workflow_states.conversation_id IS 'The conversation that it belongs to.';
COMMENT ON COLUMN orchestrator_workflow_states.status IS 'initializing, planning, executing_single, executing_parallel, synthesizing, responding, paused, waiting, completed, failed or cancelled.';
COMMENT ON COLUMN orchestrator_workflow_states.sequence IS 'How many events the run has.';
COMMENT ON COLUMN orchestrator_workflow_states.nodes_completed IS 'How many of its nodes have completed.';
COMMENT ON COLUMN orchestrator_workflow_states.nodes_failed IS 'How many of its nodes have failed.';
COMMENT ON COLUMN orchestrator_workflow_states.nodes_open IS 'How many of its nodes are scheduled or running.';
COMMENT ON COLUMN orchestrator_workflow_states.started_at IS 'When the run started.';
COMMENT ON COLUMN orchestrator_workflow_states.updated_at IS 'When its last event was decided.';
COMMENT ON COLUMN orchestrator_workflow_states.ended_at IS 'When it ended; null while it runs.';
COMMENT ON COLUMN orchestrator_workflow_states.answer IS 'JSON: the answer of a run that has completed.';
COMMENT ON COLUMN orchestrator_workflow_states.error_node IS 'Of a run that has failed: the node that caused it.';
COMMENT ON COLUMN orchestrator_workflow_states.error_class IS 'Of a run that has failed: retryable, non_retryable, timeout, rate_limited, contract or cancelled.';
COMMENT ON COLUMN orchestrator_workflow_states.error_code IS 'Of a run that has failed: a short stable word.';
COMMENT ON COLUMN orchestrator_workflow_states.error_message IS 'Of a run that has failed: a sentence.';
COMMENT ON COLUMN orchestrator_workflow_states.input IS 'JSON: the input of its request.';
COMMENT ON COLUMN orchestrator_workflow_states.payload_hash IS 'Tells requests with another payload apart: 32 hexadecimal digits.';
COMMENT ON COLUMN orchestrator_workflow_states.traceparent IS 'The W3C trace context of its request.';
COMMENT ON COLUMN orchestrator_workflow_states.origin_topic IS 'Where its request stood first: the topic.';
COMMENT ON COLUMN orchestrator_workflow_states.origin_partition IS 'Where its request stood first: the partition.';
COMMENT ON COLUMN orchestrator_workflow_states.origin_offset IS 'Where its request stood first: the offset.';
COMMENT ON COLUMN orchestrator_workflow_states.origin_time IS 'When its request was appended there.';
COMMENT ON COLUMN orchestrator_workflow_states.chain IS 'The hash chain over its events, 16 bytes.';
COMMENT ON COLUMN orchestrator_workflow_states.state IS 'JSON: the rest of the state, for recovery: settings, plans, and the nodes that are open or have failed. Completed nodes stand in orchestrator_agent_results alone.';

CREATE TABLE orchestrator_agent_results (
    run_id       text        NOT NULL,
    sequence     bigint      NOT NULL,
    workflow_id  text        NOT NULL,
    node_id      text        NOT NULL,
    attempt      bigint      NOT NULL,
    agent_name   text        NOT NULL,
    status       text        NOT NULL,
    output       text,
    error_class  text,
    error_code   text,
    error_message text,
    error_details text,
    timeout_ms   bigint      NOT NULL,
    scheduled_at timestamptz NOT NULL,
    started_at   timestamptz,
    ended_at     timestamptz NOT NULL,
    PRIMARY KEY (run_id, sequence)
);

COMMENT ON TABLE orchestrator_agent_results IS 'One row for each attempt that has ended. Rows are only ever added.';
COMMENT ON COLUMN orchestrator_agent_results.run_id IS 'The run.';
COMMENT ON COLUMN orchestrator_agent_results.sequence IS 'The number, within the run, of the event that ended the attempt.';
COMMENT ON COLUMN orchestrator_agent_results.workflow_id IS 'The workflow.';
COMMENT ON COLUMN orchestrator_agent_results.node_id IS 'The node.';
COMMENT ON COLUMN orchestrator_agent_results.attempt IS 'The attempt, counted from 1.';
COMMENT ON COLUMN orchestrator_agent_results.agent_name IS 'Who executed it.';
COMMENT ON COLUMN orchestrator_agent_results.status IS 'completed or failed.';
COMMENT ON COLUMN orchestrator_agent_results.output IS 'JSON: what the agent returned, of a completed attempt.';
COMMENT ON COLUMN orchestrator_agent_results.error_class IS 'Of a failed attempt: retryable, non_retryable, timeout, rate_limited, contract or cancelled.';
COMMENT ON COLUMN orchestrator_agent_results.error_code IS 'Of a failed attempt: a short stable word.';
COMMENT ON COLUMN orchestrator_agent_results.error_message IS 'Of a failed attempt: a sentence.';
COMMENT ON COLUMN orchestrator_agent_results.error_details IS 'JSON, of a failed attempt: more, e.g. {"pointer": "/total"}.';
COMMENT ON COLUMN orchestrator_agent_results.timeout_ms IS 'How long the attempt might have taken from started_at, in milliseconds.';
COMMENT ON COLUMN orchestrator_agent_results.scheduled_at IS 'When it was handed to its agent.';
COMMENT ON COLUMN orchestrator_agent_results.started_at IS 'When a worker said that it works on it; null where the result came before such a word.';
COMMENT ON COLUMN orchestrator_agent_results.ended_at IS 'When its end was decided.';

CREATE TABLE orchestrator_operation_logs (
    subject      text        NOT NULL,
    sequence     bigint      NOT NULL,
    workflow_id  text        NOT NULL,
    time         timestamptz NOT NULL,
    operation    text        NOT NULL,
    node_id      text,
    agent_name   text,
    attempt      bigint,
    status       text,
    duration_us  bigint,
    from_status  text,
    to_status    text,
    reason       text,
    message      text,
    to_partition bigint,
    PRIMARY KEY (subject, sequence)
);

COMMENT ON TABLE orchestrator_operation_logs IS 'What was done, a row each. Rows are only ever added.';
COMMENT ON COLUMN orchestrator_operation_logs.subject IS 'The run, or partition-N for what concerns no run.';
COMMENT ON COLUMN orchestrator_operation_logs.sequence IS 'The number of the event within its subject.';
COMMENT ON COLUMN orchestrator_operation_logs.workflow_id IS 'The workflow.';
COMMENT ON COLUMN orchestrator_operation_logs.time IS 'When it was decided.';
COMMENT ON COLUMN orchestrator_operation_logs.operation IS 'agent_call (an attempt ended), state_transition, input_rejected or input_forwarded.';
COMMENT ON COLUMN orchestrator_operation_logs.node_id IS 'agent_call: the node.';
COMMENT ON COLUMN orchestrator_operation_logs.agent_name IS 'agent_call: who executed it.';
COMMENT ON COLUMN orchestrator_operation_logs.attempt IS 'agent_call: the attempt.';
COMMENT ON COLUMN orchestrator_operation_logs.status IS 'agent_call: completed or failed.';
COMMENT ON COLUMN orchestrator_operation_logs.duration_us IS 'agent_call: from scheduled to ended, in microseconds.';
COMMENT ON COLUMN orchestrator_operation_logs.from_status IS 'state_transition: the state before.';
COMMENT ON COLUMN orchestrator_operation_logs.to_status IS 'state_transition: the state after.';
COMMENT ON COLUMN orchestrator_operation_logs.reason IS 'input_rejected: a short stable word.';
COMMENT ON COLUMN orchestrator_operation_logs.message IS 'input_rejected: a sentence.';
COMMENT ON COLUMN orchestrator_operation_logs.to_partition IS 'input_forwarded: the partition that it was sent to.';

CREATE TABLE orchestrator_error_logs (
    subject     text        NOT NULL,
    sequence    bigint      NOT NULL,
    event       text        NOT NULL,
    workflow_id text,
    node_id     text,
    agent_name  text,
    attempt     bigint,
    class       text,
    code        text        NOT NULL,
    message     text        NOT NULL,
    details     text,
    time        timestamptz NOT NULL,
    PRIMARY KEY (subject, sequence)
);
CREATE INDEX orchestrator_error_logs_time ON orchestrator_error_logs (time);

COMMENT ON TABLE orchestrator_error_logs IS 'What went wrong, a row each: failed nodes and runs, refused inputs, effects that could not be performed. Rows are only ever added.';
COMMENT ON COLUMN orchestrator_error_logs.subject IS 'The run, or partition-N for what concerns no run.';
COMMENT ON COLUMN orchestrator_error_logs.sequence IS 'The number of the event within its subject.';
COMMENT ON COLUMN orchestrator_error_logs.event IS 'NodeFailed, WorkflowFailed, InputRefused or EffectFailed.';
COMMENT ON COLUMN orchestrator_error_logs.workflow_id IS 'The workflow, as far as it is known.';
COMMENT ON COLUMN orchestrator_error_logs.node_id IS 'The node.';
COMMENT ON COLUMN orchestrator_error_logs.agent_name IS 'Who executed it.';
COMMENT ON COLUMN orchestrator_error_logs.attempt IS 'The attempt.';
COMMENT ON COLUMN orchestrator_error_logs.class IS 'retryable, non_retryable, timeout, rate_limited, contract or cancelled; null for refusals and effects.';
COMMENT ON COLUMN orchestrator_error_logs.code IS 'A short stable word: the failure''s code, the reason of a refusal, the kind of an effect.';
COMMENT ON COLUMN orchestrator_error_logs.message IS 'A sentence: what was expected, what was found.';
COMMENT ON COLUMN orchestrator_error_logs.details IS 'JSON: more, e.g. {"pointer": "/total"}.';
COMMENT ON COLUMN orchestrator_error_logs.time IS 'When it was decided.';

CREATE TABLE orchestrator_performance_metrics (
    partition   bigint      NOT NULL,
    agent_name  text        NOT NULL,
    minute      timestamptz NOT NULL,
    calls       bigint      NOT NULL,
    failures    bigint      NOT NULL,
    duration_us bigint      NOT NULL,
    upto_5ms    bigint      NOT NULL,
    upto_10ms   bigint      NOT NULL,
    upto_25ms   bigint      NOT NULL,
    upto_50ms   bigint      NOT NULL,
    upto_100ms  bigint      NOT NULL,
    upto_250ms  bigint      NOT NULL,
    upto_500ms  bigint      NOT NULL,
    upto_1s     bigint      NOT NULL,
    upto_5s     bigint      NOT NULL,
    upto_15s    bigint      NOT NULL,
    upto_60s    bigint      NOT NULL,
    upto_300s   bigint      NOT NULL,
    longer      bigint      NOT NULL,
    PRIMARY KEY (partition, agent_name, minute)
) WITH (fillfactor = 70);

COMMENT ON TABLE orchestrator_performance_metrics IS 'Per agent and minute: calls, failures and a histogram of durations. Partitions write rows of their own; sum over them.';
COMMENT ON COLUMN orchestrator_performance_metrics.partition IS 'The partition whose calls these are.';
COMMENT ON COLUMN orchestrator_performance_metrics.agent_name IS 'The agent.';
COMMENT ON COLUMN orchestrator_performance_metrics.minute IS 'The start of the minute in which the calls ended.';
COMMENT ON COLUMN orchestrator_performance_metrics.calls IS 'Attempts that ended.';
COMMENT ON COLUMN orchestrator_performance_metrics.failures IS 'Those of them that failed.';
COMMENT ON COLUMN orchestrator_performance_metrics.duration_us IS 'Sum of the durations, from scheduled to ended, in microseconds.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_5ms IS 'Calls of up to 5 ms. Each call is in one bucket alone.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_10ms IS 'Calls of over 5 and up to 10 ms.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_25ms IS 'Calls of over 10 and up to 25 ms.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_50ms IS 'Calls of over 25 and up to 50 ms.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_100ms IS 'Calls of over 50 and up to 100 ms.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_250ms IS 'Calls of over 100 and up to 250 ms.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_500ms IS 'Calls of over 250 and up to 500 ms.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_1s IS 'Calls of over 500 ms and up to 1 s.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_5s IS 'Calls of over 1 and up to 5 s.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_15s IS 'Calls of over 5 and up to 15 s.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_60s IS 'Calls of over 15 and up to 60 s.';
COMMENT ON COLUMN orchestrator_performance_metrics.upto_300s IS 'Calls of over 60 and up to 300 s.';
COMMENT ON COLUMN orchestrator_performance_metrics.longer IS 'Calls of over 300 s.';

CREATE TABLE orchestrator_conversation_memory (
    conversation_id text             NOT NULL,
    note_id         text             NOT NULL,
    kind            text             NOT NULL,
    content         text             NOT NULL,
    workflow_id     text,
    run_id          text,
    weight          double precision NOT NULL DEFAULT 1,
    created_at      timestamptz      NOT NULL,
    PRIMARY KEY (conversation_id, note_id)
);

COMMENT ON TABLE orchestrator_conversation_memory IS 'Structured notes that the workflows of a conversation share.';
COMMENT ON COLUMN orchestrator_conversation_memory.conversation_id IS 'The conversation.';
COMMENT ON COLUMN orchestrator_conversation_memory.note_id IS 'The note within it.';
COMMENT ON COLUMN orchestrator_conversation_memory.kind IS 'What kind of note it is, e.g. fact, decision, preference.';
COMMENT ON COLUMN orchestrator_conversation_memory.content IS 'JSON: the note.';
COMMENT ON COLUMN orchestrator_conversation_memory.workflow_id IS 'The workflow that wrote it.';
COMMENT ON COLUMN orchestrator_conversation_memory.run_id IS 'The run that wrote it.';
COMMENT ON COLUMN orchestrator_conversation_memory.weight IS 'How much attention it deserves, against others of its conversation.';
COMMENT ON COLUMN orchestrator_conversation_memory.created_at IS 'When it was written.';

CREATE TABLE orchestrator_projector_positions (
    partition   bigint      NOT NULL PRIMARY KEY,
    format      bigint      NOT NULL,
    next_offset bigint      NOT NULL,
    mark_offset bigint,
    mark_term   bigint,
    mark_number bigint,
    time        timestamptz NOT NULL,
    position    text        NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE orchestrator_projector_positions IS 'How far each partition''s journal has been projected. Written in the same transaction as the rows; comparing it before writing keeps a second projector out.';
COMMENT ON COLUMN orchestrator_projector_positions.partition IS 'The partition.';
COMMENT ON COLUMN orchestrator_projector_positions.format IS 'The format of the projected state. A program that knows only lower ones does not touch it.';
COMMENT ON COLUMN orchestrator_projector_positions.next_offset IS 'The next journal offset to be read.';
COMMENT ON COLUMN orchestrator_projector_positions.mark_offset IS 'The last counting record below it, by which a lost journal is recognised: its offset.';
COMMENT ON COLUMN orchestrator_projector_positions.mark_term IS 'The last counting record below it: its term.';
COMMENT ON COLUMN orchestrator_projector_positions.mark_number IS 'The last counting record below it: its step number; null for a taking.';
COMMENT ON COLUMN orchestrator_projector_positions.time IS 'When the last projected step was decided.';
COMMENT ON COLUMN orchestrator_projector_positions.position IS 'JSON: the whole position, with input positions and effects_through.';

CREATE TABLE orchestrator_run_offsets (
    run_id       text     NOT NULL,
    first_offset bigint   NOT NULL,
    offsets      bigint[] NOT NULL,
    PRIMARY KEY (run_id, first_offset)
);

COMMENT ON TABLE orchestrator_run_offsets IS 'Where the events of a run stand in the journal: a row for each projected batch that held some. Rows are only ever added.';
COMMENT ON COLUMN orchestrator_run_offsets.run_id IS 'The run.';
COMMENT ON COLUMN orchestrator_run_offsets.first_offset IS 'The first of the offsets.';
COMMENT ON COLUMN orchestrator_run_offsets.offsets IS 'Offsets, in its partition''s journal, of the steps that hold its events, ascending.';
