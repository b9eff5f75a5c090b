"""What is tortured: three engines with their projectors, workers of two agents, and the services under them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from proxy import Proxy

REPOSITORY = Path(__file__).resolve().parents[2]
# Of members of consumer groups: the default of engines.
SESSION = 10.0
PARTITIONS = 6

HANDLING = "retry: { max_retries: 8, base_delay: 300ms, max_delay: 3s }, timeout: 60s"
DEFINITION = f"""
name: tortured
nodes:
  - {{ node_id: first, agent_name: step, {HANDLING} }}
  - {{ node_id: left, agent_name: step, dependencies: [first], {HANDLING} }}
  - {{ node_id: right, agent_name: twice, dependencies: [first], {HANDLING} }}
  - {{ node_id: last, agent_name: step, dependencies: [left, right], {HANDLING} }}
"""

# An attempt takes 20 to 80 ms and fails once in twenty.
STEP = """echo "$ORCHESTRATOR_DISPATCH_ID $EPOCHREALTIME" >> {executions}
n=$((16#${{ORCHESTRATOR_DISPATCH_ID:0:6}} + 7919 * ORCHESTRATOR_ATTEMPT))
sleep 0.0$((n % 7 + 2))
[ $((n % 20)) -eq 0 ] && {{ echo '{{"code":"http_503"}}'; exit 1; }}
exec cat"""


class Process:
    """A process that is killed, stopped and started again. Its log is one file throughout."""

    def __init__(self, name, command, env, log):
        self.name, self.command, self.env, self.log = name, command, env, log
        self.child = None

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          start_new_session=True)

    def is_alive(self):
        return self.child is not None and self.child.poll() is None

    def kill(self):
        """With everything that it has started, at once."""
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def pause(self):
        os.kill(self.child.pid, signal.SIGSTOP)

    def go_on(self):
        if self.is_alive():
            os.kill(self.child.pid, signal.SIGCONT)

    def end(self, patience=60):
        """In order; whether it ended so."""
        if not self.is_alive():
            return False
        self.go_on()
        self.child.terminate()
        try:
            return self.child.wait(patience) == 0
        except subprocess.TimeoutExpired:
            self.kill()
            return False


class Town:
    def __init__(self, binary, folder, namespace, kafka_port, proxy_port, store):
        self.binary, self.folder, self.namespace, self.store = binary, Path(folder), namespace, store
        self.brokers = f"127.0.0.1:{kafka_port}"
        # The broker's fourth listener, which names the proxy as its address.
        self.proxy = Proxy(proxy_port, kafka_port + 3)
        self.executions = self.folder / "executions"
        self.engines = [self._engine(1, f"127.0.0.1:{proxy_port}"), self._engine(2), self._engine(3)]
        self.workers = [self._worker(n) for n in (1, 2)] + [self._liar()]
        self.stormer = self._engine(4)

    def environment(self, brokers=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}
        return kept | {
            "ORCHESTRATOR_LOG_URL": f"kafka://{brokers or self.brokers}", "ORCHESTRATOR_STORE_URL": self.store,
            "ORCHESTRATOR_NAMESPACE": self.namespace, "ORCHESTRATOR_PARTITIONS": str(PARTITIONS),
            "ORCHESTRATOR_HTTP_ADDRESS": "off",
        }

    def _engine(self, number, brokers=None):
        name = f"engine-{number}"
        command = [self.binary, "serve", "--roles", "engine,projector"]
        return Process(name, command, self.environment(brokers), self.folder / f"{name}.log")

    def _worker(self, number):
        name = f"worker-{number}"
        script = STEP.format(executions=self.executions)
        command = [self.binary, "worker", "--agent", "step", "--exec", "bash", "-c", script]
        env = self.environment() | {"ORCHESTRATOR_WORKER_CONCURRENCY": "16"}
        return Process(name, command, env, self.folder / f"{name}.log")

    def _liar(self):
        agent = Path(__file__).with_name("answers_twice.py")
        command = [sys.executable, str(agent), "twice", self.brokers, self.namespace, str(self.executions)]
        return Process("worker-3", command, self.environment(), self.folder / "worker-3.log")

    def prepare(self):
        definition = self.folder / "tortured.yaml"
        definition.write_text(DEFINITION)
        for arguments in (["init"], ["definitions", "apply", str(definition)]):
            subprocess.run([self.binary, *arguments], env=self.environment(), check=True, stdout=subprocess.DEVNULL)

    def everybody(self):
        return self.engines + self.workers

    def start(self):
        for process in self.everybody():
            process.start()

    def services(self, *arguments):
        """What scripts/services does, on the services of the torture."""
        subprocess.run([REPOSITORY / "scripts/services", *arguments], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, cwd=REPOSITORY)

    def kill_broker(self):
        folder = Path(os.environ["ORCHESTRATOR_SERVICES_DIR"])
        os.kill(int((folder / "kafka/pid").read_text()), signal.SIGKILL)

    def heal(self):
        """Everything is up and goes on, whatever was done to it."""
        self.proxy.heal()
        if self.stormer.is_alive():
            self.stormer.end()
        for service in ("start-kafka", "start-postgres"):
            self.services(service)
        for process in self.everybody():
            process.go_on()
            if not process.is_alive():
                process.start()

    def kill_all(self):
        for process in [*self.everybody(), self.stormer]:
            if process.is_alive():
                process.kill()

    def end(self):
        """Ends everybody in order; who did not."""
        return [process.name for process in self.everybody() if not process.end()]


def wait_until(limit, condition, interval=0.2):
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True
