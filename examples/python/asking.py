"""Publishing a request and finding its answer, whatever it is written in."""

import json
import os
import time

from confluent_kafka import Consumer, Producer, TopicPartition


def namespace():
    return os.environ.get("ORCHESTRATOR_NAMESPACE", "orchestrator")


def publish(brokers, topic, key, value):
    """Appends a record; the message as it stands in the log, with partition and offset."""
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "enable.idempotence": True})
    stands = []
    producer.produce(topic, value, key, on_delivery=lambda error, message: stands.append((error, message)))
    producer.flush(30)
    if not stands or stands[0][0]:
        raise SystemExit(f"the request may not have been published: {stands[0][0] if stands else 'no confirmation'}")
    return stands[0][1]


def answer_to(brokers, request, seconds=60):
    """Reads the responses of the request's partition, from when it was published, until its own comes by: a refusal
    that names its place, or the answer of the run that it started (the one with its key)."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "asking", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest"})
    place = TopicPartition(f"{namespace()}.responses", request.partition(), request.timestamp()[1])
    found = consumer.offsets_for_times([place], 30)[0]
    consumer.assign([found])
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            response = json.loads(message.value())
            origin = response.get("origin", {})
            if response["kind"] == "refused":
                if (origin["partition"], origin["offset"]) == (request.partition(), request.offset()):
                    return response
            elif message.key() == request.key():
                return response
        raise SystemExit(f"no answer within {seconds} s")
    finally:
        consumer.close()
