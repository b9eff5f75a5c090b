"""Everything that could grow, measured at one moment: of processes from /proc, of topics and logs where they lie on the
disk, of tables and positions from Postgres, of offsets from Kafka."""

import os
import shutil
import time
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition

TICKS = os.sysconf("SC_CLK_TCK")
POSITIONS = """SELECT partition, next_offset, coalesce((position::json -> 'effects_through' ->> 'offset')::bigint, 0)
FROM orchestrator_projector_positions"""
TABLES = """SELECT relname, n_live_tup, n_dead_tup, n_tup_ins, pg_total_relation_size(relid) FROM pg_stat_user_tables
WHERE relname LIKE 'orchestrator\\_%'"""
LIMITS = """SELECT pg_size_bytes(current_setting('shared_buffers')), pg_size_bytes(current_setting('max_wal_size'))"""
# What the processes of a server have of their own, all together, in bytes.
CACHES = 256 << 20
# Beside the server's own processes, those that serve a connection.
BACKENDS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


class Sampler:
    """One connection of each kind, made once: measuring must not be what grows."""

    def __init__(self, plant):
        self.plant = plant
        self.consumer = Consumer({"bootstrap.servers": plant.brokers, "group.id": f"{plant.namespace}-samples"})
        self.topics = plant.topics()
        self.connection = psycopg.connect(plant.store, autocommit=True)
        self.postgres = Path((plant.services / "postgres/home").read_text().strip()) / "data"

    def limits(self):
        """How much memory Postgres and its write-ahead log may take, by the server's settings."""
        shared, wal = self.connection.execute(LIMITS).fetchone()
        return {"memory": shared + CACHES, "wal": 1.25 * wal}

    def close(self):
        self.consumer.close()
        self.connection.close()

    def sample(self):
        """Measures by name, flat: numbers alone."""
        found = {"time": time.time(), "free_bytes": shutil.disk_usage(self.plant.services).free}
        for name, numbers in self.processes().items():
            found |= measured_process(name, numbers)
        found |= self.on_disk()
        found |= self.tables()
        found |= self.lags()
        return found

    def processes(self):
        """The numbers of the processes that belong together."""
        postmaster = int((self.postgres / "postmaster.pid").read_text().split()[0])
        found = {process.name: [process.child.pid] for process in self.plant.processes}
        found["broker"] = [int((self.plant.services / "kafka/pid").read_text())]
        found["postgres"] = [postmaster, *children(postmaster)]
        if self.plant.client:
            found["client"] = [self.plant.client.child.pid]
        return found

    def on_disk(self):
        data, prefix = self.plant.services / "kafka/data", self.plant.namespace
        sizes = {f"topic/{topic}": sum(allocated(folder) for folder in data.glob(f"{prefix}.{topic}-[0-9]*"))
                 for topic in self.topics}
        return sizes | {"wal_bytes": allocated(self.postgres / "pg_wal")}

    def tables(self):
        found = {}
        for name, live, dead, inserted, size in self.connection.execute(TABLES):
            name = name.removeprefix("orchestrator_")
            found |= {f"rows/{name}": live, f"dead/{name}": dead, f"table/{name}": size}
            if name == "workflow_states":
                found["projected"] = inserted
        (written,) = self.connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").fetchone()
        (backends,) = self.connection.execute(BACKENDS).fetchone()
        return found | {"wal_written": written, "backends": backends}

    def lags(self):
        """In records. What recovery reads: the journal from where all effects are known to be done."""
        lag = recovery = ends = 0
        for partition, next_offset, through in self.connection.execute(POSITIONS):
            end = self.end("journal", partition)
            ends += end
            lag, recovery = lag + max(end - next_offset, 0), recovery + max(end - through, 0)
        namespace = self.plant.namespace
        return {
            "journal_end": ends, "lag/projector": lag, "recovery": recovery,
            "lag/engine": self.group_lag(f"{namespace}-engine", "requests"),
            "lag/worker": self.group_lag(f"{namespace}-workers-echo", "ready.echo"),
        }

    def end(self, topic, partition):
        name = TopicPartition(f"{self.plant.namespace}.{topic}", partition)
        return self.consumer.get_watermark_offsets(name, timeout=30)[1]

    def group_lag(self, group, topic):
        name = f"{self.plant.namespace}.{topic}"
        asked = self.plant.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        committed = next(iter(asked.values())).result(30).topic_partitions
        return sum(max(self.end(topic, part.partition) - max(part.offset, 0), 0)
                   for part in committed if part.topic == name)


def measured_process(name, numbers):
    """Resident memory, open files, threads, and seconds of CPU so far. Processes that share memory (Postgres) count
    each page once: proportional set size in place of resident set size."""
    total = {f"{what}/{name}": 0 for what in ("memory", "fds", "threads", "cpu")}
    for number in numbers:
        try:
            stat = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            memory = field(number, "smaps_rollup", "Pss:") if len(numbers) > 1 else field(number, "status", "VmRSS:")
            found = {"memory": memory, "fds": len(os.listdir(f"/proc/{number}/fd")), "threads": int(stat[17]),
                     "cpu": (int(stat[11]) + int(stat[12])) / TICKS}
        except (FileNotFoundError, ProcessLookupError):
            continue  # a backend that has just ended
        for what, value in found.items():
            total[f"{what}/{name}"] += value
    return total


def field(number, file, name):
    """A field of /proc in kB, in bytes."""
    for line in Path(f"/proc/{number}/{file}").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1_024
    return 0


def children(parent):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def allocated(folder):
    """What the files of a folder take on the disk: Kafka's indexes are longer than that."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
            except FileNotFoundError:
                continue  # deleted meanwhile
    return total
