#!/usr/bin/env python3
"""Asks for a run in Avro, by schemas/Request.v1.avsc, and waits for the answer: confluent-kafka and fastavro.

    pip install confluent-kafka fastavro
    ./request_avro.py --brokers localhost:9092 recommend-coffee '{"customer": "c-7"}' order-7
"""

import io
import pathlib
import sys

import fastavro

import request_json

SCHEMA = fastavro.schema.load_schema(pathlib.Path(__file__).parents[2] / "schemas" / "Request.v1.avsc")
# Single-object framing: C3 01 and the schema's CRC-64-AVRO fingerprint, its bytes as fastavro prints them.
CANONICAL = fastavro.schema.to_parsing_canonical_form(SCHEMA)
FRAME = b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(CANONICAL, "CRC-64-AVRO"))


def body(definition, input_json):
    stream = io.BytesIO()
    request = {"definition": definition, "version": None, "input": input_json, "workflow_id": None,
               "conversation_id": None}
    fastavro.schemaless_writer(stream, SCHEMA, request)
    return FRAME + stream.getvalue()


if __name__ == "__main__":
    sys.exit(request_json.main(body))
