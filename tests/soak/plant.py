"""What is soaked: an engine, a projector and a worker, a process each, as in production, and the services under them.
And what whoever runs it does: retention on the topics, and old rows out of the tables that may be emptied."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests/torture"))
from town import Process, wait_until  # noqa: E402, F401

PARTITIONS = 4
NODES = 4
DEFINITION = """
name: soaked
nodes:
  - { node_id: first, agent_name: echo }
  - { node_id: left, agent_name: echo, dependencies: [first] }
  - { node_id: right, agent_name: echo, dependencies: [first] }
  - { node_id: last, agent_name: echo, dependencies: [left, right] }
"""
# Who works for the agent: the worker itself, or a program that it starts for each node.
AGENTS = {"builtin": ("--builtin", "echo"), "program": ("--agent", "echo", "--exec", "cat")}
# Topics that nobody may set a retention on.
FOR_EVER = ("journal", "definitions")
# Tables of which old rows may be deleted (docs/operations.md), and what their age is counted by.
MAY_BE_EMPTIED = {"orchestrator_operation_logs": "time", "orchestrator_error_logs": "time",
                  "orchestrator_performance_metrics": "minute"}


class Plant:
    def __init__(self, binary, folder, namespace, kafka_port, store, retention, agent):
        self.binary, self.folder, self.namespace, self.store = binary, Path(folder), namespace, store
        self.brokers, self.retention = f"127.0.0.1:{kafka_port}", retention
        self.agent = agent
        self.services = Path(os.environ["ORCHESTRATOR_SERVICES_DIR"])
        self.admin = AdminClient({"bootstrap.servers": self.brokers})
        self.processes = [
            self._process("engine", "serve", "--roles", "engine"),
            self._process("projector", "serve", "--roles", "projector"),
            self._process("worker", "worker", *AGENTS[agent]),
        ]
        self.client = None

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}
        return kept | {
            "ORCHESTRATOR_LOG_URL": f"kafka://{self.brokers}", "ORCHESTRATOR_STORE_URL": self.store,
            "ORCHESTRATOR_NAMESPACE": self.namespace, "ORCHESTRATOR_PARTITIONS": str(PARTITIONS),
            "ORCHESTRATOR_HTTP_ADDRESS": "off",
            # Runs that have ended are remembered for this long, some 100 bytes each.
            "ORCHESTRATOR_DUPLICATE_WINDOW": f"{self.retention:.0f}s",
        }

    def _process(self, name, *arguments):
        return Process(name, [self.binary, *arguments], self.environment(), self.folder / f"{name}.log")

    def start(self):
        definition = self.folder / "soaked.yaml"
        definition.write_text(DEFINITION)
        for arguments in (["init"], ["definitions", "apply", str(definition)]):
            subprocess.run([self.binary, *arguments], env=self.environment(), check=True, stdout=subprocess.DEVNULL)
        self.limit_topics()
        for process in self.processes:
            process.start()

    def start_client(self, name, *how):
        """A client of its own for each stretch; its reports."""
        report = self.folder / f"{name}.jsonl"
        command = [sys.executable, str(Path(__file__).with_name("client.py")), "--brokers", self.brokers,
                   "--namespace", self.namespace, "--name", name, "--report", str(report), *how]
        self.client = Process(name, command, self.environment(), self.folder / f"{name}.log")
        self.client.start()
        return Reports(report)

    def topics(self):
        """Their names without the namespace."""
        prefix = f"{self.namespace}."
        return sorted(name.removeprefix(prefix) for name in self.admin.list_topics(timeout=30).topics
                      if name.startswith(prefix))

    def limit_topics(self):
        """A retention on each topic that may have one, in segments that are a quarter of it."""
        self._alter({"retention.ms": self.retention * 1_000, "segment.ms": self.retention * 250,
                     "segment.bytes": 64 << 20, "file.delete.delay.ms": 1_000})

    def keep_topics(self):
        """Whatever is still there stays there, for whoever looks at it afterwards."""
        self._alter({"retention.ms": -1})

    def _alter(self, settings):
        entries = [ConfigEntry(name, str(int(value)), incremental_operation=AlterConfigOpType.SET)
                   for name, value in settings.items()]
        changes = [ConfigResource(ResourceType.TOPIC, f"{self.namespace}.{topic}", incremental_configs=entries)
                   for topic in self.topics() if topic not in FOR_EVER]
        for outcome in self.admin.incremental_alter_configs(changes).values():
            outcome.result(30)

    def empty_tables(self):
        """Deletes the rows that are older than the retention, and has their space used again."""
        with psycopg.connect(self.store, autocommit=True) as connection:
            for table, age in MAY_BE_EMPTIED.items():
                old = f"{age} < now() - make_interval(secs => %s)"
                if connection.execute(f"DELETE FROM {table} WHERE {old}", [self.retention]).rowcount:
                    connection.execute(f"VACUUM {table}")

    def gone(self):
        """Who has ended though nobody asked for it."""
        everybody = self.processes + [self.client] * (self.client is not None)
        return [process.name for process in everybody if not process.is_alive()]

    def end(self):
        """Ends the three in order; who did not."""
        return [process.name for process in self.processes if not process.end()]

    def kill_all(self):
        for process in self.processes + [self.client] * (self.client is not None):
            if process.is_alive():
                process.kill()


class Reports:
    """The lines that a client writes, as they come."""

    def __init__(self, path):
        self.path, self.read_to, self.lines = path, 0, []

    def all(self):
        if self.path.exists():
            with open(self.path) as file:
                file.seek(self.read_to)
                while (line := file.readline()).endswith("\n"):
                    self.read_to = file.tell()
                    self.lines.append(json.loads(line))
        return self.lines

    def last(self):
        lines = self.all()
        return lines[-1] if lines else None
