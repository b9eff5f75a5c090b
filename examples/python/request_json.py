#!/usr/bin/env python3
"""Asks for a run in JSON and waits for the answer: confluent-kafka, and nothing of ours.

    pip install confluent-kafka
    ./request_json.py --brokers localhost:9092 recommend-coffee '{"customer": "c-7"}' order-7

Prints the response. Exit code 0: completed, 1: failed, 3: refused.
"""

import argparse
import json
import sys
import uuid

from asking import answer_to, namespace, publish


def body(definition, input_json):
    return json.dumps({"definition": definition, "input": json.loads(input_json)}).encode()


def main(make_body):
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", default="localhost:9092")
    parser.add_argument("definition")
    parser.add_argument("input", help="JSON")
    parser.add_argument("workflow_id", nargs="?", default=str(uuid.uuid4()), help="your key for it")
    args = parser.parse_args()
    request = publish(args.brokers, f"{namespace()}.requests", args.workflow_id, make_body(args.definition, args.input))
    response = answer_to(args.brokers, request)
    print(json.dumps(response, ensure_ascii=False))
    return 3 if response["kind"] == "refused" else {"completed": 0}.get(response["status"], 1)


if __name__ == "__main__":
    sys.exit(main(body))
