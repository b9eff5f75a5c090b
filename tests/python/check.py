#!/usr/bin/env python3
"""Judges a whole installation from the outside: reads every topic raw and every table, and shares no code with the
engine. What must hold after any number of crashes:

- every accepted request has exactly one run, every run ends once, with one answer, and was answered;
- a workflow has another run only where that takes up its last one, which has failed; what is carried over as completed,
  from that one or by a fork, is what had been completed, and is not executed again;
- every record of the event stream has right CloudEvents headers, a whole body of its schema, the next sequence of
  its run and the next link of its chain; a record that comes twice is identical;
- each (run, node) has at most one output, and its attempts follow each other: one that failed and is not final
  is followed by the next one, not before that is due, and none follows an end; another output stands in for that of a
  failed node only as its failure says;
- every wake-up in the delay topics is one that a retry asked for, in the longest tier that is not longer than its delay;
- the event stream is what counts in the journal, event by event;
- the tables are the fold of the events.

    check.py --kafka localhost:9092 --namespace NAME --store postgres://... --schemas schemas [--workflows N] [--since MS]
    check.py --data DIR --schemas schemas

`--since` judges only the workflows that were asked for since then (milliseconds since 1970, by the broker's clock), where
topics and logs keep no more, or where all would be too much. Their requests need keys.

Exit code 0 and a line of JSON with counts; 1 where there are faults, and on the standard error a line for each.
"""

import argparse
import json
import sys

import fold
import stores
from records import EmbeddedTopics, KafkaTopics
from wire import Schemas, next_chain, partition_of

STARTS = b"\0" * 16
RUN_ENDS = ("WorkflowCompleted", "WorkflowFailed")
# What a fault is: something is missing, stands twice, is not what something else says, or came before what it follows.
KINDS = ("lost", "doubled", "contradictory", "out_of_order")
# The delay topics, in milliseconds.
TIERS = {"1s": 1_000, "10s": 10_000, "1m": 60_000, "10m": 600_000, "1h": 3_600_000, "1d": 86_400_000}


