"""Folding a run's events into the rows that the store should hold. Written from the comments of the tables and the
schemas alone."""

import hashlib

ENDED = ("completed", "failed", "cancelled")
# What counts as an open node (handed out, or waiting for its next attempt), as a completed and as a failed one.
OPEN = ("open", "awaiting_retry")
HAS_OUTPUT = ("completed", "recovered", "skipped")
HAS_FAILED = ("failed", "cancelled")
# What a letter is after something was done with it.
STATES = {
    "redrive": "redriven", "edit": "edited", "skip": "skipped", "supply": "supplied", "discard": "discarded",
}
# Upper ends of the histogram's buckets, in microseconds.
BUCKETS = [
    ("upto_5ms", 5_000), ("upto_10ms", 10_000), ("upto_25ms", 25_000), ("upto_50ms", 50_000), ("upto_100ms", 100_000),
    ("upto_250ms", 250_000), ("upto_500ms", 500_000), ("upto_1s", 1_000_000), ("upto_5s", 5_000_000),
    ("upto_15s", 15_000_000), ("upto_60s", 60_000_000), ("upto_300s", 300_000_000), ("longer", None),
]


def past_attempts(node):
    """How many attempts of a node have failed, the latest one too."""
    return 0 if node is None else node.get("failed_attempts", 0) + ("error_code" in node)


