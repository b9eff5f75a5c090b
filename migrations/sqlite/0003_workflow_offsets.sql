-- Why: what was done about a workflow beside its runs (an input that was rejected because it came too late, or refused,
-- a dead letter that was worked off) belongs into its history. For that its place in the journal has to be found.
--
-- The same table and columns as in Postgres.

-- Where the events of a partition that name a workflow stand in the journal: a row for each projected batch that held
-- some. Rows are only ever added.
CREATE TABLE orchestrator_workflow_offsets (
    -- The workflow.
    workflow_id TEXT NOT NULL,
    -- The partition whose events they are.
    partition INTEGER NOT NULL,
    -- The first of the offsets.
    first_offset INTEGER NOT NULL,
    -- Offsets, in the partition's journal, of the steps that hold the events, ascending. JSON.
    offsets TEXT NOT NULL,
    PRIMARY KEY (workflow_id, partition, first_offset)
) STRICT;
