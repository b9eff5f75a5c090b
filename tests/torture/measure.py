"""What the torture came to, measured from the topics, the engines' logs and the record of the faults."""

import json
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from town import SESSION

# A worker commits at least so often (seconds): killed, it is given again what it has ended since.
COMMITS_WITHIN = 6.0
SERVICES = ("broker restart", "broker kill -9", "Postgres restart")


@dataclass
class Recovery:
    """A partition that lost its owner to a kill: from the kill to the first task that its next owner handed out."""

    killed_at: float
    engine: str
    partition: int
    seconds: float
    # Another fault of an engine, or of a service, in that time.
    disturbed_by: list

    def counts(self):
        return not self.disturbed_by


def takings(journal, schemas):
    """By partition: when it was taken and with which term, where that counts."""
    found = {}
    for record in journal:
        name, taken = schemas.read(record.value)
        known = found.setdefault(record.partition, [])
        if name.startswith("PartitionTaken") and taken["term"] > (known[-1][1] if known else 0):
            known.append((record.time / 1e6, taken["term"]))
    return found


def takers(engines):
    """By partition and term: the name of the engine that said it had taken it."""
    found = {}
    for engine in engines:
        if not engine.log.exists():
            continue
        for line in engine.log.read_text(errors="replace").splitlines():
            if '"the partition is taken"' not in line:
                continue
            said = json.loads(line)
            said = said.get("fields", said)
            found[said["partition"], said["term"]] = engine.name
    return found


def recoveries(faults, taken, names, tasks):
    """`tasks`: when tasks of each partition were appended, ascending."""
    found = []
    for kill in faults:
        if kill.kind != "kill -9" or not kill.victim.startswith("engine"):
            continue
        for partition, known in taken.items():
            at = bisect_right(known, (kill.began, 0)) - 1
            if at < 0 or at + 1 >= len(known) or names.get((partition, known[at][1])) != kill.victim:
                continue
            first = next((task for task in tasks.get(partition, []) if task >= known[at + 1][0]), None)
            if first is None:
                continue
            others = [fault.kind for fault in faults
                      if fault is not kill and fault.hits_recovery()
                      and fault.began < first and (fault.ended or first) > kill.began - SESSION]
            found.append(Recovery(kill.began, kill.victim, partition, first - kill.began, others))
    return found


def executions(path):
    """When each task was executed, by its dispatch id: its agent wrote it down."""
    times = {}
    for line in path.read_text().splitlines():
        dispatch, at = line.rsplit(" ", 1)
        times.setdefault(dispatch, []).append(float(at))
    return {dispatch: sorted(known) for dispatch, known in times.items()}


def unexplained(executed, handed_out, ended, instants):
    """Tasks that were executed again though nothing had been done to anybody, at none of the instants, since they were
    handed out and before it was committed that they had ended. One that waited for a worker when its partition was
    taken is in its topic twice, and may be executed twice when nothing is wrong any more."""
    instants, found = sorted(instants), []
    for dispatch, times in executed.items():
        for first, second in zip(times, times[1:]):
            until = min(second, ended.get(dispatch, second) + COMMITS_WITHIN)
            at = bisect_right(instants, until) - 1
            if at < 0 or instants[at] < min(first, handed_out[dispatch]):
                found.append((dispatch, first, second))
    return found


def in_flight(executed, handed_out, ended, instants):
    """How many tasks were handed out, and not committed as ended yet, at one of the instants: so many may have been
    executed again."""
    instants, count = sorted(instants), 0
    for dispatch, times in executed.items():
        until = ended.get(dispatch, times[-1]) + COMMITS_WITHIN
        count += bisect_right(instants, until) - bisect_right(instants, min(times[0], handed_out[dispatch]))
    return count


def longest_gap(times, began, ended, without=()):
    """The longest time without any of these, between two moments, outside of some spans; and when it began."""
    longest = (0.0, began)
    before = began
    for time in sorted(time for time in times if began <= time <= ended) + [ended]:
        if not any(start < time and before < end for start, end in without):
            longest = max(longest, (time - before, before))
        before = time
    return longest


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


def by_second(times, began, ended):
    counts = Counter(int(time - began) for time in times)
    return [counts[second] for second in range(int(ended - began) + 1)]
