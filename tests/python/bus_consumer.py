"""A consumer of the feed of changes, on the library that the original's own services read it with.

    bus_consumer.py URL QUEUE [EXCHANGE TYPE KEY..]

Declares the exchange and the queue as those services do; another exchange, with a queue for these keys, as those that run
jobs do. A message whose body names a "reply_key" is answered there with its "reply" (or as many letters as "reply_size").
Consumes until it is killed, also after the broker went
away and came back. Says each thing that happens in a line of JSON: {"ready": true, "connects": N} when it consumes,
for the first time and after every new connection, and {"body", "properties", "decoded"} for each message, whose body
is a bare text if the library does not make a dictionary of it.
"""
import json
import sys

from kombu import Connection, Consumer, Exchange, Producer, Queue, binding

URL, NAME = sys.argv[1:3]
EXCHANGE_NAME, KIND, *KEYS = sys.argv[3:] or ["vnc_config.object-update", "fanout", ""]
EXCHANGE = Exchange(EXCHANGE_NAME, KIND, durable=False, auto_delete=False)
QUEUE = Queue(NAME, bindings=[binding(EXCHANGE, routing_key=key) for key in KEYS], durable=False, exclusive=False,
              auto_delete=False)


def say(event):
    print(json.dumps(event), flush=True)


def heard(message):
    try:
        body = message.payload
    except Exception:  # whatever the decoder of a content type, or the lack of one, makes of a bad body
        body = None
    decoded = isinstance(body, dict)
    if not decoded:
        body = message.body if isinstance(message.body, str) else bytes(message.body).decode(errors="replace")
    properties = {name: message.properties.get(name) for name in ("delivery_mode", "priority")}
    properties.update(content_type=message.content_type, content_encoding=message.content_encoding,
                      headers=message.headers)
    say({"body": body, "properties": properties, "decoded": decoded, "key": message.delivery_info["routing_key"]})
    message.ack()
    if decoded and "reply_key" in body:
        reply = "x" * body["reply_size"] if "reply_size" in body else body["reply"]
        Producer(message.channel, EXCHANGE).publish(reply, routing_key=body["reply_key"])


def consume(connection, connects):
    channel = connection.channel()
    if connects == 1:
        # What a process before this one left unread is not for this one, which reads the whole state instead.
        QUEUE(channel).delete()
    # Declares the exchange, the queue and that one feeds the other. There is no limit on what is under way.
    Consumer(channel, QUEUE, on_message=heard).consume()
    say({"ready": True, "connects": connects})
    while True:
        connection.drain_events()


connects = 0
while True:
    with Connection(URL) as connection:
        try:
            connection.ensure_connection(interval_start=0.1, interval_step=0.1, interval_max=0.5)
            connects += 1
            consume(connection, connects)
        except connection.recoverable_connection_errors:
            pass  # the broker went away: again, until it is back
