#!/usr/bin/env python3
"""An agent that answers each task twice, now and then with another answer the second time.

    answers_twice.py AGENT BROKERS NAMESPACE EXECUTIONS
"""

import json
import signal
import sys
import time

from confluent_kafka import Consumer, Producer

agent, brokers, namespace, executions = sys.argv[1:]
running = True


def stop(*_):
    global running
    running = False


signal.signal(signal.SIGTERM, stop)
consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"{namespace}-workers-{agent}",
                     "auto.offset.reset": "earliest", "enable.auto.commit": False})
producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 0})
consumer.subscribe([f"{namespace}.ready.{agent}"])
log = open(executions, "a", buffering=1)
while running:
    message = consumer.poll(0.2)
    if message is None or message.error():
        continue
    task = json.loads(message.value())
    log.write(f"{task['dispatch_id']} {time.time():.6f}\n")
    outputs = [task["input"], task["input"]]
    if int(task["dispatch_id"][:6], 16) % 2:
        outputs[1] = {"another": "answer"}
    for output in outputs:
        report = {"format": 1, "dispatch_id": task["dispatch_id"], "workflow_id": task["workflow_id"],
                  "type": "completed", "output": output}
        producer.produce(task["reply"]["topic"], json.dumps(report), task["workflow_id"],
                         task["reply"]["partition"], headers=message.headers())
    if producer.flush(30) == 0:
        try:
            consumer.commit(message, asynchronous=False)
        except Exception as fault:  # the partition is another worker's by now, which runs the task again
            print(f"not committed: {fault}", file=sys.stderr)
consumer.close()
