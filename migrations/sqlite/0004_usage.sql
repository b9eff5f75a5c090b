-- Why: attempts cost money. What their workers say of it belongs beside their results, and into the sums.
--
-- The same columns as in Postgres: billionths of the installation's currency, and tokens; null: the worker did not say.

ALTER TABLE orchestrator_agent_results ADD COLUMN cost_nanos INTEGER;
ALTER TABLE orchestrator_agent_results ADD COLUMN input_tokens INTEGER;
ALTER TABLE orchestrator_agent_results ADD COLUMN output_tokens INTEGER;

ALTER TABLE orchestrator_performance_metrics ADD COLUMN cost_nanos INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orchestrator_performance_metrics ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE orchestrator_performance_metrics ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
