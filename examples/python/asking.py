"""Publishing a request and finding its answer, whatever it is written in."""

import json
import os
import time

from confluent_kafka import Consumer, Producer, TopicPartition


def ask(brokers, key, value, seconds=60):
    """Publishes a request and waits for what becomes of it: the refusal that names its place, or the answer of the
    run that it started (the one with its key)."""
    namespace = os.environ.get("ORCHESTRATOR_NAMESPACE", "orchestrator")
    responses = f"{namespace}.responses"
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "asking", "enable.auto.commit": False})
    try:
        # Where the responses end is looked up before the request is there: no answer can come too early to be seen.
        partitions = consumer.list_topics(responses, 30).topics[responses].partitions
        ends = {n: consumer.get_watermark_offsets(TopicPartition(responses, n), 30)[1] for n in partitions}
        request = publish(brokers, f"{namespace}.requests", key, value)
        consumer.assign([TopicPartition(responses, request.partition(), ends[request.partition()])])
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            response = json.loads(message.value())
            if response["kind"] == "refused":
                origin = response["origin"]
                if (origin["partition"], origin["offset"]) == (request.partition(), request.offset()):
                    return response
            elif message.key() == request.key():
                return response
        raise SystemExit(f"no answer within {seconds} s")
    finally:
        consumer.close()


def publish(brokers, topic, key, value):
    """Appends a record; the message as it stands in the log, with partition and offset."""
    # The partitioner of Java's clients: with it a request and its answer stand in partitions of the same number.
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "enable.idempotence": True})
    stands = []
    producer.produce(topic, value, key, on_delivery=lambda error, message: stands.append((error, message)))
    producer.flush(30)
    if not stands or stands[0][0]:
        raise SystemExit(f"the request may not have been published: {stands[0][0] if stands else 'no confirmation'}")
    return stands[0][1]
