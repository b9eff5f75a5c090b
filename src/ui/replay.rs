//! A run as it was at a point of its history, for people and for programs.

use super::event::event_words;
use super::run::{failure_json, failure_words, json as run_json, show};
use super::stand_in::StandIn;
use super::style::{Paint, harmless, short};
use super::time::{duration, rfc3339, short as moment};
use super::used::{add_used, of_attempts};
use super::why::{Answer, why_json};
use crate::core::attempts::{Attempt, End, How};
use crate::core::breaker::BreakerState;
use crate::core::event::Recorded;
use crate::core::failure::Recovery;
use crate::core::id::{AgentName, NodeId};
use crate::core::json::Json;
use crate::core::time::Timestamp;
use crate::core::usage::Usage;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How much of an input or output people are shown; programs get all of it.
const SHOWN: usize = 160;

/// A run at a point of its history.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The last event before the point.
    pub event: &'a Recorded,
    /// The number of the run's last event.
    pub last: u64,
    /// The state, and why it was what it was. The present moment is that of the event.
    pub answer: Answer<'a>,
    /// What stood in for the outputs of nodes.
    pub stand_ins: &'a BTreeMap<NodeId, StandIn>,
    /// What each node was given, and what came of it.
    pub attempts: &'a BTreeMap<NodeId, Vec<Attempt>>,
    /// The nodes whose inputs were there and that had not been handed out; none: not known.
    pub ready: Option<&'a [NodeId]>,
    /// The circuit breakers of the partition that were not closed; none: not known.
    pub breakers: Option<&'a BTreeMap<AgentName, BreakerState>>,
}

impl View<'_> {
    /// The point, the run, its attempts, and why it was where it was.
    pub fn text(&self, paint: Paint) -> String {
        let Self { answer, stand_ins, .. } = self;
        let mut text = format!(
            "{}\n\n{}",
            self.headline(paint),
            show(answer.run, answer.partition, stand_ins, &of_attempts(self.attempts), paint)
        );
        if !self.attempts.is_empty() {
            let _ = write!(text, "\n{}\n{}", paint.strong("Inputs and outputs"), self.attempts_text(paint));
        }
        let _ = write!(text, "\n{}\n", paint.strong("Why"));
        if let Some(ready @ [_, ..]) = self.ready {
            let names: Vec<_> = ready.iter().map(NodeId::as_str).collect();
            let _ = writeln!(text, "ready: {}", names.join(", "));
        }
        text + &answer.text(paint)
    }

    /// Where in the history this is, in a line.
    pub fn headline(&self, paint: Paint) -> String {
        let Recorded { sequence, time, event, .. } = self.event;
        let place = paint.strong(&format!("event {sequence} of {}", self.last));
        format!("{place}, {} UTC: {}", moment(*time), event_words(event, paint))
    }

    fn attempts_text(&self, paint: Paint) -> String {
        let mut lines = String::new();
        let mut nodes: Vec<_> = self.attempts.iter().collect();
        nodes.sort_by_key(|(_, attempts)| attempts.first().map(|attempt| attempt.begun_by));
        for (node_id, attempts) in nodes {
            for attempt in attempts {
                let _ = write!(lines, "{}", attempt_text(node_id, attempt, paint));
            }
        }
        lines
    }

    /// For programs: the run as `show` has it, and what is told of the point.
    pub fn json(&self) -> Value {
        let Self { answer, event, .. } = self;
        let mut all = run_json(answer.run, answer.partition, self.stand_ins);
        add_used(&mut all, &of_attempts(self.attempts));
        let attempts = self.attempts.iter();
        let attempts: Map<String, Value> =
            attempts.map(|(id, of)| (id.to_string(), of.iter().map(attempt_json).collect())).collect();
        all["at"] = json!({
            "sequence": event.sequence,
            "of": self.last,
            "time": rfc3339(event.time),
            "event": event.event.name(),
        });
        all["attempts"] = attempts.into();
        all["plans"] =
            answer.run.plans.iter().map(|p| json!({ "planner": p.planner, "plan": p.plan.value() })).collect();
        all["ready"] = self.ready.map(|ready| ready.iter().map(NodeId::as_str).collect::<Vec<_>>()).into();
        all["why"] = why_json(answer);
        all["breakers"] = self.breakers.map_or(Value::Null, |breakers| {
            breakers.iter().map(|(agent, state)| (agent.to_string(), breaker_json(state))).collect::<Map<_, _>>().into()
        });
        all
    }
}

