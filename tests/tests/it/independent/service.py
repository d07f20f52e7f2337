"""A service of the fleet in another language: invites customers to review what they have got.

Usage: service.py BROKERS REGISTRY_URL TOPIC_PREFIX PORT

It reads OrderCompleted, says ReviewInvited, and serves its declaration. Its schema and its topic have
to be there. It keeps nothing: an event that comes twice is answered twice, with the same id, so that who
reads the answer takes in one.
"""

import datetime
import http.server
import io
import json
import pathlib
import signal
import struct
import sys
import threading
import urllib.parse
import urllib.request
import uuid

from confluent_kafka import Consumer, Producer
from fastavro import parse_schema, schemaless_reader, schemaless_writer

SERVICE = "reviews"
PATIENCE_S = 20
HERE = pathlib.Path(__file__).parent
WRITES = json.loads((HERE / "schemas/reviews/ReviewInvited.v1.avsc").read_text())
READS = json.loads((HERE / "reads/OrderCompleted.avsc").read_text())


def declaration(schema_id, instance):
    return {
        "service": SERVICE,
        "version": "1.0",
        "instance": instance,
        "about": "invites customers to say how it was",
        "owner": "customer care",
        "consumes": [{
            "event": "OrderCompleted",
            "from": "order",
            "schema": READS,
            "leads_to": ["ReviewInvited"],
            "within_s": 60,
        }],
        "emits": [{
            "event": "ReviewInvited",
            "version": 1,
            "schema": WRITES,
            "schema_id": schema_id,
            "end": True,
        }],
    }


class Registry:
    def __init__(self, url):
        self.url, self.schemas = url, {}

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        kind = {"content-type": "application/vnd.schemaregistry.v1+json"}
        request = urllib.request.Request(f"{self.url}/{path}", data, kind)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def id_of(self, subject, schema):
        path = f"subjects/{urllib.parse.quote(subject, safe='')}"
        return self.ask(path, {"schema": json.dumps(schema)})["id"]

    def schema(self, number):
        if number not in self.schemas:
            self.schemas[number] = parse_schema(json.loads(self.ask(f"schemas/ids/{number}")["schema"]))
        return self.schemas[number]


def serve(declared, port):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = {"/declaration": declared, "/health/ready": {"ready": True}}
            body = json.dumps(known.get(self.path, {})).encode()
            self.send_response(200 if self.path in known else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def answer_to(headers, order, schema_id):
    """The headers and the payload of what follows from an order that is complete."""
    payload = io.BytesIO(struct.pack(">bI", 0, schema_id))
    payload.seek(0, io.SEEK_END)
    link = f"https://shop.example/reviews/{order['order_id']}"
    schemaless_writer(payload, parse_schema(WRITES), {"order_id": order["order_id"], "link": link})
    said = {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid5(uuid.UUID(headers["ce_id"]), "ReviewInvited")),
        "ce_type": "ReviewInvited",
        "ce_source": f"/{SERVICE}",
        "ce_subject": headers["ce_subject"],
        "ce_time": datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z"),
        "ce_sequence": "1",
        "ce_correlationid": headers["ce_correlationid"],
        "ce_causationid": headers["ce_id"],
        "content-type": "application/avro",
    }
    if "traceparent" in headers:
        said["traceparent"] = headers["traceparent"]
    return said, payload.getvalue()


def main(brokers, registry, prefix, port):
    registry = Registry(registry)
    topic = f"{prefix}{SERVICE}.events"
    schema_id = registry.id_of(f"{topic}-farandole.{SERVICE}.ReviewInvited", WRITES)
    serve(declaration(schema_id, f"{SERVICE}-1"), int(port))

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True})
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": f"{prefix}{SERVICE}",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([f"{prefix}order.events"])
    while not stop.is_set():
        record = consumer.poll(0.2)
        if record is None or record.error():
            continue
        headers = {name: value.decode() for name, value in record.headers() or []}
        if headers.get("ce_type") != "OrderCompleted":
            continue
        _, number = struct.unpack(">bI", record.value()[:5])
        order = schemaless_reader(io.BytesIO(record.value()[5:]), registry.schema(number), parse_schema(READS))
        said, payload = answer_to(headers, order, schema_id)
        producer.produce(topic, payload, record.key(), headers=list(said.items()))
        # The answer is in the log before the question counts as read.
        if producer.flush(PATIENCE_S) > 0:
            raise SystemExit("Kafka takes no events")
        consumer.commit(record, asynchronous=False)
    consumer.close()


main(*sys.argv[1:])
