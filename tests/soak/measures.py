"""What is judged of a soak, and how strictly."""

from plant import MAY_BE_EMPTIED, NODES
from verdict import Measure

MIB = 1 << 20
# Of a broker as scripts/services starts it: a heap of 1 GiB, and what a JVM needs beside it.
BROKER_MEMORY = 1_700 * MIB
# Topics smaller than this are judged in one sum.
SMALL = MIB
JOURNAL = "nothing trims it in this version"
# The lags, in seconds of what is done: the groups of engine and worker commit every 5 s.
BEHIND, COMMITTED_BEHIND = 10, 15
KEPT_ROWS = "nothing deletes its rows in this version"
# Grow in steps, by what vacuum gives back now and then, or by whole pages after each checkpoint.
IN_STEPS = {"fits": 0.95, "steeper": 1.3}
UPDATED = ("workflow_states",)
# Of a segment of the journal (1 GiB), so many stay open.
FILES_OF_A_SEGMENT = 3


def grown_with(name):
    """The number of workflows that a measure grows with: those that have ended, or have a row."""
    return "projected" if name.startswith("table/") or name == "wal_written" else "ended"


def stays(name):
    """Is it for ever, as far as the product says?"""
    kind, _, what = name.partition("/")
    return name == "topic/journal" or kind == "table" and f"orchestrator_{what}" not in MAY_BE_EMPTIED


def fold_small(samples):
    """Sums the topics that hold next to nothing, so that there are not thirty of them."""
    names = [name for name in samples[0] if name.startswith("topic/")]
    small = [name for name in names if max(sample[name] for sample in samples) < SMALL]
    for sample in samples:
        sample["topic/others"] = sum(sample.pop(name) for name in small)


def empty_tables(samples):
    """Tables into which nothing was written."""
    names = [name for name in samples[0] if name.startswith("table/")]
    return [name for name in names if samples[0][name] == samples[-1][name] == min(s[name] for s in samples)
            and not any(sample[name.replace("table", "rows", 1)] for sample in samples)]


def measures(samples, limits):
    """`limits`: bytes of memory and of write-ahead log that Postgres is allowed, by its settings."""
    found = []
    for name in ("engine", "projector", "worker"):
        found.append(Measure(f"memory/{name}", "B", 0.1, 8 * MIB))
    found.append(Measure("memory/broker", "B", 0.1, 8 * MIB, ceiling=BROKER_MEMORY,
                         because="a JVM fills its heap of 1 GiB before it cleans it"))
    found.append(Measure("memory/postgres", "B", 0.1, 8 * MIB, ceiling=limits["memory"],
                         because="it fills its shared buffers, and each connection has a cache"))
    for name in ("engine", "projector", "worker"):
        found += [Measure(f"fds/{name}", "", 0.05, 2), Measure(f"threads/{name}", "", 0.05, 1)]
    found += [Measure("fds/broker", "", 0.1, 20 + files_of_journal(samples)), Measure("threads/broker", "", 0.05, 4)]
    found += [Measure("fds/postgres", "", 0.1, 20), Measure("backends", "", 0.05, 2)]
    found += lags(samples)
    found += [Measure("p50", "ms", 0.5, 10), Measure("p99", "ms", 1, 100)]
    return found + topics(samples[0]) + tables(samples) + logs(limits)


def lags(samples):
    requests, steps = a_second(samples, "ended"), a_second(samples, "journal_end")
    return [
        Measure("lag/projector", "records", 0.5, 1_000, limit=BEHIND * steps),
        Measure("recovery", "records", 0.5, 1_000, limit=BEHIND * steps),
        Measure("lag/engine", "records", 0.5, 1_000, limit=COMMITTED_BEHIND * requests),
        Measure("lag/worker", "records", 0.5, 1_000, limit=COMMITTED_BEHIND * requests * NODES),
        Measure("waiting", "requests", 0.5, 100, limit=BEHIND * requests),
    ]


def a_second(samples, name):
    first, last = samples[0], samples[-1]
    return (last[name] - first[name]) / (last["time"] - first["time"])


def files_of_journal(samples):
    """An hour."""
    return FILES_OF_A_SEGMENT * 3_600 * a_second(samples, "topic/journal") / (1 << 30)


def topics(sample):
    for_ever = Measure("topic/journal", "B", linear=True, because=JOURNAL)
    rest = [name for name in sample if name.startswith("topic/") and name != "topic/journal"]
    return [for_ever] + [Measure(name, "B", 0.1, 8 * MIB) for name in sorted(rest)]


def tables(samples):
    found, empty = [], empty_tables(samples)
    for name in sorted(name for name in samples[0] if name.startswith("table/") and name not in empty):
        table = name.removeprefix("table/")
        if f"orchestrator_{table}" in MAY_BE_EMPTIED or samples[-1][f"rows/{table}"] < 1_000:
            found.append(Measure(name, "B", 0.1, 8 * MIB))
        else:
            steps = IN_STEPS if table in UPDATED else {}
            found.append(Measure(name, "B", linear=True, because=KEPT_ROWS, **steps))
    return found


def logs(limits):
    written = Measure("wal_written", "B", linear=True, because="used again after each checkpoint", **IN_STEPS)
    kept = Measure("wal_bytes", "B", 0.1, 32 * MIB, ceiling=limits["wal"],
                   because="Postgres keeps up to max_wal_size between checkpoints")
    return [written, kept]
