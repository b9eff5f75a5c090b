#!/usr/bin/env python3
"""An ordinary client that publishes requests and reads what they come to. Called by soak.py, as a process of its own, so
that nothing else that soak.py does delays it.

    client.py --brokers B --namespace N --name NAME --report FILE (--rate R | --in-flight K)

With `--rate` request number n is due n/R seconds after the first, whatever became of the others, and its time runs from
when it was due: a stall of the installation, or of this client, counts against all requests that it delayed. With
`--in-flight` the next one is published when one is answered. On SIGTERM it publishes nothing more, waits for the answers
that are missing, two minutes at most, and ends.

Writes a line of JSON a second: what was counted since it began, and how long the answers of this second took.
"""

import argparse
import json
import math
import signal
import sys
import time
from collections import Counter

from confluent_kafka import Consumer, Producer, TopicPartition

PATIENCE = 120.0
# 200 bytes of payload.
FILLER = "x" * 170
# Of a histogram of times: twenty buckets for each e-fold, so that a bucket is 5 % wide.
BUCKETS = 20


def bucket(milliseconds):
    return round(math.log(max(milliseconds, 0.01)) * BUCKETS)


def milliseconds(number):
    return math.exp(number / BUCKETS)


def quantile(histogram, share):
    """In milliseconds, of counts by bucket; none where there are none."""
    wanted = share * sum(histogram.values())
    for number in sorted(histogram):
        wanted -= histogram[number]
        if wanted <= 0:
            return milliseconds(number)
    return None


class Client:
    def __init__(self, args):
        self.topic, self.name = f"{args.namespace}.requests", args.name
        self.rate, self.in_flight = args.rate, args.in_flight
        self.producer = Producer({"bootstrap.servers": args.brokers, "enable.idempotence": True, "linger.ms": 1,
                                  "partitioner": "murmur2_random", "queue.buffering.max.messages": 1_000_000})
        self.consumer = Consumer({"bootstrap.servers": args.brokers, "group.id": f"{args.namespace}-{args.name}",
                                  "enable.auto.commit": False, "auto.offset.reset": "earliest",
                                  "fetch.wait.max.ms": 10, "queued.max.messages.kbytes": 16_384})
        self._follow(f"{args.namespace}.responses")
        self.report = open(args.report, "w", buffering=1)
        self.published = self.confirmed = self.refused_by_broker = 0
        self.answered = self.not_completed = self.refused = self.again = self.strangers = 0
        # When each request that is not answered was due; all below `published` that are not here are answered.
        self.due = {}
        self.took = Counter()
        self.loading = True

    def _follow(self, topic):
        """From the end of each partition, which is fixed before the first request."""
        partitions = [TopicPartition(topic, number) for number in
                      self.consumer.list_topics(topic, timeout=30).topics[topic].partitions]
        for partition in partitions:
            partition.offset = self.consumer.get_watermark_offsets(partition, timeout=30)[1]
        self.consumer.assign(partitions)

    def stop(self, *_):
        self.loading = False

    def run(self):
        self.began = time.monotonic()
        next_report, stopped = self.began + 1, None
        while True:
            if self.loading:
                self._publish()
            elif stopped is None:
                stopped = time.monotonic()
            self.producer.poll(0)
            self._read()
            now = time.monotonic()
            if now >= next_report:
                next_report += 1
                self._tell(now)
            if stopped and (not self.due and self.confirmed + self.refused_by_broker == self.published
                            or now - stopped > PATIENCE):
                break
        self._tell(time.monotonic())
        self.consumer.close()

    def _publish(self):
        now = time.monotonic()
        if self.rate:
            while (due := self.began + self.published / self.rate) <= now:
                if not self._request(due):
                    return
        else:
            while len(self.due) < self.in_flight and self._request(now):
                pass

    def _request(self, due):
        """Whether there was room for it."""
        number = self.published
        value = '{"definition":"soaked","input":{"n":%d,"filler":"%s"}}' % (number, FILLER)
        try:
            self.producer.produce(self.topic, value, f"{self.name}-{number}", on_delivery=self._delivered)
        except BufferError:
            return False
        self.due[number] = due
        self.published += 1
        return True

    def _delivered(self, fault, _):
        if fault is None:
            self.confirmed += 1
        else:
            self.refused_by_broker += 1

    def _read(self):
        messages = self.consumer.consume(500, 0.002)
        now = time.monotonic()
        for message in messages:
            if message.error():
                print(message.error(), file=sys.stderr, flush=True)
                continue
            name, _, number = message.key().decode().rpartition("-")
            if name != self.name:
                self.strangers += 1
                continue
            response = json.loads(message.value())
            due = self.due.pop(int(number), None)
            if due is None:
                self.again += 1
            elif response["kind"] == "refused":
                self.refused += 1
            else:
                self.answered += 1
                self.not_completed += response["status"] != "completed"
                self.took[bucket(1_000 * (now - due))] += 1

    def _tell(self, now):
        counts = ("published", "confirmed", "refused_by_broker", "answered", "not_completed", "refused", "again",
                  "strangers")
        line = {name: getattr(self, name) for name in counts}
        line |= {"time": time.time(), "waiting": len(self.due), "took": self.took,
                 "oldest_ms": round(1_000 * (now - next(iter(self.due.values()), now)))}
        print(json.dumps(line), file=self.report)
        self.took = Counter()


def main():
    parser = argparse.ArgumentParser()
    for name in ("--brokers", "--namespace", "--name", "--report"):
        parser.add_argument(name, required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--rate", type=float)
    how.add_argument("--in-flight", type=int)
    client = Client(parser.parse_args())
    signal.signal(signal.SIGTERM, client.stop)
    client.run()


if __name__ == "__main__":
    main()
