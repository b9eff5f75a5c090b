#!/usr/bin/env python3
"""What the agents cost, how long they take and how often they fail, from a Parquet export of the event stream.

    orchestrator export --to parquet --since 24h --out events.parquet
    ./report.py events.parquet
    ./report.py events.parquet --output json
"""

import argparse
import json
import sys

import duckdb

# One query a table. `events` is the file; all of it is SQL that a notebook or the `duckdb` shell runs as well.
REPORT = {
    "agents": """
        SELECT agent_name AS agent,
               count(*) AS attempts,
               round(100.0 * count(*) FILTER (type = 'NodeFailed') / count(*), 1) AS failed_percent,
               round(quantile_cont(duration_us, 0.5) / 1000, 1) AS p50_ms,
               round(quantile_cont(duration_us, 0.95) / 1000, 1) AS p95_ms,
               round(quantile_cont(duration_us, 0.99) / 1000, 1) AS p99_ms,
               sum(input_tokens)::BIGINT AS input_tokens,
               sum(output_tokens)::BIGINT AS output_tokens,
               round(sum(cost), 6) AS cost
        FROM events
        WHERE type IN ('NodeCompleted', 'NodeFailed') AND agent_name IS NOT NULL
        GROUP BY agent_name
        ORDER BY cost DESC NULLS LAST, sum(duration_us) DESC""",
    "failures": """
        SELECT agent_name AS agent, class, code, count(*) AS failures, max(message) AS for_example
        FROM events
        WHERE type = 'NodeFailed'
        GROUP BY ALL
        ORDER BY failures DESC, agent, code
        LIMIT 10""",
    "slowest workflows": """
        SELECT ended.workflow_id, run_id, ended.definition, ended.type = 'WorkflowFailed' AS failed,
               round(ended.duration_us / 1000, 1) AS ms,
               count(*) FILTER (node.type IN ('NodeCompleted', 'NodeFailed')) AS attempts,
               round(sum(node.cost), 6) AS cost
        FROM events ended JOIN events node USING (run_id)
        WHERE ended.type IN ('WorkflowCompleted', 'WorkflowFailed')
        GROUP BY ALL
        ORDER BY ms DESC, ended.workflow_id, run_id
        LIMIT 10""",
    "days": """
        SELECT strftime(time, '%Y-%m-%d') AS day, count(DISTINCT run_id) AS runs, count(*) AS events,
               round(sum(cost), 6) AS cost
        FROM events
        WHERE run_id IS NOT NULL
        GROUP BY day
        ORDER BY day""",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", help="what `orchestrator export --to parquet` has written")
    parser.add_argument("--output", choices=["table", "json"], default="table")
    args = parser.parse_args()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    # A twin, and an event of two exports that overlap, has the same id.
    try:
        connection.read_parquet(args.files).create_view("exported")
    except duckdb.Error as fault:
        raise SystemExit(f"{', '.join(args.files)}: no Parquet: {fault}")
    connection.execute("CREATE VIEW events AS SELECT DISTINCT ON (event_id) * FROM exported")
    report = {}
    for name, query in REPORT.items():
        relation = connection.sql(query)
        if args.output == "table":
            print(f"{name}\n{relation}")
        report[name] = [dict(zip(relation.columns, row)) for row in relation.fetchall()]
    if args.output == "json":
        json.dump(report, sys.stdout, ensure_ascii=False, indent=2)


if __name__ == "__main__":
    main()
