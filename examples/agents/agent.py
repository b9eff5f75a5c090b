#!/usr/bin/env python3
"""An agent in Python: confluent-kafka, and nothing of ours.

    pip install confluent-kafka
    ./agent.py shout localhost:9092     runs the nodes whose agent_name is "shout", one at a time, until SIGTERM
"""
import json, os, signal, sys, time
from confluent_kafka import Consumer, KafkaException, Producer

class Failed(Exception):
    """A failure that says more than its words. Each of class, code, details and retry_after (seconds) may be left out;
    without a class the definition's rules and the default table say, by the code, whether another attempt may help."""
    def __init__(self, message, **said):
        super().__init__(message)
        self.said = said

def shout(text, heartbeat):
    """The work: what goes in is the node's input, what comes out is its output. Work that takes long calls heartbeat()
    as often as it likes: where the node says `heartbeat: true`, its timeout begins anew."""
    if not isinstance(text, str):
        raise Failed(f"expected a string, found {text!r}", **{"class": "non_retryable", "code": "not_text"})
    words = []
    for word in text.split(" "):
        words.append(word.upper())
        heartbeat()
    return " ".join(words)

class Heartbeat:
    """Says that an attempt goes on, where its task asks for that: ten times per timeout, and once a minute, at most."""
    def __init__(self, task, send):
        self.asked, self.send, self.not_before = task.get("heartbeat", False), send, 0
        self.interval = min(task["timeout_ms"] / 1000 / 10, 60)

    def __call__(self):
        now = time.monotonic()
        if self.asked and now >= self.not_before:
            self.not_before = now + self.interval
            try:
                self.send({"type": "heartbeat"})
            except (BufferError, KafkaException) as fault:  # no reason to fail: the next one may get through
                print(f"a heartbeat was not sent: {fault}", file=sys.stderr)

agent, brokers = (sys.argv[1:] + ["shout", "localhost:9092"][len(sys.argv) - 1:])[:2]
namespace = os.environ.get("ORCHESTRATOR_NAMESPACE", "orchestrator")
consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"{namespace}-workers-{agent}",
                     "auto.offset.reset": "earliest", "enable.auto.commit": False,
                     "max.poll.interval.ms": 3_600_000})  # one hour: of a longer attempt another worker begins a second run
producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 0})
consumer.subscribe([f"{namespace}.ready.{agent}"])
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop); signal.signal(signal.SIGINT, stop)

while running:
    message = consumer.poll(0.2)
    if message is None or message.error():
        continue
    try:
        task = json.loads(message.value())  # dispatch_id, workflow_id, node_id, attempt, input, timeout_ms, reply, ...
    except (TypeError, ValueError) as fault:
        print(f"skipped {message.topic()}/{message.partition()}/{message.offset()}: {fault}", file=sys.stderr)
        continue
    def send(outcome):
        report = {"format": 1, "dispatch_id": task["dispatch_id"], "workflow_id": task["workflow_id"], **outcome}
        producer.produce(task["reply"]["topic"], json.dumps(report), task["workflow_id"],
                         task["reply"]["partition"], headers=message.headers())
        producer.poll(0)
    try:
        outcome = {"type": "completed", "output": shout(task["input"], Heartbeat(task, send))}
    except Failed as fault:  # e.g. Failed("the model is busy", code="overloaded", retry_after=2.5)
        outcome = {"type": "failed", "message": str(fault), **fault.said}
    except Exception as fault:  # the exception's name as a code: the table knows ConnectionError, TimeoutError, ...
        outcome = {"type": "failed", "code": type(fault).__name__, "message": repr(fault)}
    send(outcome)
    if producer.flush(30) == 0:  # confirmed: only now the task is done; else it comes again after a restart
        consumer.commit(message, asynchronous=False)
consumer.close()
