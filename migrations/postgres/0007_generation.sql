-- Why: a projector holds the state of unfinished runs in memory. When the tables are made anew because they were damaged, it
-- has to notice, or it would write the damaged state again.

ALTER TABLE orchestrator_projector_positions ADD COLUMN generation bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN orchestrator_projector_positions.generation IS 'Which making of the tables this is: 0 as they were first made, another number after each rebuild. A projector that has loaded its state from another one drops it.';
