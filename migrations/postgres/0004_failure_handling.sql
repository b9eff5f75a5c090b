-- Why: another output may stand in for that of a failed node, and a run's end cuts short what is under way. No column
-- changes, only what some of them say.

COMMENT ON COLUMN orchestrator_workflow_states.nodes_completed IS 'How many of its nodes have an output: completed, recovered (another output stands in for their own) or skipped (null does).';
COMMENT ON COLUMN orchestrator_workflow_states.nodes_failed IS 'How many of its nodes have failed for good, or were cancelled by the end of the run.';
COMMENT ON COLUMN orchestrator_workflow_states.state IS 'JSON: the rest of the state, for recovery: settings, plans, and the nodes that are open, have failed or were cancelled or carried over from another run, each with its status, when its next attempt is due, and its failed attempts. Nodes that ended with an output stand in orchestrator_agent_results alone.';
COMMENT ON TABLE orchestrator_agent_results IS 'One row for each attempt that has ended, and one for each output that stands in for that of a failed node. Rows are only ever added.';
COMMENT ON COLUMN orchestrator_agent_results.status IS 'completed or failed: how the attempt ended (a failed one may be followed by another); recovered or skipped: output stands in for that of the node.';
