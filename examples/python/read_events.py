#!/usr/bin/env python3
"""Reads the event stream by the files of schemas/ alone: confluent-kafka and fastavro. A line of JSON for each event.

    pip install confluent-kafka fastavro
    ./read_events.py --brokers localhost:9092              follows the stream
    ./read_events.py --brokers localhost:9092 --to-end     ends where it ends now
"""

import argparse
import io
import json
import os
import pathlib
import sys

import fastavro
from confluent_kafka import Consumer, KafkaError, TopicPartition

SCHEMAS = pathlib.Path(__file__).parents[2] / "schemas"


def read(message, schemas):
    """The headers, the event's name and the event of a record."""
    headers = {name: value.decode() for name, value in message.headers()}
    name = headers["ce_type"].removeprefix("orchestrator.")  # NodeCompleted.v1
    if name not in schemas:
        schemas[name] = fastavro.schema.load_schema(SCHEMAS / f"{name}.avsc")
    # The first ten bytes are Avro's single-object framing; ce_type has said which schema it is.
    return headers, name.split(".")[0], fastavro.schemaless_reader(io.BytesIO(message.value()[10:]), schemas[name])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", default="localhost:9092")
    parser.add_argument("--to-end", action="store_true")
    args = parser.parse_args()
    topic = f"{os.environ.get('ORCHESTRATOR_NAMESPACE', 'orchestrator')}.events"
    consumer = Consumer({"bootstrap.servers": args.brokers, "group.id": "analytics", "enable.auto.commit": False,
                         "enable.partition.eof": True})
    unread = set(consumer.list_topics(topic, 30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
    schemas, last = {}, {}
    while unread or not args.to_end:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            if message.error().code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())
                continue
            raise SystemExit(message.error())
        headers, name, event = read(message, schemas)
        # After a takeover a record may come twice: the sequence of its run tells.
        run, sequence = headers["ce_id"].split("/")[0], int(headers["ce_sequence"])
        if sequence <= last.get(run, 0):
            continue
        last[run] = sequence
        print(json.dumps({"id": headers["ce_id"], "type": name, "event": event}, default=str, ensure_ascii=False))
    consumer.close()


if __name__ == "__main__":
    sys.exit(main())
