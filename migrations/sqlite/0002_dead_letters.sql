-- Why: dead letters are worked off by people: listed, grouped by what went wrong, handed in again. For that they have
-- to be found without reading the topic from its start, together with what has been done with each.
--
-- A letter's row is made by whichever comes first: the letter, or word of what was done with it, which may stand in
-- another partition's journal. Until the letter itself has come, its columns are null.
--
-- The same tables and columns as in Postgres.

-- Exhausted nodes and refused inputs, a row each, with what has been done with them.
CREATE TABLE orchestrator_dead_letters (
    -- What the letter is called: 16 hexadecimal digits, derived from the event that made it.
    letter_id TEXT NOT NULL PRIMARY KEY,
    -- node (an exhausted node) or input (a refused record of requests, signals or results); null until the letter itself has been projected.
    kind TEXT,
    -- The partition in whose journal the event stands.
    partition INTEGER,
    -- The run, or partition-N: whose event it is.
    subject TEXT,
    -- The number of the event within its subject.
    sequence INTEGER,
    -- The workflow, as far as it is known.
    workflow_id TEXT,
    -- node: the run.
    run_id TEXT,
    -- node: the node.
    node_id TEXT,
    -- node: who executed it.
    agent_name TEXT,
    -- node: the attempt that failed last.
    attempt INTEGER,
    -- node: the name of the run's definition.
    definition_name TEXT,
    -- node: retryable, non_retryable, timeout, rate_limited, contract or cancelled.
    class TEXT,
    -- A short stable word: the failure's code, the reason of a refusal.
    code TEXT,
    -- A sentence: what was expected, what was found.
    message TEXT,
    -- JSON: more, e.g. {"pointer": "/total"}.
    details TEXT,
    -- The same for letters of the same fault: 16 hexadecimal digits.
    fingerprint TEXT,
    -- input: where it stood first: the topic.
    origin_topic TEXT,
    -- input: where it stood first: the partition.
    origin_partition INTEGER,
    -- input: where it stood first: the offset.
    origin_offset INTEGER,
    -- input: when it was appended there.
    origin_time INTEGER,
    -- JSON: the whole letter, as it stands in the topic dead-letters.
    letter TEXT,
    -- When the failure or the refusal was decided.
    time INTEGER,
    -- open, redriven, edited, skipped, supplied or discarded.
    state TEXT NOT NULL DEFAULT 'open',
    -- When it was last handled; null while it is open.
    handled_at INTEGER,
    -- Who did it.
    handled_by TEXT,
    -- Why, in his words.
    note TEXT,
    -- The run that this started.
    handled_run_id TEXT
) STRICT;

CREATE INDEX orchestrator_dead_letters_time ON orchestrator_dead_letters (time, letter_id) WHERE kind IS NOT NULL;
CREATE INDEX orchestrator_dead_letters_open
    ON orchestrator_dead_letters (time, letter_id) WHERE kind IS NOT NULL AND state = 'open';
CREATE INDEX orchestrator_dead_letters_fingerprint ON orchestrator_dead_letters (fingerprint, time);
CREATE INDEX orchestrator_dead_letters_workflow ON orchestrator_dead_letters (workflow_id);


-- Rows from before this have an empty fingerprint, and are in no group.

-- The same for errors of the same fault: 16 hexadecimal digits; empty in rows from before there were fingerprints.
ALTER TABLE orchestrator_error_logs ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
CREATE INDEX orchestrator_error_logs_fingerprint ON orchestrator_error_logs (fingerprint, time);
