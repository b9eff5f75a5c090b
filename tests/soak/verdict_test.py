#!/usr/bin/env python3
"""What the verdicts say of known curves; exit code 1 if one is wrong. `verdict_test.py [SEED]`"""

import random
import sys

from verdict import Measure, judge

MIB = 1 << 20
TIMES = [5.0 * number for number in range(720)]
# A thousand workflows a second.
ENDED = [1_000 * time for time in TIMES]
MEMORY = Measure("memory", "B", 0.1, 8 * MIB)
ROWS = Measure("rows", "B", linear=True)


def noise(width):
    return (random.uniform(-width, width) for _ in TIMES)


def curves():
    """Name, measure, values, and the verdict that is due."""
    yield "noise of a tenth", MEMORY, [100 * MIB + n for n in noise(10 * MIB)], "flat"
    yield "a saw of a minute", MEMORY, [100 * MIB + time % 60 * MIB for time in TIMES], "flat"
    yield "a heap that fills for twenty minutes", MEMORY, [min(50 + time / 12, 150) * MIB for time in TIMES], "flat"
    yield "it shrinks", MEMORY, [(200 - time / 60) * MIB for time in TIMES], "flat"
    yield "a leak of 16 bytes a workflow", MEMORY, [100 * MIB + 16 * ended for ended in ENDED], "FAILED"
    yield "the same in noise", MEMORY, [100 * MIB + 16 * e + n for e, n in zip(ENDED, noise(10 * MIB))], "FAILED"
    yield "a leak after half an hour", MEMORY, [(100 + max(time - 2_000, 0) / 20) * MIB for time in TIMES], "FAILED"
    yield "a file a minute", Measure("fds", "", 0.05, 2), [50 + time // 60 for time in TIMES], "FAILED"
    lag = Measure("lag", "records", 0.5, 1_000, limit=10_000)
    yield "behind, and not more and more", lag, [20_000 + n for n in noise(5_000)], "FAILED"
    under = Measure("memory", "B", 0.1, 8 * MIB, ceiling=300 * MIB, because="a limit")
    yield "under a limit", under, [(100 + time / 20) * MIB for time in TIMES], "explained"
    yield "over a limit", under, [(200 + time / 20) * MIB for time in TIMES], "FAILED"
    yield "2,000 bytes a workflow", ROWS, [2_000 * e + n for e, n in zip(ENDED, noise(10 * MIB))], "explained"
    yield "ever more bytes a workflow", ROWS, [2_000 * e * (1 + e / ENDED[-1]) for e in ENDED], "FAILED"
    yield "grows without workflows", ROWS, [n * 3 % 7 * 10 * MIB for n, _ in enumerate(TIMES)], "FAILED"


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(1 << 32)
    random.seed(seed)
    wrong = 0
    for name, measure, values, due in curves():
        said = judge(measure, TIMES, values, ENDED)
        if said.verdict != due:
            wrong += 1
            print(f"{name}: {said.verdict} in place of {due} ({said.why}; {said.growth:.3g} ± {said.uncertainty:.3g})")
            print(f"seed {seed}")
    print(f"{wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