class Fold:
    """What the events of all runs and partitions lead to: rows by table and key."""

    def __init__(self):
        self.states, self.results, self.operations, self.errors, self.metrics = {}, {}, {}, {}, {}
        self.nodes, self.letters, self.handled = {}, {}, {}

    def run_event(self, partition, name, event, chain):
        run, sequence, time = event["run_id"], event["sequence"], event["time"]
        if name == "WorkflowStarted":
            # What is carried over from an earlier run counts as completed from the start.
            self.nodes[run] = {
                node["node_id"]: {"status": "completed", "attempt": 0, **node} for node in event.get("carried", [])}
            definition, origin = event["definition"], event["origin"]
            self.states[run] = {
                "workflow_id": event["workflow_id"], "partition": partition, "status": "initializing",
                "definition_name": definition["name"], "definition_version": definition["version"],
                "definition_hash": definition["hash"], "conversation_id": event["conversation_id"],
                "input": event["input"], "payload_hash": event["payload_hash"], "traceparent": event["traceparent"],
                "started_at": time, "ended_at": None, "answer": None, "error_node": None, "error_class": None,
                "error_code": None, "error_message": None, "origin_topic": origin["topic"],
                "origin_partition": origin["partition"], "origin_offset": origin["offset"],
                "origin_time": origin["time"],
            }
        state, nodes = self.states[run], self.nodes[run]
        state.update(sequence=sequence, updated_at=time, chain=chain)
        node = nodes.get(event.get("node_id"))
        if name == "NodeScheduled":
            nodes[event["node_id"]] = {
                "status": "open", "agent_name": event["agent_name"], "attempt": event["attempt"],
                "timeout_ms": event["timeout_ms"], "scheduled_at": time, "started_at": None,
                "failed_attempts": past_attempts(node),
            }
        elif name == "NodeStarted":
            node["started_at"] = time
        elif name == "NodeCompleted":
            node.update(status="completed", output=event["output"], ended_at=time)
            self.ended(event, node, "completed", {"output": event["output"]})
        elif name == "NodeFailed":
            called = node is not None and node["status"] == "open"
            if node is None:
                node = nodes[event["node_id"]] = {
                    "agent_name": event["agent_name"], "attempt": event["attempt"], "timeout_ms": 0,
                    "scheduled_at": time, "started_at": None,
                }
            if node["status"] == "awaiting_retry":  # its time was up: it fails once more
                node["failed_attempts"] = past_attempts(node)
            # Version 1 has no such field: every failure was final.
            final = event.get("final_because", "retries_exhausted") is not None
            outcome = {"error_" + k: event[k] for k in ("class", "code", "message", "details")}
            node.update(status="failed" if final else "awaiting_retry", ended_at=time, due_at=None, **outcome)
            # A node may fail before it is scheduled, and once more while it awaits its next attempt: no agent was called.
            (self.ended if called else self.result)(event, node, "failed", outcome)
            self.error(event, name, node)
            exhausted = event.get("final_because", "retries_exhausted") not in (None, "run_failed")
            if exhausted and event.get("handling") in (None, "compensate"):
                self.letter(run, event, {
                    "kind": "node", "run_id": run, "node_id": event["node_id"], "agent_name": event["agent_name"],
                    "attempt": event["attempt"], "class": event["class"], "code": event["code"],
                    "definition_name": state["definition_name"],
                })
        elif name == "NodeRetryScheduled":
            node["due_at"] = event["due_at"]
        elif name == "NodeRecovered":
            node.update(status="skipped" if event["how"] == "skip" else "recovered", output=event["output"], ended_at=time)
            self.result(event, node, node["status"], {"output": event["output"]})
        elif name == "StateTransitioned":
            state["status"] = event["to"]
            self.operations[run, sequence] = {
                "workflow_id": event["workflow_id"], "time": time, "operation": "state_transition",
                "from_status": event["from"], "to_status": event["to"],
            }
        elif name == "WorkflowCompleted":
            state.update(status="completed", ended_at=time, answer=event["answer"])
        elif name == "WorkflowFailed":
            for cut_short in (node for node in nodes.values() if node["status"] in OPEN):
                cut_short.update(status="cancelled", ended_at=time, due_at=None)
            state.update(status="failed", ended_at=time, error_node=event["node_id"],
                         **{"error_" + k: event[k] for k in ("class", "code", "message")})
            self.error(event, name, nodes.get(event["node_id"]) or {})
        for column, statuses in (("completed", HAS_OUTPUT), ("failed", HAS_FAILED), ("open", OPEN)):
            state[f"nodes_{column}"] = sum(node["status"] in statuses for node in nodes.values())

    def ended(self, event, node, status, outcome):
        """The rows of an attempt that has ended."""
        run, sequence, time = event["run_id"], event["sequence"], event["time"]
        duration = max(0, time - node["scheduled_at"])
        call = self.result(event, node, status, outcome)
        self.operations[run, sequence] = {**call, "time": time, "operation": "agent_call", "duration_us": duration}
        row = self.metrics.setdefault((node["agent_name"], time - time % 60_000_000), dict.fromkeys(
            ["calls", "failures", "duration_us"] + [name for name, _ in BUCKETS], 0))
        row["calls"] += 1
        row["failures"] += status == "failed"
        row["duration_us"] += duration
        row[next(name for name, upto in BUCKETS if upto is None or duration <= upto)] += 1

    def result(self, event, node, status, outcome):
        call = {"workflow_id": event["workflow_id"], "node_id": event["node_id"], "status": status}
        call.update({key: node[key] for key in ("agent_name", "attempt")})
        nothing = dict.fromkeys(["output", "error_class", "error_code", "error_message", "error_details"])
        times = {key: node[key] for key in ("timeout_ms", "scheduled_at", "started_at")}
        row = {**nothing, **call, **times, "ended_at": event["time"], **outcome}
        self.results[event["run_id"], event["sequence"]] = row
        return call

    def error(self, event, name, node):
        self.errors[event["run_id"], event["sequence"]] = {
            "event": name, "workflow_id": event["workflow_id"], "node_id": event["node_id"],
            "agent_name": node.get("agent_name"), "attempt": node.get("attempt"), "class": event["class"],
            "code": event["code"], "message": event["message"], "details": event["details"], "time": event["time"],
        }

    def letter(self, subject, event, more):
        """A letter is called by the event that made it."""
        letter_id = hashlib.sha256(f"{subject}/{event['sequence']}".encode()).hexdigest()[:16]
        self.letters[letter_id] = {
            "subject": subject, "sequence": event["sequence"], "workflow_id": event["workflow_id"],
            "message": event["message"], "details": event["details"], "time": event["time"], **more,
        }

    def dead_letters(self):
        """The letters with what was last done with each; word of one may be there before it."""
        nothing = {"kind": None, "state": "open", "handled_at": None}
        ids = set(self.letters) | set(self.handled)
        return {id: {**nothing, **self.letters.get(id, {}), **self.handled.get(id, {})} for id in ids}

    def partition_event(self, name, event):
        key = (f"partition-{event['partition']}", event["sequence"])
        row = {"workflow_id": event.get("workflow_id"), "time": event["time"]}
        if name == "InputRejected":
            row.update(operation="input_rejected", reason=event["reason"], message=event["message"])
            self.operations[key] = row
        elif name == "InputForwarded":
            self.operations[key] = {**row, "operation": "input_forwarded", "to_partition": event["to_partition"]}
        elif name == "InputRefused":
            row.update(event=name, code=event["reason"], message=event["message"], details=event["details"])
            self.errors[key] = row
            origin = {f"origin_{part}": event["origin"][part] for part in ("topic", "partition", "offset", "time")}
            self.letter(key[0], event, {"kind": "input", "code": event["reason"], **origin})
        elif name == "DeadLetterHandled":
            before = self.handled.get(event["letter_id"])
            if before is None or before["handled_at"] <= event["time"]:
                self.handled[event["letter_id"]] = {
                    "state": STATES[event["action"]], "handled_at": event["time"], "handled_by": event["by"],
                    "note": event["note"], "handled_run_id": event["run_id"],
                }