class Check:
    def __init__(self, topics, schemas, store, source, since=None):
        self.topics, self.schemas, self.store, self.source = topics, schemas, store, source
        # The workflows that are judged; none: all.
        self.judged = {record.key.decode() for record in topics.records("requests")} if since else None
        self.faults, self.counts = [], {}
        self.fold = fold.Fold()
        # By subject (a run, or partition-N): ce_id -> record, last sequence, chain, names and events in order.
        self.seen, self.subjects = {}, {}
        # By dispatch_id of the attempt that is awaited: partition, workflow, delay in ms, when it is due.
        self.retries = {}

    def fault(self, text, kind="contradictory"):
        self.faults.append((kind, text))

    def expect(self, found, expected, what, kind="contradictory"):
        if found != expected:
            self.fault(f"{what}: expected {expected!r}, found {found!r}", kind)

    def is_judged(self, key):
        return self.judged is None or key is not None and key.decode() in self.judged

    # The event stream

    def events(self):
        self.partitions = self.topics.partitions("events")
        total = twins = 0
        for record in self.topics.records("events"):
            if not self.is_judged(record.key):
                continue
            total += 1
            place = f"events/{record.partition}/{record.offset}"
            try:
                twins += self.event(record, place)
            except (ValueError, KeyError, UnicodeDecodeError) as error:
                self.fault(f"{place}: {error!r}")
        self.counts.update(events=total, twins=twins, runs=sum(1 for name in self.subjects if not is_partition(name)))
        for subject, story in self.subjects.items():
            if not is_partition(subject):
                self.story(subject, story)

    def event(self, record, place):
        """Checks a record; 1 if it is a repetition, else 0."""
        headers = {name: value.decode() for name, value in record.headers}
        if len(headers) != len(record.headers):
            self.fault(f"{place}: a header came twice")
        name, event = self.schemas.read(record.value)
        base, moment = name.split(".")[0], event["time"]
        event = micros(event)
        of_partition = "partition" in event
        subject = f"partition-{event['partition']}" if of_partition else event["workflow_id"]
        who = subject if of_partition else event["run_id"]
        expected = {
            "ce_specversion": "1.0", "ce_id": f"{who}/{event['sequence']}", "ce_type": f"orchestrator.{name}",
            "ce_source": self.source, "ce_subject": subject, "ce_time": rfc3339(moment),
            "ce_sequence": f"{event['sequence']:020}", "content-type": "application/avro",
        }
        for header, value in expected.items():
            self.expect(headers.get(header), value, f"{place}: {header}")
        self.expect(record.key.decode(), subject, f"{place}: key")
        home = event["partition"] if of_partition else partition_of(record.key, self.partitions)
        self.expect(record.partition, home, f"{place}: partition")

        story = self.subjects.setdefault(who, {"chain": STARTS, "events": [], "partition": record.partition})
        identity = (record.key, record.value, sorted(record.headers))
        if headers["ce_id"] in self.seen:
            self.expect(identity, self.seen[headers["ce_id"]], f"{place}: a twin that is not identical")
            return 1
        self.seen[headers["ce_id"]] = identity
        self.expect(event["sequence"], len(story["events"]) + 1, f"{place}: sequence of {who}", "out_of_order")
        story["chain"] = next_chain(story["chain"], record.value)
        self.expect(headers.get("orchestrator_chain"), story["chain"].hex(), f"{place}: chain of {who}")
        story["events"].append((name, event, record.value))
        if of_partition:
            self.fold.partition_event(base, event)
            return 0
        if base == "WorkflowStarted":
            story["traceparent"] = event["traceparent"]
        self.expect(headers.get("traceparent"), story.get("traceparent"), f"{place}: traceparent")
        if base != "WorkflowStarted" and len(story["events"]) == 1:
            raise ValueError(f"run {who} begins with {name}")
        self.fold.run_event(record.partition, base, event, story["chain"])
        return 0

    def story(self, run, story):
        names = [name.split(".")[0] for name, _, _ in story["events"]]
        ends = [name for name in names if name in RUN_ENDS]
        kind = "lost" if not ends else "doubled" if len(ends) > 1 else "out_of_order"
        self.expect((len(ends), names[-1] in RUN_ENDS), (1, True), f"run {run}: one end, as its last event", kind)
        outputs = [event["node_id"] for name, event, _ in story["events"]
                   if name.startswith(("NodeCompleted", "NodeRecovered"))]
        for node in sorted({node for node in outputs if outputs.count(node) > 1}):
            self.fault(f"run {run}: node {node} has {outputs.count(node)} outputs", "doubled")
        self.attempts(run, names, story)
        times = [event["time"] for _, event, _ in story["events"]]
        if times != sorted(times):
            self.fault(f"run {run}: time runs backwards", "out_of_order")
        self.counts["completed_nodes"] = self.counts.get("completed_nodes", 0) + names.count("NodeCompleted")

    def attempts(self, run, names, story):
        """What may follow what, by node: (attempt, since when it may be scheduled; none: it is scheduled)."""
        expected, handling = {}, {}
        ended = {node["node_id"] for node in story["events"][0][1].get("carried", [])}
        for name, (_, event, _) in zip(names, story["events"]):
            if not name.startswith("Node"):
                continue
            node, attempt, time = event["node_id"], event["attempt"], event["time"]
            what = f"run {run}: {name} of {node}/{attempt}"
            if name == "NodeRecovered":
                self.expect(handling.pop(node, None if node in ended else "supply"), event["how"], f"{what}: how")
                ended.add(node)
                continue
            if node in ended:
                self.fault(f"{what}: the node had ended", "doubled")
            awaited, due_at = expected.get(node, (1, 0))
            if event.get("final_because") == "total_timeout" and node in expected and due_at is not None:
                awaited -= 1  # its time was up while it awaited the next attempt
            self.expect(attempt, awaited, f"{what}: attempt", "out_of_order")
            if name == "NodeScheduled":
                if due_at is None or due_at > time:
                    self.fault(f"{what}: due at {due_at}, scheduled at {time}", "out_of_order")
                expected[node] = (attempt, None)
                self.counts["attempts"] = self.counts.get("attempts", 0) + 1
            elif name == "NodeRetryScheduled":
                self.expect(event["due_at"] - time, event["delay_ms"] * 1_000, f"{what}: delay")
                expected[node] = (attempt, event["due_at"])
                dispatch = f"{run}/{node}/{attempt}"
                self.retries[dispatch] = (story["partition"], event["workflow_id"], event["delay_ms"], event["due_at"])
            elif name == "NodeFailed" and event.get("final_because", "retries_exhausted") is None:
                # Only NodeRetryScheduled may follow, with the next attempt.
                expected[node] = (attempt + 1, None)
            elif name in ("NodeCompleted", "NodeFailed"):
                ended.add(node)
                if event.get("handling") not in (None, "compensate"):
                    handling[node] = event["handling"]

    def wakeups(self):
        """What stands in the delay topics, against the retries that were decided."""
        total = 0
        for tier, length in TIERS.items():
            for record in self.topics.records(f"delay.{tier}"):
                place, wakeup = f"delay.{tier}/{record.partition}/{record.offset}", json.loads(record.value)
                if not self.is_judged(wakeup["workflow_id"].encode()):
                    continue
                total += 1
                if wakeup["dispatch_id"] not in self.retries:
                    self.fault(f"{place}: nobody asked for {wakeup['dispatch_id']}")
                    continue
                partition, workflow, delay, due_at = self.retries[wakeup["dispatch_id"]]
                longest = max(length for length in TIERS.values() if length <= delay)
                self.expect((length, record.partition), (longest, partition), f"{place}: tier and partition")
                self.expect((wakeup["workflow_id"], wakeup["due_at"]), (workflow, rfc3339(stores.moment(due_at))), place)
        self.counts.update(retries=len(self.retries), wakeups=total)

    # The journal

    def journal(self):
        """Follows the readers' rule, and compares what counts with what was published."""
        rules, stories = {}, {}
        for record in self.topics.records("journal"):
            name, step = self.schemas.read(record.value)
            rule = rules.setdefault(record.partition, self.beginning(name, step))
            if name == "PartitionTaken.v1":
                if step["term"] <= rule["term"]:
                    rule["void"] += 1
                    continue
                rule.update(term=step["term"], owner=step["owner"], takings=rule["takings"] + 1)
                continue
            if (step["term"], step["owner"], step["number"]) != (rule["term"], rule["owner"], rule["number"] + 1):
                rule["void"] += 1
                continue
            rule["number"] += 1
            for transition in step["transitions"]:
                for body in transition["events"]:
                    _, event = self.schemas.read(body)
                    of_partition = "partition" in event
                    who = f"partition-{event['partition']}" if of_partition else event["run_id"]
                    if not self.is_judged((who if of_partition else event["workflow_id"]).encode()):
                        continue
                    stories.setdefault(who, []).append(body)
        for who in sorted(set(stories) | set(self.subjects)):
            published = [body for _, _, body in self.subjects.get(who, {"events": []})["events"]]
            if published != stories.get(who, []):
                self.fault(f"{who}: {len(stories.get(who, []))} events count in the journal,"
                           f" {len(published)} were published, and they are not the same",
                           "lost" if len(published) < len(stories.get(who, [])) else "contradictory")
        self.counts["takings"] = sum(rule["takings"] for rule in rules.values())
        self.counts["void_records"] = sum(rule["void"] for rule in rules.values())

    def beginning(self, name, step):
        """What the readers' rule begins with. In the middle of a journal the first step that is read counts."""
        rule = {"term": 0, "owner": None, "number": 0, "void": 0, "takings": 0}
        if self.judged is not None and name != "PartitionTaken.v1":
            rule |= {"term": step["term"], "owner": step["owner"], "number": step["number"] - 1}
        return rule

    # Requests and responses

    def answers(self, expected_workflows):
        runs_of, answers, refused = {}, {}, set()
        for run, story in self.subjects.items():
            if not is_partition(run):
                runs_of.setdefault(story["events"][0][1]["workflow_id"], []).append(run)
        for record in self.topics.records("responses"):
            response = json.loads(record.value)
            if not self.is_judged(record.key):
                continue
            if response["kind"] == "refused":
                refused.add(place_of(response["origin"]))
                continue
            run = response["run_id"]
            known = answers.setdefault(run, record.value)
            self.expect(record.value, known, f"run {run}: a second answer")
            self.expect(record.key.decode(), response["workflow_id"], f"run {run}: key of its answer")
            state = self.fold.states.get(run)
            if state is None:
                self.fault(f"run {run} was answered, and has no events")
                continue
            self.expect(response["status"], state["status"], f"run {run}: status of its answer")
            if state["status"] == "completed":
                self.expect(response["answer"], json.loads(state["answer"]), f"run {run}: its answer")
            else:
                self.expect(response["error"]["code"], state["error_code"], f"run {run}: its error")
                told = self.subjects[run]["events"][-1][1].get("context")
                self.expect(response["error"].get("context"), json.loads(told or "null"), f"run {run}: its context")
        for run in self.fold.states:
            if run not in answers:
                self.fault(f"run {run} was never answered", "lost")
        started = {place_of(s) for s in map(origin_of, self.fold.states.values())}
        forwarded = 0
        for record in self.topics.records("requests"):
            if any(name == "orchestrator_origin" for name, _ in record.headers):
                forwarded += 1
                continue
            if ("requests", record.partition, record.offset) not in started | refused:
                self.fault(f"the request at {record.partition}/{record.offset} was neither started nor refused", "lost")
        for workflow, runs in runs_of.items():
            self.lineage(workflow, runs)
        if expected_workflows is not None:
            kind = "lost" if len(runs_of) < expected_workflows else "doubled"
            self.expect(len(runs_of), expected_workflows, "number of workflows", kind)
        self.counts.update(workflows=len(runs_of), refused=len(refused), forwarded=forwarded)

    def lineage(self, workflow, runs):
        """The runs of a workflow follow each other, each takes up the one before; the first may be a fork of any run."""
        before = None
        for run in runs:
            start = self.subjects[run]["events"][0][1]
            lineage = start.get("lineage")
            if lineage and lineage["kind"] == "fork":
                self.counts["forked"] = self.counts.get("forked", 0) + 1
                self.carried(run, start, lineage["run_id"])
            else:
                what = f"run {run} of {workflow!r}: the run that it takes up"
                self.expect(lineage and lineage["run_id"], before, what, "doubled")
                if lineage and before:
                    self.counts["taken_up"] = self.counts.get("taken_up", 0) + 1
                    self.expect(self.fold.states[before]["status"], "failed", f"run {before}, which {run} takes up")
                    self.carried(run, start, before)
            before = run

    def carried(self, run, start, origin):
        """What counts as completed is what had been completed."""
        story = self.subjects[origin]["events"]
        done = {node["node_id"]: node["output"] for node in story[0][1]["carried"]}
        done.update((event["node_id"], event["output"]) for name, event, _ in story if name.startswith("NodeCompleted"))
        for node in start["carried"]:
            if node["status"] == "completed":
                self.expect(node["output"], done.get(node["node_id"]), f"run {run}: carried {node['node_id']}")

    # The tables

    def tables(self):
        self.rows("orchestrator_workflow_states", self.fold.states)
        self.rows("orchestrator_agent_results", self.fold.results)
        self.rows("orchestrator_operation_logs", self.fold.operations)
        self.rows("orchestrator_error_logs", self.fold.errors)
        self.rows("orchestrator_dead_letters", self.fold.dead_letters())
        if self.judged is None:
            # Sums over everybody.
            self.compare("orchestrator_performance_metrics", stores.metrics(self.store), self.fold.metrics)

    def rows(self, name, folded):
        self.compare(name, stores.table(self.store, name, self.judged), folded)

    def compare(self, name, found, folded):
        for key in sorted(set(found) ^ set(folded)):
            if key in found:
                self.fault(f"{name} {key}: no event says so")
            else:
                self.fault(f"{name} {key}: missing", "lost")
        for key in set(found) & set(folded):
            for column, value in folded[key].items():
                if isinstance(value, str):
                    value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
                self.expect(found[key].get(column), value, f"{name} {key} {column}")


