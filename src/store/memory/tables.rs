//! The tables, as ordered maps.

use super::letters::LetterHalves;
use crate::core::id::{AgentName, LetterId, NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::row::{ErrorRow, MetricRow, OperationRow, ProjectionBatch, ResultRow, RunRow, partition_subject};
use crate::store::{EndedRun, Position, Snapshot, StoredRun};
use std::collections::BTreeMap;

/// All tables.
#[derive(Clone, Default)]
pub struct Tables {
    /// By partition.
    pub positions: BTreeMap<u32, Position>,
    /// By run, with the partition.
    pub runs: BTreeMap<RunId, (u32, RunRow)>,
    /// By run and node.
    pub carried: BTreeMap<RunId, BTreeMap<NodeId, Json>>,
    /// By run and sequence.
    pub results: BTreeMap<RunId, BTreeMap<u64, ResultRow>>,
    /// By subject and sequence.
    pub operations: BTreeMap<String, BTreeMap<u64, OperationRow>>,
    /// By subject and sequence.
    pub errors: BTreeMap<String, BTreeMap<u64, ErrorRow>>,
    /// By id.
    pub letters: BTreeMap<LetterId, LetterHalves>,
    /// By partition, agent and minute.
    pub metrics: BTreeMap<(u32, AgentName, Timestamp), MetricRow>,
    /// By run, ascending.
    pub offsets: BTreeMap<RunId, Vec<u64>>,
    /// By partition and workflow, ascending.
    pub workflow_offsets: BTreeMap<(u32, WorkflowId), Vec<u64>>,
}

impl Tables {
    /// Writes a batch.
    pub fn write(&mut self, batch: &ProjectionBatch) {
        self.positions.insert(batch.partition, batch.next.clone());
        for row in &batch.runs {
            self.runs.insert(row.run.run_id.clone(), (batch.partition, row.clone()));
        }
        for row in &batch.carried {
            let outputs = self.carried.entry(row.run_id.clone()).or_default();
            outputs.entry(row.node_id.clone()).or_insert_with(|| row.output.clone());
        }
        for row in &batch.results {
            let rows = self.results.entry(row.run_id.clone()).or_default();
            rows.entry(row.sequence).or_insert_with(|| row.clone());
        }
        for row in &batch.operations {
            let rows = self.operations.entry(row.subject.clone()).or_default();
            rows.entry(row.sequence).or_insert_with(|| row.clone());
        }
        for row in &batch.errors {
            let rows = self.errors.entry(row.subject.clone()).or_default();
            rows.entry(row.sequence).or_insert_with(|| row.clone());
        }
        for row in &batch.letters {
            let halves = self.letters.entry(row.letter.letter_id.clone()).or_default();
            halves.letter = Some((batch.partition, row.clone()));
        }
        for row in &batch.handled {
            self.letters.entry(row.letter_id.clone()).or_default().handle(row);
        }
        for row in &batch.metrics {
            let key = (batch.partition, row.agent_name.clone(), row.minute);
            self.metrics.entry(key).and_modify(|sum| sum.add(row)).or_insert_with(|| row.clone());
        }
        for row in &batch.offsets {
            self.offsets.entry(row.run_id.clone()).or_default().extend(&row.offsets);
        }
        for row in &batch.workflow_offsets {
            let key = (batch.partition, row.workflow_id.clone());
            self.workflow_offsets.entry(key).or_default().extend(&row.offsets);
        }
    }

    /// Forgets everything of a partition.
    pub fn forget(&mut self, partition: u32) {
        self.positions.remove(&partition);
        let runs: Vec<RunId> =
            self.runs.iter().filter(|(_, (place, _))| *place == partition).map(|(run_id, _)| run_id.clone()).collect();
        for run_id in runs {
            self.runs.remove(&run_id);
            self.carried.remove(&run_id);
            self.results.remove(&run_id);
            self.offsets.remove(&run_id);
            self.operations.remove(run_id.as_str());
            self.errors.remove(run_id.as_str());
        }
        self.operations.remove(&partition_subject(partition));
        self.errors.remove(&partition_subject(partition));
        self.letters.retain(|_, halves| halves.letter.as_ref().is_none_or(|(place, _)| *place != partition));
        self.workflow_offsets.retain(|(place, _), _| *place != partition);
        self.metrics.retain(|(place, _, _), _| *place != partition);
    }

    /// One view of a partition.
    pub fn snapshot(&self, partition: u32, ended_since: Timestamp, max_ended: usize) -> Option<Snapshot> {
        let position = self.positions.get(&partition)?.clone();
        let here = || self.runs.values().filter(|(p, _)| *p == partition).map(|(_, row)| row);
        let runs = here().filter(|row| row.run.ended_at.is_none());
        let runs = runs.map(|row| StoredRun { run: self.whole(&row.run), chain: row.chain }).collect();
        let mut ended: Vec<EndedRun> = here().filter_map(ended).filter(|run| run.ended_at >= ended_since).collect();
        ended.sort_by(|a, b| (a.ended_at, &a.run_id).cmp(&(b.ended_at, &b.run_id)));
        let ended = ended.split_off(ended.len().saturating_sub(max_ended));
        Some(Snapshot { position, runs, ended })
    }

    /// The runs of a partition, without outputs.
    pub fn of_partition(&self, partition: u32) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(move |(place, _)| *place == partition).map(|(_, row)| &row.run)
    }

    /// The run with the outputs of its nodes.
    pub fn whole(&self, run: &Run) -> Run {
        let mut run = run.clone();
        for (node_id, output) in self.carried.get(&run.run_id).into_iter().flatten() {
            let node = run.nodes.get_mut(node_id).filter(|node| node.is_carried());
            node.into_iter().for_each(|node| node.output = Some(output.clone()));
        }
        for result in self.results.get(&run.run_id).into_iter().flat_map(BTreeMap::values) {
            let node = run.nodes.get_mut(&result.node_id);
            if let Some(node) = node.filter(|node| node.status.has_output()) {
                node.output.clone_from(&result.output);
            }
        }
        run
    }
}

fn ended(row: &RunRow) -> Option<EndedRun> {
    Some(EndedRun {
        workflow_id: row.run.workflow_id.clone(),
        run_id: row.run.run_id.clone(),
        payload_hash: row.run.payload_hash.clone(),
        origin: row.run.origin.clone(),
        status: row.run.status,
        ended_at: row.run.ended_at?,
    })
}
