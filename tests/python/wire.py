"""The wire formats, read by the schema files alone."""

import hashlib
import io
import pathlib

import fastavro
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form


class Schemas:
    """All schemas of a folder, by their CRC-64-AVRO fingerprints."""

    def __init__(self, folder):
        self.by_fingerprint = {}
        for path in sorted(pathlib.Path(folder).glob("*.avsc")):
            schema = load_schema(path)
            # fastavro writes the number in big-endian order of its hexadecimal digits' bytes as the Avro
            # specification prints them: they are the little-endian bytes of the frame.
            digits = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
            self.by_fingerprint[bytes.fromhex(digits)] = (path.name.removesuffix(".avsc"), schema)

    def read(self, body):
        """Name with version, e.g. NodeCompleted.v1, and the record. The body must end where the record ends."""
        if body[:2] != b"\xc3\x01":
            raise ValueError(f"no single-object framing: {body[:10].hex()}")
        if body[2:10] not in self.by_fingerprint:
            raise ValueError(f"no schema has the fingerprint {body[2:10].hex()}")
        name, schema = self.by_fingerprint[body[2:10]]
        stream = io.BytesIO(body[10:])
        record = fastavro.schemaless_reader(stream, schema, None)
        if stream.read(1):
            raise ValueError(f"bytes after the end of a {name}")
        return name, record


def next_chain(chain, body):
    """16 bytes of SHA-256 over the previous chain and the body."""
    return hashlib.sha256(chain + body).digest()[:16]


def partition_of(key, partitions):
    """Kafka's default partitioner (murmur2)."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(key)
    for i in range(0, len(key) - len(key) % 4, 4):
        k = int.from_bytes(key[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = key[len(key) - len(key) % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    h ^= h >> 15
    return (h & 0x7FFFFFFF) % partitions