fn breaker_json(state: &BreakerState) -> Value {
    json!({
        "state": state.status.as_str(),
        "since": rfc3339(state.since),
        "until": state.until.map(rfc3339),
        "calls": state.calls,
        "failures": state.failures,
    })
}

fn attempt_text(node_id: &NodeId, attempt: &Attempt, paint: Paint) -> String {
    let Attempt { number, agent_name, input, begun_by, scheduled_at, end, .. } = attempt;
    let mut text = format!("{} ({agent_name})", paint.name(node_id.as_str()));
    if *number > 0 {
        let _ = write!(text, " attempt {number}");
    }
    let _ = writeln!(text, ", {}", paint.dim(&format!("event {begun_by}")));
    if let Some(input) = input {
        let _ = writeln!(text, "  given   {}", shown(input));
    }
    match end {
        Some(end) => text + &end_text(end, *begun_by, *scheduled_at, paint),
        None => text + "  under way\n",
    }
}

fn end_text(end: &End, begun_by: u64, scheduled_at: Timestamp, paint: Paint) -> String {
    let (word, what) = match &end.how {
        How::Completed(output) => (paint.good("gave   "), shown(output)),
        How::Failed(failure, _) => (paint.bad("failed "), short(&failure_words(None, failure), SHOWN)),
        How::Recovered(Recovery::Skip, output) => (paint.busy("skipped"), shown(output)),
        How::Recovered(_, output) => (paint.good("instead"), shown(output)),
        How::Carried(output) => (paint.good("carried"), shown(output)),
    };
    let mut place = String::new();
    if end.sequence != begun_by {
        let _ = write!(place, "  event {}, after {}", end.sequence, duration(end.at.since(scheduled_at)));
    }
    if let Some(usage) = &end.usage {
        let _ = write!(place, "; {}", usage_words(usage));
    }
    format!("  {word} {what}{}\n", paint.dim(&place))
}

/// What an attempt has used, in words.
pub fn usage_words(usage: &Usage) -> String {
    format!("cost {}, {} tokens in, {} out", usage.cost.amount(), usage.input_tokens, usage.output_tokens)
}

fn shown(json: &Json) -> String {
    short(&harmless(json.as_str()), SHOWN)
}

fn attempt_json(attempt: &Attempt) -> Value {
    let mut all = json!({
        "attempt": attempt.number,
        "agent_name": attempt.agent_name.as_str(),
        "input": attempt.input.as_ref().map(Json::value),
        "begun_by": attempt.begun_by,
        "scheduled_at": rfc3339(attempt.scheduled_at),
        "started_at": attempt.started_at.map(rfc3339),
        "ended_by": attempt.end.as_ref().map(|end| end.sequence),
        "ended_at": attempt.end.as_ref().map(|end| rfc3339(end.at)),
        "usage": attempt.end.as_ref().and_then(|end| end.usage),
        "end": null, "output": null, "error": null, "final_because": null,
    });
    match attempt.end.as_ref().map(|end| &end.how) {
        Some(How::Completed(output)) => (all["end"], all["output"]) = ("completed".into(), output.value()),
        Some(How::Carried(output)) => (all["end"], all["output"]) = ("carried".into(), output.value()),
        Some(How::Recovered(how, output)) => (all["end"], all["output"]) = (json!(how), output.value()),
        Some(How::Failed(failure, because)) => {
            (all["end"], all["error"]) = ("failed".into(), failure_json(None, failure));
            all["final_because"] = json!(because);
        }
        None => {}
    }
    all
}
