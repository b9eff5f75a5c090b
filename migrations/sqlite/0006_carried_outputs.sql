-- Why: the outputs that a run takes over from another one stood in its state, which is written with every batch that moves
-- the run. They never change, so they are written once.
--
-- The same table and columns as in Postgres.

-- The outputs that a run has taken over from the run that it goes on from, a row for each node. Rows are only ever added.
CREATE TABLE orchestrator_carried_outputs (
    -- The run that has taken them over.
    run_id TEXT NOT NULL,
    -- The node.
    node_id TEXT NOT NULL,
    -- JSON: its output.
    output TEXT NOT NULL,
    PRIMARY KEY (run_id, node_id)
) STRICT;

-- Those that stand in states, as they are spelled there.
INSERT INTO orchestrator_carried_outputs (run_id, node_id, output)
    SELECT s.run_id, n.key, n.value -> '$.output'
    FROM orchestrator_workflow_states s, json_each(s.state, '$.nodes') n
    WHERE instr(s.state, '"output":') > 0 AND n.value -> '$.output' IS NOT NULL;
