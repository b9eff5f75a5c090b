-- Why: what was done about a workflow beside its runs (an input that was rejected because it came too late, or refused,
-- a dead letter that was worked off) belongs into its history. For that its place in the journal has to be found.

CREATE TABLE orchestrator_workflow_offsets (
    workflow_id  text     NOT NULL,
    partition    bigint   NOT NULL,
    first_offset bigint   NOT NULL,
    offsets      bigint[] NOT NULL,
    PRIMARY KEY (workflow_id, partition, first_offset)
);

COMMENT ON TABLE orchestrator_workflow_offsets IS 'Where the events of a partition that name a workflow stand in the journal: a row for each projected batch that held some. Rows are only ever added.';
COMMENT ON COLUMN orchestrator_workflow_offsets.workflow_id IS 'The workflow.';
COMMENT ON COLUMN orchestrator_workflow_offsets.partition IS 'The partition whose events they are.';
COMMENT ON COLUMN orchestrator_workflow_offsets.first_offset IS 'The first of the offsets.';
COMMENT ON COLUMN orchestrator_workflow_offsets.offsets IS 'Offsets, in the partition''s journal, of the steps that hold the events, ascending.';
