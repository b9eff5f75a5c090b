-- Why: the outputs that a run takes over from another one stood in its state, which is written with every batch that moves
-- the run. They never change, so they are written once.

CREATE TABLE orchestrator_carried_outputs (
    run_id  text NOT NULL,
    node_id text NOT NULL,
    output  text NOT NULL,
    PRIMARY KEY (run_id, node_id)
);

-- Those that stand in states, as they are spelled there. Postgres reads no text with \u0000, so that no \u is shown to it.
INSERT INTO orchestrator_carried_outputs (run_id, node_id, output)
    SELECT s.run_id, n.key, replace((n.value -> 'output')::text, '\/~u', '\u')
    FROM (SELECT run_id, replace(state, '\u', '\/~u')::json -> 'nodes' AS nodes FROM orchestrator_workflow_states
          WHERE position('"output":' IN state) > 0) s
    CROSS JOIN LATERAL json_each(s.nodes) n
    WHERE n.value -> 'output' IS NOT NULL;

COMMENT ON TABLE orchestrator_carried_outputs IS 'The outputs that a run has taken over from the run that it goes on from, a row for each node. Rows are only ever added.';
COMMENT ON COLUMN orchestrator_carried_outputs.run_id IS 'The run that has taken them over.';
COMMENT ON COLUMN orchestrator_carried_outputs.node_id IS 'The node.';
COMMENT ON COLUMN orchestrator_carried_outputs.output IS 'JSON: its output.';
COMMENT ON COLUMN orchestrator_workflow_states.state IS 'JSON: the rest of the state, for recovery: settings, plans, and the nodes that are open, have failed or were cancelled or carried over from another run, each with its status, when its next attempt is due, and its failed attempts. Nodes that ended with an output stand in orchestrator_agent_results alone, and the outputs of those carried over in orchestrator_carried_outputs.';
