#!/usr/bin/env python3
"""Tortures an installation for some minutes while it works, and judges what it did. Called by scripts/torture.

    torture.py --binary PATH --folder DIR --minutes M [--seed N] [--rate R]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, TopicPartition

import measure
from chart import draw
from faults import lanes
from load import Load
from town import REPOSITORY, SESSION, Town, wait_until

sys.path.insert(0, str(REPOSITORY / "tests/python"))
from records import KafkaTopics  # noqa: E402
from wire import Schemas  # noqa: E402

# Of the worst recovery, over the session timeout.
GOAL = 3.0


def say(text):
    print(text, file=sys.stderr, flush=True)


def torture(town, args):
    """The load and the faults; when both began, what was done, and the load."""
    town.prepare()
    town.start()
    faults, began = [], time.time()
    load = Load(town.brokers, town.namespace, args.rate, args.seed)
    # Everybody has begun before anything is done to anybody.
    if not wait_until(120, lambda: len(load.answered) > args.rate):
        raise SystemExit("nothing is answered after two minutes: look into the logs of the engines")
    running, end = lanes(town, args.seed, faults), time.time() + args.minutes * 60
    for lane in running:
        lane.start()
    told = time.time()
    while time.time() < end:
        time.sleep(0.5)
        for lane in running:
            if lane.error:
                raise lane.error
        if time.time() - told >= 30:
            told = time.time()
            say(f"{(end - told) / 60:.1f} min left: {len(faults)} faults, {len(load.accepted)} requests accepted, "
                f"{load.unanswered()} not answered")
    for lane in running:
        lane.over.set()
    for lane in running:
        lane.join(180)
    load.stop()
    return began, time.time(), faults, load


def rest(town, load):
    """Waits until all is answered and the tables say so; whether that came to be."""
    say(f"the torture is over: {load.unanswered()} of {len(load.accepted)} requests are not answered yet")
    town.heal()
    answered = wait_until(180, lambda: load.unanswered() == 0)
    if not answered:
        say(f"{load.unanswered()} requests are not answered after three minutes")
    seen = [None, 0]

    def quiet():
        now = (journal_ends(town), projected(town))
        if now != seen[0]:
            seen[:] = [now, time.monotonic()]
        return time.monotonic() - seen[1] > 5

    wait_until(120, quiet, interval=1)
    for name in town.end():
        say(f"{name} did not end in order")
    return answered


def journal_ends(town):
    topic = f"{town.namespace}.journal"
    consumer = Consumer({"bootstrap.servers": town.brokers, "group.id": f"{town.namespace}-ends"})
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)[1] for partition in partitions]
    consumer.close()
    return ends


def projected(town):
    with psycopg.connect(town.store) as connection:
        rows = connection.execute("SELECT partition, next_offset FROM orchestrator_projector_positions ORDER BY 1")
        return rows.fetchall()


def check(town, load):
    """What tests/python/check.py finds: counts, and a line for each fault."""
    command = [sys.executable, REPOSITORY / "tests/python/check.py", "--kafka", town.brokers,
               "--namespace", town.namespace, "--store", town.store, "--schemas", REPOSITORY / "schemas",
               "--workflows", str(len(load.accepted))]
    found = subprocess.run(command, capture_output=True, text=True)
    if not found.stdout:
        raise SystemExit(f"the checker failed:\n{found.stderr}")
    counts = json.loads(found.stdout.splitlines()[-1])
    return counts, found.stderr.splitlines()


def figures(town, faults, began, ended):
    """Recoveries, repetitions, stalls and throughput."""
    topics, schemas = KafkaTopics(town.brokers, town.namespace), Schemas(REPOSITORY / "schemas")
    tasks, handed_out, completed, finished = {}, {}, [], {}
    for agent in ("step", "twice"):
        for record in topics.records(f"ready.{agent}"):
            task, at = json.loads(record.value), record.time / 1e6
            tasks.setdefault(task["reply"]["partition"], []).append(at)
            handed_out[task["dispatch_id"]] = min(at, handed_out.get(task["dispatch_id"], at))
    for record in topics.records("events"):
        name, event = schemas.read(record.value)
        if name.startswith(("NodeCompleted", "NodeFailed")):
            dispatch = f"{event['run_id']}/{event['node_id']}/{event['attempt']}"
            finished.setdefault(dispatch, record.time / 1e6)
        if name.startswith("NodeCompleted"):
            completed.append(record.time / 1e6)
    for times in tasks.values():
        times.sort()
    taken = measure.takings(topics.records("journal"), schemas)
    names = measure.takers(town.engines + [town.stormer])
    instants = [moment for fault in faults for moment in (fault.began, fault.ended, fault.began + SESSION)]
    instants += [at for known in taken.values() for at, _ in known]
    away = [(fault.began, fault.ended + SESSION) for fault in faults if fault.kind in measure.SERVICES]
    executed = measure.executions(town.executions)
    return {
        "recoveries": measure.recoveries(faults, taken, names, tasks),
        "executed": len(executed),
        "again": sum(len(times) - 1 for times in executed.values()),
        "unexplained": measure.unexplained(executed, handed_out, finished, instants),
        "in_flight": measure.in_flight(executed, handed_out, finished, instants),
        "stall": measure.longest_gap(completed, began, ended),
        "stall_with_services": measure.longest_gap(completed, began, ended, away),
        "per_second": measure.by_second(completed, began, ended),
        "completed": len(completed),
    }


def report(args, began, faults, load, counts, complaints, found):
    """Prints everything; whether all is well."""
    by_kind = counts.pop("faults_by_kind")
    print(f"seed {args.seed}, {args.minutes:g} minutes, {args.rate:g} requests a second")
    print(f"faults:         {of_each(faults)}")
    print(f"requests:       {len(load.accepted)} accepted, {len(load.accepted & load.answered.keys())} answered, "
          f"{len(load.refusals)} refused, {len(load.refused_by_broker)} never accepted by the broker")
    print("seen:           " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    print("checker:        " + ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in by_kind.items()))
    print(f"executions:     {found['executed']} tasks, {found['again']} executions too many (at most {found['in_flight']},"
          f" by what was in flight when something was done), {len(found['unexplained'])} of them without a reason")
    print("longest stall:  " + "; ".join(f"{what} {seconds:.1f} s, at {at - began:.0f} s" for what, (seconds, at) in [
        ("of all", found["stall"]), ("while broker and store were up", found["stall_with_services"])]))
    recoveries(found["recoveries"])
    for dispatch, first, second in found["unexplained"][:10]:
        print(f"  executed again without a reason: {dispatch} at {first - began:.1f} and {second - began:.1f} s")
    for complaint in complaints[:50]:
        print(f"  {complaint}")
    lost = load.accepted - load.answered.keys()
    return not (complaints or lost or load.refusals or found["unexplained"] or found["again"] > found["in_flight"])


def of_each(faults):
    """How many there were of each kind, and of whom."""
    kinds = Counter(" of ".join(filter(None, [fault.kind, fault.victim.partition("-")[0]])) for fault in faults)
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items()))


def recoveries(found):
    counted = [recovery.seconds for recovery in found if recovery.counts()]
    others = [recovery.seconds for recovery in found if not recovery.counts()]
    if counted:
        goal = SESSION + GOAL
        print(f"recovery:       {len(counted)} partitions of killed engines, from kill to first dispatch: "
              f"p50 {measure.quantile(counted, 0.5):.1f} s, p99 {measure.quantile(counted, 0.99):.1f} s, "
              f"worst {max(counted):.1f} s; up to {SESSION:.0f} s of each are Kafka's session timeout "
              f"(goal: the worst ≤ {goal:.0f} s: {'met' if max(counted) <= goal else 'missed'})")
    if others:
        print(f"                {len(others)} more, with something else done to engines or services in between: "
              f"worst {max(others):.1f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rate", type=float, default=15)
    args = parser.parse_args()
    args.seed = random.randrange(1 << 32) if args.seed is None else args.seed
    folder = Path(args.folder)
    folder.mkdir(parents=True)
    say(f"seed {args.seed}; logs and pictures in {folder}")
    ports = (int(os.environ[f"ORCHESTRATOR_{name}_PORT"]) for name in ("KAFKA", "KAFKA_PROXY", "POSTGRES"))
    kafka, proxy, postgres = ports
    store = f"postgres://orchestrator:orchestrator@127.0.0.1:{postgres}/orchestrator"
    town = Town(args.binary, folder, f"torture-{args.seed}", kafka, proxy, store)
    # Whatever happens, nothing of it goes on afterwards.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        began, ended, faults, load = torture(town, args)
        answered = rest(town, load)
        load.close()
    finally:
        town.kill_all()
    counts, complaints = check(town, load)
    found = figures(town, faults, began, ended)
    good = report(args, began, faults, load, counts, complaints, found) and answered
    picture = folder / "throughput.svg"
    picture.write_text(draw(found["per_second"], faults, began,
                            f"{args.minutes:g} minutes of torture, {args.rate:g} requests a second, seed {args.seed}"))
    with open(folder / "faults.jsonl", "w") as record:
        for fault in faults:
            record.write(json.dumps(vars(fault)) + "\n")
    print(f"picture:        {picture}")
    print("all is well" if good else "NOT WELL")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
