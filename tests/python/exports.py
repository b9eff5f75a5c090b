#!/usr/bin/env python3
"""Holds a Parquet export against the JSON export of the same stretch of the stream, with DuckDB as the reader.

    exports.py events.parquet events.jsonl

Exit code 0 and a line of JSON with counts, or 1 and a line for each fault.
"""

import datetime
import json
import sys

import duckdb

TYPES = {
    "event_id": "VARCHAR", "type": "VARCHAR", "version": "INTEGER", "partition": "INTEGER", "offset": "BIGINT",
    "workflow_id": "VARCHAR", "run_id": "VARCHAR", "sequence": "BIGINT", "time": "TIMESTAMP WITH TIME ZONE",
    "published_at": "TIMESTAMP WITH TIME ZONE", "definition": "VARCHAR", "definition_version": "INTEGER",
    "node_id": "VARCHAR", "agent_name": "VARCHAR", "attempt": "INTEGER", "status": "VARCHAR", "class": "VARCHAR",
    "code": "VARCHAR", "message": "VARCHAR", "duration_us": "BIGINT", "cost": "DOUBLE", "input_tokens": "BIGINT",
    "output_tokens": "BIGINT", "data": "VARCHAR",
}
EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)


def micros(text):
    return (datetime.datetime.fromisoformat(text) - EPOCH) // datetime.timedelta(microseconds=1)


def expected(events):
    """The rows that the events should have made, told from the JSON alone."""
    runs, attempts = {}, {}
    for event in events:
        data, run = event["data"], event.get("run_id")
        row = {
            "event_id": event["event_id"], "type": event["type"], "version": event["version"],
            "partition": event["position"]["partition"], "offset": event["position"]["offset"],
            "workflow_id": event.get("workflow_id") or data.get("workflow_id"), "run_id": run or data.get("run_id"),
            "sequence": event["sequence"], "time": micros(event["time"]),
            "published_at": micros(event["position"]["time"]), "node_id": data.get("node_id"),
            "attempt": data.get("attempt"), "status": data.get("to"), "class": data.get("class"),
            "code": data.get("code") or data.get("reason"), "message": data.get("message"), "data": event,
        }
        usage = data.get("usage") or {}
        row |= {name: usage.get(name) for name in ("cost", "input_tokens", "output_tokens")}
        row["agent_name"], row["duration_us"] = data.get("agent_name"), None
        if run and "definition" in data:
            runs[run] = data["definition"]
        definition = runs.get(run) or {}
        row |= {"definition": definition.get("name"), "definition_version": definition.get("version")}
        key = (run, data.get("node_id"), data.get("attempt"))
        if event["type"] == "NodeScheduled":
            attempts[key] = data["agent_name"], row["time"]
        elif key in attempts and event["type"] in ("NodeStarted", "NodeProgressed", "NodeCompleted", "NodeFailed"):
            row["agent_name"] = attempts[key][0]
            if event["type"] in ("NodeCompleted", "NodeFailed"):
                row["duration_us"] = row["time"] - attempts[key][1]
        if "started_at" in data:
            row["duration_us"] = row["time"] - micros(data["started_at"])
        yield row


def main():
    parquet, jsonl = sys.argv[1:]
    with open(jsonl, encoding="utf-8") as lines:
        rows = list(expected(map(json.loads, lines)))
    connection = duckdb.connect()
    table = connection.read_parquet(parquet)
    table.create_view("events")
    faults = []
    types = dict(zip(table.columns, map(str, table.types)))
    if types != TYPES:
        faults.append(f"columns: expected {TYPES}, found {types}")
    # Times as numbers, so that no time zone comes between.
    cells = [f"epoch_us({name})" if kind.startswith("TIMESTAMP") else f'"{name}"' for name, kind in TYPES.items()]
    found = connection.sql(f"SELECT {', '.join(cells)} FROM events").fetchall()
    if len(found) != len(rows):
        faults.append(f"expected {len(rows)} rows, found {len(found)}")
    for row, cells in zip(rows, found):
        cells = dict(zip(TYPES, cells)) | {"data": json.loads(cells[-1])}
        faults += [f"{row['event_id']}: {name}: expected {row[name]!r}, found {cells[name]!r}"
                   for name in TYPES if row[name] != cells[name]]
    # What a notebook would ask.
    sums = connection.sql("SELECT count(*), count(DISTINCT event_id), sum(duration_us)::BIGINT, sum(cost),"
                          " sum(input_tokens)::BIGINT FROM events").fetchall()[0]
    total = lambda name: sum(row[name] for row in rows if row[name] is not None) if any(
        row[name] is not None for row in rows) else None
    told = (len(rows), len({row["event_id"] for row in rows}), total("duration_us"), total("cost"), total("input_tokens"))
    if any(a != b and not (isinstance(a, float) and abs(a - b) < 1e-9 * abs(a)) for a, b in zip(told, sums)):
        faults.append(f"sums: expected {told}, found {sums}")
    by_type = dict(connection.sql("SELECT type, count(*) FROM events GROUP BY type").fetchall())
    print("\n".join(faults[:20]) if faults else json.dumps({"rows": len(rows), "types": by_type}))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
