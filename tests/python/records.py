"""Every record of an installation's topics, raw: from Kafka by confluent-kafka, or from the embedded log by sqlite3."""

import sqlite3
import struct
import time
from collections import namedtuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

Record = namedtuple("Record", "topic partition offset time key value headers")


class KafkaTopics:
    """The topics of a namespace on a Kafka: all that they hold, or what was appended since then (milliseconds since
    1970)."""

    def __init__(self, brokers, namespace, since=None):
        self.namespace, self.since = namespace, since
        self.settings = {
            "bootstrap.servers": brokers,
            "group.id": f"check-{namespace}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "fetch.max.bytes": 16 << 20,
        }

    def names(self):
        consumer = Consumer(self.settings)
        names = consumer.list_topics(timeout=30).topics
        consumer.close()
        prefix = f"{self.namespace}."
        return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))

    def partitions(self, topic):
        consumer = Consumer(self.settings)
        found = consumer.list_topics(f"{self.namespace}.{topic}", timeout=30)
        consumer.close()
        return len(found.topics[f"{self.namespace}.{topic}"].partitions)

    def records(self, topic):
        """All records up to the ends at this moment, in order within each partition."""
        name = f"{self.namespace}.{topic}"
        consumer = Consumer(self.settings)
        open_partitions = set(range(self.partitions(topic)))
        firsts = [TopicPartition(name, partition, self.since or 0) for partition in open_partitions]
        consumer.assign(consumer.offsets_for_times(firsts, timeout=30) if self.since else firsts)
        records, silent_since = [], time.monotonic()
        while open_partitions:
            message = consumer.poll(1.0)
            if message is None:
                if time.monotonic() - silent_since > 60:
                    raise TimeoutError(f"{name}: nothing came for a minute")
                continue
            silent_since = time.monotonic()
            if message.error():
                if message.error().code() != KafkaError._PARTITION_EOF:
                    raise RuntimeError(message.error())
                open_partitions.discard(message.partition())
                continue
            records.append(
                Record(topic, message.partition(), message.offset(), message.timestamp()[1] * 1000, message.key(),
                       message.value(), message.headers() or [])
            )
        consumer.close()
        return records


class EmbeddedTopics:
    """The topics of the embedded log, one SQLite file."""

    def __init__(self, path, namespace):
        self.namespace = namespace
        self.connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def names(self):
        rows = self.connection.execute("SELECT name FROM log_topics ORDER BY name")
        return [name.removeprefix(f"{self.namespace}.") for (name,) in rows]

    def partitions(self, topic):
        query = "SELECT partitions FROM log_topics WHERE name = ?"
        return self.connection.execute(query, [f"{self.namespace}.{topic}"]).fetchone()[0]

    def records(self, topic):
        query = (
            "SELECT part, pos, time, key, value, headers FROM log_records"
            " WHERE topic = (SELECT id FROM log_topics WHERE name = ?) ORDER BY part, pos"
        )
        for part, pos, moment, key, value, headers in self.connection.execute(query, [f"{self.namespace}.{topic}"]):
            yield Record(topic, part, pos, moment, key, value, list(unpacked(headers or b"")))


def unpacked(blob):
    """The headers of the embedded log: lengths of 4 bytes, little-endian, before each name and each value."""
    at = 0

    def part():
        nonlocal at
        (length,) = struct.unpack_from("<I", blob, at)
        at += 4 + length
        return blob[at - length : at]

    while at < len(blob):
        yield part().decode(), part()