def is_partition(subject):
    return subject.startswith("partition-")


def place_of(origin):
    return origin["topic"], origin["partition"], origin["offset"]


def origin_of(state):
    return {"topic": state["origin_topic"], "partition": state["origin_partition"], "offset": state["origin_offset"]}


def rfc3339(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def micros(record):
    """fastavro makes datetimes of timestamps; the fold counts microseconds."""
    for name, value in record.items():
        if hasattr(value, "strftime"):
            record[name] = stores.plain(value)
        elif isinstance(value, dict):
            micros(value)
    return record


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kafka")
    parser.add_argument("--namespace", default="orchestrator")
    parser.add_argument("--data")
    parser.add_argument("--store")
    parser.add_argument("--schemas", required=True)
    parser.add_argument("--workflows", type=int)
    parser.add_argument("--since", type=int)
    args = parser.parse_args()
    if args.data:
        topics, store = EmbeddedTopics(f"{args.data}/log.db", args.namespace), f"sqlite://{args.data}/store.db"
    else:
        topics, store = KafkaTopics(args.kafka, args.namespace, args.since), args.store
    check = Check(topics, Schemas(args.schemas), store, args.namespace, args.since)
    check.events()
    check.wakeups()
    check.journal()
    check.answers(args.workflows)
    check.tables()
    kinds = [kind for kind, _ in check.faults]
    print(json.dumps(check.counts | {"faults_by_kind": {kind: kinds.count(kind) for kind in KINDS}}))
    for kind, fault in check.faults[:50]:
        print(f"{kind}: {fault}", file=sys.stderr)
    if check.faults:
        print(f"{len(check.faults)} faults", file=sys.stderr)
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main())
