-- Why: dead letters are worked off by people: listed, grouped by what went wrong, handed in again. For that they have
-- to be found without reading the topic from its start, together with what has been done with each.
--
-- A letter's row is made by whichever comes first: the letter, or word of what was done with it, which may stand in
-- another partition's journal. Until the letter itself has come, its columns are null.

CREATE TABLE orchestrator_dead_letters (
    letter_id        text COLLATE "C" NOT NULL PRIMARY KEY,
    kind             text,
    partition        bigint,
    subject          text,
    sequence         bigint,
    workflow_id      text,
    run_id           text,
    node_id          text,
    agent_name       text,
    attempt          bigint,
    definition_name  text,
    class            text,
    code             text,
    message          text,
    details          text,
    fingerprint      text COLLATE "C",
    origin_topic     text,
    origin_partition bigint,
    origin_offset    bigint,
    origin_time      timestamptz,
    letter           text,
    time             timestamptz,
    state            text NOT NULL DEFAULT 'open',
    handled_at       timestamptz,
    handled_by       text,
    note             text,
    handled_run_id   text
);

CREATE INDEX orchestrator_dead_letters_time ON orchestrator_dead_letters (time, letter_id) WHERE kind IS NOT NULL;
CREATE INDEX orchestrator_dead_letters_open
    ON orchestrator_dead_letters (time, letter_id) WHERE kind IS NOT NULL AND state = 'open';
CREATE INDEX orchestrator_dead_letters_fingerprint ON orchestrator_dead_letters (fingerprint, time);
CREATE INDEX orchestrator_dead_letters_workflow ON orchestrator_dead_letters (workflow_id);

COMMENT ON TABLE orchestrator_dead_letters IS 'Exhausted nodes and refused inputs, a row each, with what has been done with them.';
COMMENT ON COLUMN orchestrator_dead_letters.letter_id IS 'What the letter is called: 16 hexadecimal digits, derived from the event that made it.';
COMMENT ON COLUMN orchestrator_dead_letters.kind IS 'node (an exhausted node) or input (a refused record of requests, signals or results); null until the letter itself has been projected.';
COMMENT ON COLUMN orchestrator_dead_letters.partition IS 'The partition in whose journal the event stands.';
COMMENT ON COLUMN orchestrator_dead_letters.subject IS 'The run, or partition-N: whose event it is.';
COMMENT ON COLUMN orchestrator_dead_letters.sequence IS 'The number of the event within its subject.';
COMMENT ON COLUMN orchestrator_dead_letters.workflow_id IS 'The workflow, as far as it is known.';
COMMENT ON COLUMN orchestrator_dead_letters.run_id IS 'node: the run.';
COMMENT ON COLUMN orchestrator_dead_letters.node_id IS 'node: the node.';
COMMENT ON COLUMN orchestrator_dead_letters.agent_name IS 'node: who executed it.';
COMMENT ON COLUMN orchestrator_dead_letters.attempt IS 'node: the attempt that failed last.';
COMMENT ON COLUMN orchestrator_dead_letters.definition_name IS 'node: the name of the run''s definition.';
COMMENT ON COLUMN orchestrator_dead_letters.class IS 'node: retryable, non_retryable, timeout, rate_limited, contract or cancelled.';
COMMENT ON COLUMN orchestrator_dead_letters.code IS 'A short stable word: the failure''s code, the reason of a refusal.';
COMMENT ON COLUMN orchestrator_dead_letters.message IS 'A sentence: what was expected, what was found.';
COMMENT ON COLUMN orchestrator_dead_letters.details IS 'JSON: more, e.g. {"pointer": "/total"}.';
COMMENT ON COLUMN orchestrator_dead_letters.fingerprint IS 'The same for letters of the same fault: 16 hexadecimal digits.';
COMMENT ON COLUMN orchestrator_dead_letters.origin_topic IS 'input: where it stood first: the topic.';
COMMENT ON COLUMN orchestrator_dead_letters.origin_partition IS 'input: where it stood first: the partition.';
COMMENT ON COLUMN orchestrator_dead_letters.origin_offset IS 'input: where it stood first: the offset.';
COMMENT ON COLUMN orchestrator_dead_letters.origin_time IS 'input: when it was appended there.';
COMMENT ON COLUMN orchestrator_dead_letters.letter IS 'JSON: the whole letter, as it stands in the topic dead-letters.';
COMMENT ON COLUMN orchestrator_dead_letters.time IS 'When the failure or the refusal was decided.';
COMMENT ON COLUMN orchestrator_dead_letters.state IS 'open, redriven, edited, skipped, supplied or discarded.';
COMMENT ON COLUMN orchestrator_dead_letters.handled_at IS 'When it was last handled; null while it is open.';
COMMENT ON COLUMN orchestrator_dead_letters.handled_by IS 'Who did it.';
COMMENT ON COLUMN orchestrator_dead_letters.note IS 'Why, in his words.';
COMMENT ON COLUMN orchestrator_dead_letters.handled_run_id IS 'The run that this started.';

-- Rows from before this have an empty fingerprint, and are in no group.
ALTER TABLE orchestrator_error_logs ADD COLUMN fingerprint text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX orchestrator_error_logs_fingerprint ON orchestrator_error_logs (fingerprint, time);

COMMENT ON COLUMN orchestrator_error_logs.fingerprint IS 'The same for errors of the same fault: 16 hexadecimal digits; empty in rows from before there were fingerprints.';
