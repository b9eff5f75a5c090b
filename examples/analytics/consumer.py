#!/usr/bin/env python3
"""Keeps the event stream in a SQLite file, each event once, and says what agents cost and how long they take.

Reads the topic `events` by confluent-kafka, fastavro and the files of schemas/ alone; where the installation has a schema
registry, with that in place of the files. May be killed at any moment and started again: events and offsets are written
in one transaction, so it goes on where the file ends.

    ./consumer.py --brokers localhost:9092                              follows the stream, until Ctrl-C
    ./consumer.py --brokers localhost:9092 --to-end --chart agents.png  ends where it ends now, and draws
"""

import argparse
import datetime
import io
import json
import os
import pathlib
import signal
import sqlite3
import sys
import time

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

SCHEMAS = pathlib.Path(__file__).parents[2] / "schemas"
PATIENCE = 30  # seconds, for a broker that does not answer
EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)

TABLES = """
CREATE TABLE IF NOT EXISTS offsets (topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS events (
    event_id TEXT PRIMARY KEY, type TEXT, workflow_id TEXT, run_id TEXT, sequence INTEGER, time_us INTEGER,
    node_id TEXT, agent_name TEXT, attempt INTEGER, class TEXT, code TEXT,
    cost REAL, input_tokens INTEGER, output_tokens INTEGER, event TEXT);
CREATE INDEX IF NOT EXISTS attempts ON events (run_id, node_id, attempt);
-- How each attempt ended, and how long after its hand-out: what waiting for a worker takes is part of it.
CREATE VIEW IF NOT EXISTS attempts_ended AS
SELECT ended.type = 'NodeFailed' AS failed, scheduled.agent_name, ended.cost, ended.input_tokens, ended.output_tokens,
       (ended.time_us - scheduled.time_us) / 1000.0 AS ms
FROM events ended JOIN events scheduled USING (run_id, node_id, attempt)
WHERE ended.type IN ('NodeCompleted', 'NodeFailed') AND scheduled.type = 'NodeScheduled';
"""


class Schemas:
    """The schema of a record: of its schema registry's id, or of the file that its header names. Each is read once."""

    def __init__(self, registry):
        self.registry, self.known = registry, {}

    def of(self, name, value):
        """The schema, and where the body begins."""
        if value[:1] != b"\0":  # Avro's single-object framing: C3 01 and a fingerprint of 8 bytes
            return self.schema(name, lambda: (SCHEMAS / f"{name}.avsc").read_text()), 10
        number = int.from_bytes(value[1:5], "big")  # Confluent's framing: 00 and the id
        return self.schema(number, lambda: self.registered(name, number)), 5

    def schema(self, key, text):
        if key not in self.known:
            self.known[key] = fastavro.parse_schema(json.loads(text()))
        return self.known[key]

    def registered(self, name, number):
        if not self.registry:
            raise SystemExit(f"a {name} has the id {number} of a schema registry: name that one with --registry URL")
        from confluent_kafka.schema_registry import SchemaRegistryClient

        return SchemaRegistryClient({"url": self.registry}).get_schema(number).schema_str


def read(message, schemas):
    """The event's id, its name, and the event."""
    headers = {name: value.decode() for name, value in message.headers()}
    name = headers["ce_type"].removeprefix("orchestrator.")  # NodeCompleted.v1
    schema, start = schemas.of(name, message.value())
    return headers["ce_id"], name.split(".")[0], fastavro.schemaless_reader(io.BytesIO(message.value()[start:]), schema)


def row(event_id, name, event):
    usage = event.get("usage") or {}
    return (event_id, name, event.get("workflow_id"), event.get("run_id"), event["sequence"],
            (event["time"] - EPOCH) // datetime.timedelta(microseconds=1), event.get("node_id"),
            event.get("agent_name"), event.get("attempt"), event.get("class"), event.get("code"),
            usage.get("cost"), usage.get("input_tokens"), usage.get("output_tokens"),
            json.dumps(event, default=str, ensure_ascii=False))


def keep(database, topic, messages, schemas):
    """Writes events and offsets in one transaction. An event that is there already is a twin, or was read before."""
    new = 0
    with database:
        for message in messages:
            values = row(*read(message, schemas))
            marks = ", ".join("?" * len(values))
            new += database.execute(f"INSERT OR IGNORE INTO events VALUES ({marks})", values).rowcount
            database.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)",
                             (topic, message.partition(), message.offset() + 1))
    return new


def partitions(consumer, topic, brokers):
    """The partitions of the topic, if there is one."""
    try:
        found = consumer.list_topics(topic, PATIENCE).topics[topic]
    except KafkaException as fault:
        raise SystemExit(f"{brokers} does not answer: {fault.args[0]}")
    if found.error:
        raise SystemExit(f"{topic}: {found.error}; does ORCHESTRATOR_NAMESPACE name the installation?")
    return found.partitions


