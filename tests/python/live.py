#!/usr/bin/env python3
"""Holds what replay says of runs, after every event of each, against witnesses that replay has no part in:

- a fold of its own (fold.py) over the topic as `fastavro` reads it with the schema files alone;
- the rows that projectors have written while the runs were there, kept by a trigger in the table `seen`;
- what the engines did with the state that they had in memory: inputs that they made, states that they left.

    live.py --kafka localhost:9092 --namespace NAME --store postgres://... --schemas schemas --replayed FILE

FILE has the definitions in its first line, then the run as JSON for every event of every run. Exit code 0 and a line of
JSON with counts, or 1 and a line for each difference.
"""

import argparse
import collections
import datetime
import io
import json
import sys

import fastavro

import fold
import stores
from check import micros
from records import KafkaTopics
from wire import next_chain

STATE_MEMBERS = ("status", "agent_name", "attempt", "timeout_ms")
TIMES = ("scheduled_at", "started_at", "ended_at", "due_at")


class Live:
    def __init__(self, definitions, replayed):
        self.graphs = {definition["name"]: {node["node_id"]: node for node in definition["nodes"]}
                       for definition in definitions}
        self.replayed, self.faults = replayed, []
        # What the independent fold was after each event: the row, without what replay does not show.
        self.rows, self.fold = {}, fold.Fold()
        self.chains, self.counts = collections.defaultdict(lambda: b"\0" * 16), collections.Counter()

    def expect(self, found, expected, what):
        if found != expected:
            self.faults.append(f"{what}: expected {expected!r}, found {found!r}")

    def event(self, partition, name, event, body):
        run, sequence = event["run_id"], event["sequence"]
        if (run, sequence) in self.rows:
            return
        what = f"run {run} at {sequence} ({name})"
        self.chains[run] = next_chain(self.chains[run], body)
        before = self.replayed.get((run, sequence - 1))
        self.fold.run_event(partition, name, event, self.chains[run])
        self.rows[run, sequence] = dict(self.fold.states[run])
        now = self.replayed.get((run, sequence))
        if now is None:
            self.faults.append(f"{what}: nothing was replayed")
            return
        self.state(now, self.fold.states[run], what)
        self.nodes(now, self.fold.nodes[run], what)
        if before is not None:
            self.engine(name, event, before, what)
        self.counts["states"] += 1
        self.counts[name] += 1

    def state(self, now, row, what):
        """The run, but for its nodes."""
        for member in ("workflow_id", "sequence", "status", "conversation_id"):
            self.expect(now[member], row[member], f"{what}: {member}")
        definition = {"name": row["definition_name"], "version": row["definition_version"], "hash": row["definition_hash"]}
        self.expect(now["definition"], definition, f"{what}: definition")
        self.expect(now["input"], json.loads(row["input"]), f"{what}: input")
        self.expect(now["answer"], json.loads(row["answer"] or "null"), f"{what}: answer")
        self.expect([moment(now[time]) for time in ("started_at", "ended_at")], [row["started_at"], row["ended_at"]], what)
        error = now["error"] or {}
        for member in ("class", "code", "message"):
            self.expect(error.get(member), row["error_" + member], f"{what}: error")
        self.expect(error.get("node_id"), row["error_node"], f"{what}: error")

    def nodes(self, now, folded, what):
        self.expect(set(now["nodes"]), set(folded), f"{what}: nodes")
        for node_id, node in now["nodes"].items():
            own, where = folded.get(node_id), f"{what}: node {node_id}"
            if own is None:
                continue
            status = own["status"]
            if status == "open":
                status = "scheduled" if own["started_at"] is None else "running"
            self.expect(node["status"], status, f"{where}: status")
            self.expect(node["carried"], own["attempt"] == 0, f"{where}: carried")
            has_output = own["status"] in fold.HAS_OUTPUT
            self.expect(node["output"], json.loads(own["output"]) if has_output else None, f"{where}: output")
            self.expect((node["agent_name"], node["attempt"]), (own["agent_name"], own["attempt"]), where)
            if node["carried"]:
                continue
            self.expect(node["timeout_ms"], own["timeout_ms"], f"{where}: timeout_ms")
            for time in ("scheduled_at", "started_at", "ended_at"):
                self.expect(moment(node[time]), own.get(time), f"{where}: {time}")
            # Of a node with an output no failure is kept, nor that there was one.
            failed = {} if has_output or node["error"] is None else node["error"]
            if not has_output:
                self.expect(moment(node["due_at"]), own.get("due_at"), f"{where}: due_at")
                self.expect(len(node["failed_attempts"]), own.get("failed_attempts", 0), f"{where}: failed attempts")
                for member in ("class", "code", "message"):
                    self.expect(failed.get(member), own.get("error_" + member), f"{where}: error")

    def engine(self, name, event, before, what):
        """What an engine did with the state in its memory, against what replay says that it was."""
        if name == "StateTransitioned":
            self.expect(before["status"], event["from"], f"{what}: the state that was left")
        if name != "NodeScheduled":
            return
        node = self.graphs[before["definition"]["name"]].get(event["node_id"])
        if node is None or "role" in node or "-" in event["node_id"]:
            return  # planned, or called upon, or given more than its dependencies
        outputs = {name: before["nodes"][name]["output"] for name in node["dependencies"]}
        self.expect(json.loads(event["input"]), outputs or before["input"], f"{what}: the input that was made")
        self.counts["inputs_made"] += 1

    def live_rows(self, rows):
        """Rows as they were written while the run was there."""
        for row in rows:
            run, sequence = row.pop("run_id"), row["sequence"]
            what, folded = f"the row of run {run} at {sequence}", self.rows.get((run, sequence))
            if folded is None:
                self.faults.append(f"{what}: there is no such event")
                continue
            for column, value in folded.items():
                self.expect(row[column], value, f"{what}: {column}")
            now, state = self.replayed[run, sequence], json.loads(row["state"])
            self.expect(now["status"], row["status"], f"{what}: status, replayed")
            self.expect(now["answer"], json.loads(row["answer"] or "null"), f"{what}: answer, replayed")
            kept = {node_id for node_id, node in now["nodes"].items()
                    if node["carried"] or node["status"] not in fold.HAS_OUTPUT}
            self.expect(set(state["nodes"]), kept, f"{what}: nodes, replayed")
            for node_id in kept & set(state["nodes"]):
                live, node, where = state["nodes"][node_id], now["nodes"][node_id], f"{what}: node {node_id}, replayed"
                for member in STATE_MEMBERS:
                    self.expect(node[member], live[member], f"{where}: {member}")
                for time in TIMES:
                    self.expect(moment(node[time]), live.get(time), f"{where}: {time}")
                self.expect(len(node["failed_attempts"]), len(live.get("failed_attempts", [])), where)
            self.counts["live_rows"] += 1


