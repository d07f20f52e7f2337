"""Reads every record of some topics with nothing but public clients, and the contract.

Usage: read_events.py BROKERS REGISTRY_URL TOPIC...

Prints one line of JSON per record: its id, its type, and its payload. Fails at the first record
that is not as the contract says.
"""

import datetime
import io
import json
import struct
import sys
import urllib.request
import uuid

from confluent_kafka import Consumer, TopicPartition
from fastavro import parse_schema, schemaless_reader

HEADERS = {
    "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_sequence",
    "ce_correlationid", "ce_causationid", "traceparent", "content-type",
}
PATIENCE_S = 20
schemas = {}


def schema(registry, number):
    if number not in schemas:
        with urllib.request.urlopen(f"{registry}/schemas/ids/{number}", timeout=PATIENCE_S) as answer:
            schemas[number] = parse_schema(json.loads(json.load(answer)["schema"]))
    return schemas[number]


def plain(value):
    """The value without Python's own types."""
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"no JSON for {value!r}")


def check_headers(record, headers, service):
    assert set(headers) == HEADERS, f"headers: {sorted(set(headers) ^ HEADERS)}"
    assert headers["ce_specversion"] == "1.0"
    assert headers["content-type"] == "application/avro"
    assert headers["ce_source"] == f"/{service}"
    assert headers["ce_subject"] == record.key().decode(), "the key is the order"
    assert str(uuid.UUID(headers["ce_subject"])) == headers["ce_subject"]
    assert uuid.UUID(headers["ce_id"]).version == 7
    assert int(headers["ce_sequence"]) >= 1
    assert headers["ce_correlationid"] and headers["ce_causationid"]
    time = datetime.datetime.fromisoformat(headers["ce_time"].replace("Z", "+00:00"))
    assert time.utcoffset() == datetime.timedelta(0), "times are in UTC"
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, len(trace), len(span), len(flags)) == ("00", 32, 16, 2)


def read(registry, record):
    service = record.topic().rsplit("-", 1)[-1].removesuffix(".events")
    headers = {name: value.decode() for name, value in record.headers()}
    assert len(headers) == len(record.headers()), "a header stands twice"
    check_headers(record, headers, service)
    magic, number = struct.unpack(">bI", record.value()[:5])
    assert magic == 0, "not Confluent's wire format"
    written_with = schema(registry, number)
    assert written_with["name"] == f"farandole.{service}.{headers['ce_type']}"
    rest = io.BytesIO(record.value()[5:])
    payload = schemaless_reader(rest, written_with, None)
    assert not rest.read(), "bytes are left over"
    return {"id": headers["ce_id"], "type": headers["ce_type"], "payload": payload}


def main(brokers, registry, *topics):
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "independent",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    })
    left = {}
    for topic in topics:
        for partition in consumer.list_topics(topic, PATIENCE_S).topics[topic].partitions:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), PATIENCE_S)
            if first < end:
                left[topic, partition] = end
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
    while left:
        record = consumer.poll(PATIENCE_S)
        assert record is not None, f"nothing comes from {left}"
        assert record.error() is None, record.error()
        place = record.topic(), record.partition()
        try:
            print(json.dumps(read(registry, record), default=plain))
        except Exception as error:
            raise SystemExit(f"{place} at {record.offset()}: {error!r}") from error
        if record.offset() + 1 >= left.get(place, 0):
            left.pop(place, None)
    consumer.close()


main(*sys.argv[1:])
