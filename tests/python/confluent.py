#!/usr/bin/env python3
"""Reads a topic of Confluent-framed events with Confluent's own client and its schema registry, nothing of ours.

Prints a line of JSON for each record: its ce_type, ce_id and partition, and the record as AvroDeserializer gives it
(null where the record has another framing)."""

import argparse
import json
import warnings

# The client's own imports warn about what they will do in later versions.
warnings.simplefilter("ignore")

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--registry", required=True)
    args = parser.parse_args()

    deserialize = AvroDeserializer(SchemaRegistryClient({"url": args.registry}))
    consumer = Consumer({"bootstrap.servers": args.brokers, "group.id": "none", "enable.auto.commit": False})
    partitions = consumer.list_topics(args.topic, timeout=10).topics[args.topic].partitions
    for number in sorted(partitions):
        low, high = consumer.get_watermark_offsets(TopicPartition(args.topic, number), timeout=10)
        consumer.assign([TopicPartition(args.topic, number, low)])
        while low < high:
            record = consumer.poll(10)
            if record is None or record.error():
                raise SystemExit(f"{args.topic}/{number}: nothing at offset {low}: {record and record.error()}")
            headers = {name: value.decode() for name, value in record.headers()}
            event = None
            if record.value()[:1] == b"\0":
                event = deserialize(record.value(), SerializationContext(args.topic, MessageField.VALUE))
            line = {"type": headers["ce_type"], "id": headers["ce_id"], "partition": number, "event": event}
            print(json.dumps(line, default=lambda time: time.isoformat()))
            low = record.offset() + 1


if __name__ == "__main__":
    main()
