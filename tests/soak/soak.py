#!/usr/bin/env python3
"""Soaks an installation for long, and judges what grew. Called by scripts/soak.

    soak.py --binary PATH --folder DIR --minutes M [--rate R] [--agent KIND] [--retention SECONDS]
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import findings
import measures
import panels
from plant import AGENTS, NODES, Plant, wait_until
from samples import Sampler

# In flight, one after another; the best of them is the maximum. Their first third warms up.
CALIBRATION, STEP_SECONDS = (64, 256, 1_024), 20
# Requests a second of the installation that has a rate already: is everything there?
WARM_UP = 16
# What is left free of the disk, and what the logs of Postgres take for a while.
DISK_SHARE, WAL_BYTES, LEAST_FREE = 0.85, 1.5e9, 1e9


def say(text):
    print(text, file=sys.stderr, flush=True)


class Soak:
    def __init__(self, plant, args):
        self.plant, self.args = plant, args
        self.stretches, self.samples = [], []
        self.most = None

    # The rate

    def find_rate(self, sampler):
        """Half of what the installation can carry, or what was asked for, as far as the disk holds it."""
        steps, before, rates = [WARM_UP] if self.args.rate else CALIBRATION, None, []
        for in_flight in steps:
            rates.append(self.closed_loop(in_flight))
            before = before or sampler.sample() | {"ended": self.ended()}
            say(f"{rates[-1]:,.0f} requests a second with {in_flight:,} in flight")
        if self.args.rate:
            before = {name: 0 for name in before} | {"ended": 0}
        self.most = None if self.args.rate else max(rates)
        self.fits = self.disk_holds(before, sampler.sample() | {"ended": self.ended()})
        wanted = self.args.rate or self.most / 2
        if self.args.rate and wanted > self.fits:
            raise SystemExit(f"{self.args.minutes:g} minutes of {wanted:,.0f} requests a second need more than "
                             f"{shutil.disk_usage(self.plant.services).free / 1e9:.0f} GB of disk are free for: "
                             f"--rate {self.fits:.0f} fits")
        self.rate = min(wanted, self.fits)

    def closed_loop(self, in_flight):
        """Answers a second: the median of the seconds after those that warm up."""
        reports = self.plant.start_client(f"calibration-{in_flight}", "--in-flight", str(in_flight))
        self.stretches.append(reports)
        if not wait_until(60, lambda: (reports.last() or {"answered": 0})["answered"]):
            raise SystemExit(f"nothing is answered after a minute: look into the logs in {self.plant.folder}")
        wait_until(STEP_SECONDS + 30, lambda: len(reports.all()) >= STEP_SECONDS)
        self.end_client()
        answered = [line["answered"] for line in reports.all()[STEP_SECONDS // 3:STEP_SECONDS]]
        seconds = sorted(after - before for before, after in zip(answered, answered[1:]))
        return seconds[len(seconds) // 2]

    def disk_holds(self, before, after):
        """Requests a second that the disk can hold for the time: what stays for ever, and what stays for a while."""
        workflows = max(after["ended"] - before["ended"], 1)
        grown = {name: max(after[name] - before.get(name, 0), 0) / workflows for name in after}
        stays = sum(size for name, size in grown.items() if measures.stays(name))
        passes = sum(size for name, size in grown.items() if name.startswith(("topic/", "table/"))) - stays
        free = shutil.disk_usage(self.plant.services).free * DISK_SHARE - WAL_BYTES
        say(f"a workflow takes {stays:,.0f} B for ever and {passes:,.0f} B for {self.args.retention:.0f} s")
        return max(free, 0) / (stays * self.args.minutes * 60 + 2 * passes * self.args.retention)

    # The time

    def ended(self):
        return sum((reports.last() or {"answered": 0})["answered"] for reports in self.stretches)

    def hold(self, sampler):
        """The rate for the time, with a sample every few seconds."""
        reports = self.plant.start_client("soak", "--rate", f"{self.rate:.3f}")
        self.stretches.append(reports)
        wait_until(30, lambda: len(reports.all()) >= 3)
        began = time.time()
        end, step = began + self.args.minutes * 60, max(2.0, self.args.minutes * 60 / 720)
        emptied, told = time.time(), time.time()
        while time.time() < end:
            if gone := self.plant.gone():
                raise SystemExit(f"{', '.join(gone)} ended: look into the logs in {self.plant.folder}")
            sample = sampler.sample()
            self.samples.append(sample | {"ended": self.ended(), "waiting": reports.last()["waiting"]})
            if sample["free_bytes"] < LEAST_FREE:
                raise SystemExit("the disk is nearly full: ending before others run out of it")
            if time.time() - emptied > self.args.retention / 6:
                emptied = time.time()
                self.plant.empty_tables()
            if time.time() - told > 60:
                told = time.time()
                say(f"{(end - told) / 60:.0f} min left: {self.ended():,} workflows ended, "
                    f"{sample['free_bytes'] / 1e9:.1f} GB of disk free")
            time.sleep(max(0.0, began + len(self.samples) * step - time.time()))
        self.began, self.until = began, time.time()
        self.plant.keep_topics()
        self.end_client()
        return reports

    def end_client(self):
        if not self.plant.client.end(180):
            raise SystemExit(f"the client failed: look into its log in {self.plant.folder}")
        self.plant.client = None

    def rest(self, sampler):
        """Waits until the tables say what the journal says."""
        wait_until(180, lambda: sampler.lags()["lag/projector"] == 0, interval=1)
        sampler.close()
        for name in self.plant.end():
            say(f"{name} did not end in order")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--agent", choices=AGENTS, default="builtin")
    parser.add_argument("--retention", type=float)
    args = parser.parse_args()
    args.retention = args.retention or min(300.0, args.minutes * 10)
    folder = Path(args.folder)
    folder.mkdir(parents=True)
    say(f"samples, pictures and logs in {folder}")
    kafka, postgres = (int(os.environ[f"ORCHESTRATOR_{name}_PORT"]) for name in ("KAFKA", "POSTGRES"))
    store = f"postgres://orchestrator:orchestrator@127.0.0.1:{postgres}/orchestrator"
    plant = Plant(args.binary, folder, "soak", kafka, store, args.retention, args.agent)
    soak = Soak(plant, args)
    # Whatever happens, nothing of it goes on afterwards.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        plant.start()
        sampler = Sampler(plant)
        limits = sampler.limits()
        soak.find_rate(sampler)
        say(f"{args.minutes:g} minutes of {soak.rate:,.0f} requests a second, of {NODES} nodes each")
        reports = soak.hold(sampler)
        soak.rest(sampler)
    finally:
        plant.kill_all()
    found = findings.of(soak, reports, limits)
    (folder / "soak.json").write_text(json.dumps(found))
    (folder / "soak.svg").write_text(panels.draw(found))
    print(findings.text(found))
    print(f"picture:      {folder / 'soak.svg'}")
    print("all is well" if found["good"] else "NOT WELL")
    return 0 if found["good"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
