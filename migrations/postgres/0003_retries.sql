-- Why: a failed attempt may be followed by another one. No column changes, only what some of them say.

COMMENT ON COLUMN orchestrator_workflow_states.nodes_failed IS 'How many of its nodes have failed for good: no other attempt follows.';
COMMENT ON COLUMN orchestrator_workflow_states.nodes_open IS 'How many of its nodes are scheduled, running, or awaiting_retry: an attempt has failed and the next one is due later.';
COMMENT ON COLUMN orchestrator_workflow_states.state IS 'JSON: the rest of the state, for recovery: settings, plans, and the nodes that are open or have failed, each with its status (scheduled, running, awaiting_retry or failed), when its next attempt is due, and its failed attempts. Completed nodes stand in orchestrator_agent_results alone.';
COMMENT ON TABLE orchestrator_agent_results IS 'One row for each attempt that has ended: several for a node that was tried again. Rows are only ever added.';
COMMENT ON COLUMN orchestrator_agent_results.status IS 'completed or failed: how the attempt ended. A failed one may be followed by another.';
COMMENT ON COLUMN orchestrator_performance_metrics.failures IS 'Those of them that failed, whether or not another attempt followed.';
