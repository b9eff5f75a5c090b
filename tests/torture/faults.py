"""What is done to the town, and how often. Each lane goes its own way: what it does next, to whom and when are its own
dice, which the seed decides. What happens then is up to the machine."""

import random
import threading
import time
from dataclasses import dataclass

from town import SESSION


@dataclass
class Fault:
    """Something that was done: what, to whom, from when to when (seconds since 1970)."""

    kind: str
    victim: str
    began: float
    ended: float = 0.0

    def hits_recovery(self):
        """Whether it may hold up an engine that takes over: it was done to a service, or to an engine."""
        return not self.victim.startswith("worker")


class Lane(threading.Thread):
    """One fault after the other, with a pause of `pause` seconds (from, to) between them, until it is told to stop."""

    def __init__(self, town, seed, pause, faults, log):
        super().__init__(daemon=True)
        self.town, self.pause, self.faults, self.log = town, pause, faults, log
        self.dice = random.Random(f"{seed} {type(self).__name__}")
        self.over = threading.Event()
        self.error = None

    def run(self):
        try:
            while not self.over.wait(self.dice.uniform(*self.pause)):
                names, weights = zip(*self.faults.items())
                getattr(self, self.dice.choices(names, weights)[0])()
        except Exception as error:  # told by the main thread, which ends the torture
            self.error = error

    def strike(self, kind, victim=""):
        fault = Fault(kind, victim, time.time())
        self.log.append(fault)
        return fault

    def lasts(self, fault, *seconds):
        """So long the fault lasts; less where the torture is over."""
        self.over.wait(self.dice.uniform(*seconds))
        fault.ended = time.time()

    def kill(self, process, *away):
        fault = self.strike("kill -9", process.name)
        process.kill()
        self.lasts(fault, *away)
        process.start()

    def sleep(self, process, *away):
        fault = self.strike("SIGSTOP", process.name)
        process.pause()
        self.lasts(fault, *away)
        process.go_on()


class Engines(Lane):
    """Engines that die, sleep through their session, lose their network, come and go."""

    def kill_one(self):
        self.kill(self.dice.choice(self.town.engines), 0, 5)

    def stop_one(self):
        """For longer than its session: it wakes up as a zombie."""
        self.sleep(self.dice.choice(self.town.engines), SESSION + 1, SESSION + 8)

    def cut(self):
        fault = self.strike("network cut", "engine-1")
        self.town.proxy.cut()
        # Some end before the session does.
        self.lasts(fault, 2, SESSION + 8)
        self.town.proxy.heal()

    def slow(self):
        fault = self.strike("network delay", "engine-1")
        self.town.proxy.slow(self.dice.uniform(0.02, 0.5))
        self.lasts(fault, 5, 20)
        self.town.proxy.heal()

    def storm(self):
        """An engine that joins and leaves again and again: each time all partitions are handed out anew."""
        fault = self.strike("rebalance storm")
        for _ in range(self.dice.randint(2, 4)):
            self.town.stormer.start()
            self.over.wait(self.dice.uniform(0.5, 3))
            if self.dice.random() < 0.5:
                self.town.stormer.end()
            else:
                self.town.stormer.kill()
        fault.ended = time.time()


class Workers(Lane):
    """Workers that die and sleep."""

    def kill_one(self):
        self.kill(self.dice.choice(self.town.workers), 0, 3)

    def stop_one(self):
        self.sleep(self.dice.choice(self.town.workers), 1, SESSION + 5)


class Services(Lane):
    """A broker and a database that go away and come back."""

    def restart_broker(self):
        fault = self.strike("broker restart")
        self.town.services("stop-kafka")
        self.lasts(fault, 0, 5)
        self.town.services("start-kafka")
        fault.ended = time.time()

    def kill_broker(self):
        fault = self.strike("broker kill -9")
        self.town.kill_broker()
        self.lasts(fault, 0, 5)
        self.town.services("start-kafka")
        fault.ended = time.time()

    def restart_postgres(self):
        fault = self.strike("Postgres restart")
        self.town.services("stop-postgres")
        self.lasts(fault, 0, 10)
        self.town.services("start-postgres")
        fault.ended = time.time()


def lanes(town, seed, log):
    return [
        Engines(town, seed, (6, 25), {"kill_one": 5, "stop_one": 2, "cut": 2, "slow": 1, "storm": 1}, log),
        Workers(town, seed, (8, 30), {"kill_one": 2, "stop_one": 1}, log),
        Services(town, seed, (45, 120), {"restart_broker": 1, "kill_broker": 1, "restart_postgres": 2}, log),
    ]
