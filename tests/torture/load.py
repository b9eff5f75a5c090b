"""The load: an ordinary client that publishes requests at a steady rate and reads what they come to."""

import json
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition


class Load:
    """Publishes `rate` requests a second until it is told to stop, and follows `responses`."""

    def __init__(self, brokers, namespace, rate, seed):
        self.topic = f"{namespace}.requests"
        self.rate, self.seed = rate, seed
        # An ordinary client waits out what a broker's restart takes.
        self.producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 5,
                                  "message.timeout.ms": 300_000, "partitioner": "murmur2_random"})
        self.accepted, self.refused_by_broker = set(), []
        self.answered, self.refusals = {}, []
        self.loading = True
        self.reading = True
        self.consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"{namespace}-load",
                                  "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        topic = f"{namespace}.responses"
        partitions = self.consumer.list_topics(topic, timeout=30).topics[topic].partitions
        self.consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._publish, self._read)]
        for thread in self.threads:
            thread.start()

    def _publish(self):
        number, began = 0, time.monotonic()
        while self.loading:
            while number < (time.monotonic() - began) * self.rate:
                self._request(number)
                number += 1
            self.producer.poll(0.02)
        self.producer.flush(300)

    def _request(self, number):
        workflow = f"torture-{self.seed}-{number}"
        request = {"definition": "tortured", "workflow_id": workflow, "input": {"n": number}}

        def delivered(fault, _):
            if fault is None:
                self.accepted.add(workflow)
            else:
                self.refused_by_broker.append((workflow, str(fault)))

        self.producer.produce(self.topic, json.dumps(request), workflow, on_delivery=delivered)

    def _read(self):
        while self.reading:
            message = self.consumer.poll(0.5)
            if message is None or message.error():
                continue
            answer = json.loads(message.value())
            if answer["kind"] == "refused":
                self.refusals.append(answer)
            else:
                self.answered.setdefault(answer["workflow_id"], time.time())

    def stop(self):
        """Publishes nothing more; all that was published is confirmed after it."""
        self.loading = False
        self.threads[0].join()

    def unanswered(self):
        return len(self.accepted - self.answered.keys())

    def close(self):
        self.reading = False
        self.threads[1].join()
        self.consumer.close()
