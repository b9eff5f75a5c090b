"""The tables of a store as dictionaries: from Postgres by psycopg, or from SQLite. Times are microseconds since 1970."""

import datetime
import sqlite3

import psycopg

TABLES = {
    "orchestrator_workflow_states": ["run_id"],
    "orchestrator_agent_results": ["run_id", "sequence"],
    "orchestrator_operation_logs": ["subject", "sequence"],
    "orchestrator_error_logs": ["subject", "sequence"],
    "orchestrator_dead_letters": ["letter_id"],
}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def query(url, statement, values=()):
    """All rows of a statement as dictionaries; values are for Postgres."""
    if url.startswith("postgres://"):
        with psycopg.connect(url) as connection:
            cursor = connection.execute(statement, values or None)
            rows, names = cursor.fetchall(), [column.name for column in cursor.description]
    else:
        connection = sqlite3.connect(f"file:{url.removeprefix('sqlite://')}?mode=ro", uri=True)
        cursor = connection.execute(statement)
        rows, names = cursor.fetchall(), [column[0] for column in cursor.description]
    return [{name: plain(value) for name, value in zip(names, row)} for row in rows]


def plain(value):
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(microseconds=1)
    return value


def moment(microseconds):
    return EPOCH + datetime.timedelta(microseconds=microseconds)


def table(url, name, workflows=None):
    """The rows of a table by their primary key: of all workflows, or of some."""
    keys = TABLES[name]
    rows = {}
    where, values = ("", ()) if workflows is None else (" WHERE workflow_id = ANY(%s)", [list(workflows)])
    for row in query(url, f"SELECT * FROM {name}{where}", values):
        key = tuple(row.pop(key) for key in keys)
        rows[key[0] if len(key) == 1 else key] = row
    return rows


def metrics(url):
    """Calls by agent and minute, summed over partitions."""
    sums = {}
    for row in query(url, "SELECT * FROM orchestrator_performance_metrics"):
        row.pop("partition")
        total = sums.setdefault((row.pop("agent_name"), row.pop("minute")), {})
        for column, value in row.items():
            total[column] = total.get(column, 0) + value
    return sums
