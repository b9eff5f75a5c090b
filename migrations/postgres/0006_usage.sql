-- Why: attempts cost money. What their workers say of it belongs beside their results, and into the sums.

ALTER TABLE orchestrator_agent_results
    ADD COLUMN cost_nanos    bigint,
    ADD COLUMN input_tokens  bigint,
    ADD COLUMN output_tokens bigint;

COMMENT ON COLUMN orchestrator_agent_results.cost_nanos IS 'What the attempt cost, in billionths of the installation''s currency; null: its worker did not say.';
COMMENT ON COLUMN orchestrator_agent_results.input_tokens IS 'Tokens that a model read; null: its worker did not say.';
COMMENT ON COLUMN orchestrator_agent_results.output_tokens IS 'Tokens that a model wrote; null: its worker did not say.';

ALTER TABLE orchestrator_performance_metrics
    ADD COLUMN cost_nanos    bigint NOT NULL DEFAULT 0,
    ADD COLUMN input_tokens  bigint NOT NULL DEFAULT 0,
    ADD COLUMN output_tokens bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN orchestrator_performance_metrics.cost_nanos IS 'Sum of what the calls cost, as far as their workers said, in billionths of the installation''s currency.';
COMMENT ON COLUMN orchestrator_performance_metrics.input_tokens IS 'Tokens that models read, as far as their workers said.';
COMMENT ON COLUMN orchestrator_performance_metrics.output_tokens IS 'Tokens that models wrote, as far as their workers said.';