def follow(args, database):
    """Reads on from where the file ends; how many events are new."""
    topic = f"{os.environ.get('ORCHESTRATOR_NAMESPACE', 'orchestrator')}.events"
    # The group is named because the client wants one; the offsets are those of the file.
    consumer = Consumer({"bootstrap.servers": args.brokers, "group.id": "analytics", "enable.auto.commit": False,
                         "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    unread = set(partitions(consumer, topic, args.brokers))
    nexts = dict(database.execute("SELECT partition, next FROM offsets WHERE topic = ?", (topic,)))
    consumer.assign([TopicPartition(topic, partition, nexts.get(partition, 0)) for partition in unread])
    schemas, new, heard = Schemas(args.registry), 0, time.monotonic()
    while unread or not args.to_end:
        messages = consumer.consume(1000, 0.5)
        for error in (message.error() for message in messages if message.error()):
            if error.code() != KafkaError._PARTITION_EOF:
                raise SystemExit(f"{topic}: {error}")
        if args.to_end and messages:
            heard = time.monotonic()
        elif args.to_end and time.monotonic() - heard > PATIENCE:
            raise SystemExit(f"{args.brokers} has not answered for {PATIENCE} s")
        unread -= {message.partition() for message in messages if message.error()}
        new += keep(database, topic, [message for message in messages if not message.error()], schemas)
    consumer.close()
    return new


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def by_agent(database):
    """A dictionary for each agent, the most costly first, then the one that worked longest."""
    agents = {}
    for agent, *attempt in database.execute(
            "SELECT agent_name, failed, ms, cost, input_tokens, output_tokens FROM attempts_ended"):
        agents.setdefault(agent, []).append(attempt)
    table = []
    for agent, attempts in agents.items():
        failed, times, costs, tokens_in, tokens_out = zip(*attempts)
        costs = [cost for cost in costs if cost is not None]
        table.append({"agent": agent, "attempts": len(attempts), "failed": sum(failed), "p50_ms": percentile(times, 0.5),
                      "p95_ms": percentile(times, 0.95), "busy_ms": sum(times), "cost": sum(costs) if costs else None,
                      "input_tokens": sum(count or 0 for count in tokens_in),
                      "output_tokens": sum(count or 0 for count in tokens_out)})
    return sorted(table, key=lambda agent: (-(agent["cost"] or 0), -agent["busy_ms"]))


def print_table(table):
    print(f"{'agent':<24}{'attempts':>9}{'failed':>8}{'p50 ms':>10}{'p95 ms':>10}{'tokens in':>11}{'out':>9}{'cost':>10}")
    for agent in table:
        cost = "-" if agent["cost"] is None else f"{agent['cost']:.4f}"
        print(f"{agent['agent']:<24}{agent['attempts']:>9}{agent['failed']:>8}{agent['p50_ms']:>10.1f}"
              f"{agent['p95_ms']:>10.1f}{agent['input_tokens']:>11}{agent['output_tokens']:>9}{cost:>10}")


def draw(table, path):
    """Cost and latency of the agents, side by side."""
    import matplotlib

    matplotlib.use("Agg")  # no screen is needed
    from matplotlib import pyplot

    table = table[:20][::-1]  # the first one on top
    names, places = [agent["agent"] for agent in table], range(len(table))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 1.8 + 0.45 * len(table)), sharey=True)
    if any(agent["cost"] is not None for agent in table):
        bars = left.barh(places, [agent["cost"] or 0 for agent in table], color="#3b6ea5")
        left.bar_label(bars, [f"{agent['cost']:.4g}" if agent["cost"] is not None else "–" for agent in table], padding=3)
        left.set_title("cost (all attempts)")
    else:
        bars = left.barh(places, [agent["busy_ms"] / 1000 for agent in table], color="#3b6ea5")
        left.bar_label(bars, [f"{agent['busy_ms'] / 1000:.3g}" for agent in table], padding=3)
        left.set_title("seconds of work (no agent reported a cost)")
    left.set_yticks(places, names)
    right.barh([place + 0.2 for place in places], [agent["p50_ms"] for agent in table], 0.4, color="#6aa56e", label="p50")
    right.barh([place - 0.2 for place in places], [agent["p95_ms"] for agent in table], 0.4, color="#d08a3c", label="p95")
    right.set_title("latency of an attempt, ms")
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.15)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default="localhost:9092")
    parser.add_argument("--db", default="analytics.db", help="the SQLite file (analytics.db)")
    parser.add_argument("--registry", metavar="URL", default=os.environ.get("ORCHESTRATOR_SCHEMA_REGISTRY_URL"),
                        help="the schema registry, where records name ids of one (ORCHESTRATOR_SCHEMA_REGISTRY_URL)")
    parser.add_argument("--to-end", action="store_true", help="end where the stream ends now")
    parser.add_argument("--chart", metavar="FILE", help="draw cost and latency of the agents (PNG)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    database = sqlite3.connect(args.db)
    database.executescript("PRAGMA journal_mode = WAL;" + TABLES)
    try:
        new = follow(args, database)
    except KeyboardInterrupt:
        new = None
    (events,) = database.execute("SELECT count(*) FROM events").fetchone()
    print(f"{events} events" + ("" if new is None else f", {new} of them new"))
    table = by_agent(database)
    print_table(table)
    if args.chart and table:
        draw(table, args.chart)
        print(f"drawn: {args.chart}")


if __name__ == "__main__":
    main()