def moment(text):
    """RFC 3339 as microseconds."""
    return text and stores.plain(datetime.datetime.fromisoformat(text))


def read(record, schemas, folder):
    """The event, by the schema that the header names, and nothing but the event."""
    headers = dict(record.headers)
    name = headers["ce_type"].decode().removeprefix("orchestrator.")
    if name not in schemas:
        schemas[name] = fastavro.schema.load_schema(f"{folder}/{name}.avsc")
    body = io.BytesIO(record.value[10:])
    event = fastavro.schemaless_reader(body, schemas[name])
    if record.value[:2] != b"\xc3\x01" or body.read(1):
        raise ValueError(f"{record.topic}/{record.partition}/{record.offset} is no {name}")
    return name.split(".")[0], micros(event)


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--kafka", "--namespace", "--store", "--schemas", "--replayed"):
        parser.add_argument(flag, required=True)
    args = parser.parse_args()
    with open(args.replayed) as lines:
        definitions = json.loads(next(lines))
        replayed = {(run["run_id"], run["sequence"]): run for run in map(json.loads, lines)}
    live, schemas = Live(definitions, replayed), {}
    for record in KafkaTopics(args.kafka, args.namespace).records("events"):
        name, event = read(record, schemas, args.schemas)
        if "run_id" in event and "partition" not in event:
            live.event(record.partition, name, event, record.value)
    live.expect(live.counts["states"], len(replayed), "states")
    rows = stores.query(args.store, "SELECT * FROM seen")
    seen, runs = {row["run_id"] for row in rows}, {run_id for run_id, _ in replayed}
    live.live_rows(rows)
    live.expect(seen, runs, "runs whose rows were seen while they ran")
    live.expect(live.counts["inputs_made"] > 0, True, "inputs were made from outputs")
    print(json.dumps(live.counts))
    for fault in live.faults[:50]:
        print(fault, file=sys.stderr)
    if live.faults:
        print(f"{len(live.faults)} differences", file=sys.stderr)
    return 1 if live.faults else 0


if __name__ == "__main__":
    sys.exit(main())
