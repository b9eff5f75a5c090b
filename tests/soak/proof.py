"""That nothing was lost: all workflows counted, in the client and in the tables, and the last of them judged whole by
tests/python/check.py, which shares no code with the engine."""

import json
import subprocess
import sys

import psycopg

from plant import NODES, REPOSITORY

# As many as check.py judges in some minutes, and the topics still hold.
JUDGED_WORKFLOWS = 15_000
RUNS = """SELECT count(*), count(*) FILTER (WHERE status = 'completed' AND nodes_completed = %s AND nodes_open = 0)
FROM orchestrator_workflow_states"""
TWICE = """SELECT count(*) FROM (SELECT 1 FROM orchestrator_workflow_states GROUP BY workflow_id HAVING count(*) > 1) AS t"""
OUTPUTS = """SELECT count(*) FROM orchestrator_workflow_states AS s LEFT JOIN (
    SELECT run_id, count(DISTINCT node_id) AS nodes, count(*) AS attempts
    FROM orchestrator_agent_results WHERE status = 'completed' GROUP BY run_id) AS r USING (run_id)
WHERE (r.nodes, r.attempts) IS DISTINCT FROM (%s, %s)"""


def counted(plant, stretches):
    """What the clients counted and the tables hold, and a line for each number that is not what it has to be."""
    last = [reports.last() for reports in stretches]
    sums = {name: sum(line[name] for line in last) for name in last[0] if name not in ("took", "time", "oldest_ms")}
    with psycopg.connect(plant.store) as connection:
        runs, completed = connection.execute(RUNS, [NODES]).fetchone()
        (twice,) = connection.execute(TWICE).fetchone()
        (outputs,) = connection.execute(OUTPUTS, [NODES, NODES]).fetchone()
    sums |= {"runs": runs, "completed": completed, "runs_twice": twice, "runs_without_each_output_once": outputs}
    wrong = [f"{name.replace('_', ' ')}: {sums[name]:,} in place of {expected:,}" for name, expected in {
        "confirmed": sums["published"], "answered": sums["confirmed"], "runs": sums["confirmed"],
        "completed": sums["confirmed"], "waiting": 0, "not_completed": 0, "refused": 0, "refused_by_broker": 0, "again": 0,
        "strangers": 0, "runs_twice": 0, "runs_without_each_output_once": 0,
    }.items() if sums[name] != expected]
    return sums, wrong


def judged(plant, rate, until):
    """What check.py says of the last workflows: its counts, and a line for each fault."""
    since = until - min(JUDGED_WORKFLOWS / rate, plant.retention / 2)
    command = [sys.executable, REPOSITORY / "tests/python/check.py", "--kafka", plant.brokers,
               "--namespace", plant.namespace, "--store", plant.store, "--schemas", REPOSITORY / "schemas",
               "--since", str(int(since * 1_000))]
    found = subprocess.run(command, capture_output=True, text=True)
    if not found.stdout:
        raise SystemExit(f"the checker failed:\n{found.stderr}")
    return json.loads(found.stdout.splitlines()[-1]), found.stderr.splitlines()
