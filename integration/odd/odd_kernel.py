"""A small kernel with switchable oddities, each of which stock Jupyter clients get along with.

    odd_kernel.py CONNECTION_FILE [oddity ...]

Sockets:
    nostdin nocontrol nohb      this socket is not bound
    latecontrol                 control is bound one second after the others
    rebinds                     all but the heartbeat are bound, closed and bound again at the start
    notopic oddtopic            iopub messages have no topic, or one that is not UTF-8
    talksearly                  it publishes before anyone can have subscribed

Headers:
    nulluser nullsession intid nodate floatdate nodatezone nannedheader twice
                                what the headers of its messages hold; `twice`: each key two times, the last one counts
    pnosession ponlyid pnull    parent headers lack `session`, hold `msg_id` alone, or are null where nobody asked

Contents:
    nullmetadata nan surrogate  metadata is null; contents hold NaN; texts hold half a surrogate pair
    nostatus                    replies do not say how it went
    oddstate                    it tells a state that nobody knows before each idle
    bareinfo                    its kernel_info_reply holds only what jupyter_client needs
    buffers                     each message has frames behind its content

Ends of cells:
    noreply noidle              cells have no reply, or no idle

Every cell prints its own code and succeeds, but for those that begin with
    ask PROMPT                  asks on stdin and prints the answer; other requests are served meanwhile
    sleep SECONDS               blocks
    wait FILE                   blocks until the file exists
Requests of types that it does not know are followed by `idle` and never answered. Needs pyzmq.
"""

import hashlib
import hmac
import json
import os
import signal
import sys
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

import zmq

INFO = {
    "status": "ok", "protocol_version": "5.3", "implementation": "odd", "implementation_version": "1", "banner": "odd",
    "help_links": [], "language_info": {"name": "odd", "version": "1", "mimetype": "text/plain", "file_extension": ".txt"},
}

signal.signal(signal.SIGINT, signal.SIG_IGN)
file, *oddities = sys.argv[1:]
connection = json.loads(Path(file).read_text())
odd = set(oddities)
context = zmq.Context()
session = str(uuid.uuid4())
count = 0
# What cells ask and have no answer to, the oldest first: number of the question, identities and header of the request.
questions = []


def bind(kind, channel):
    socket = context.socket(kind)
    socket.linger = 0
    separator = ":" if connection["transport"] == "tcp" else "-"
    address = f"{connection['transport']}://{connection['ip']}{separator}{connection[channel + '_port']}"
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.bind(address)
            return socket
        except zmq.ZMQError:
            # The last socket there is not quite gone.
            assert time.monotonic() < deadline
            time.sleep(0.01)


def dumps(part):
    if "twice" in odd and isinstance(part, dict) and part:
        entries = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in part.items()]
        wrong = [f"{json.dumps(key)}: \"wrong\"" for key in part]
        return ("{" + ", ".join(wrong + entries) + "}").encode()
    return json.dumps(part).encode()


def header_of(msg_type):
    header = {
        "msg_id": str(uuid.uuid4()), "session": session, "username": "kernel", "msg_type": msg_type, "version": "5.3",
        "date": datetime.now(timezone.utc).isoformat(),
    }
    changes = {
        "nulluser": {"username": None},
        "nullsession": {"session": None},
        "intid": {"msg_id": time.time_ns()},
        "floatdate": {"date": time.time()},
        "nodatezone": {"date": datetime.now().isoformat()},
        "nannedheader": {"elapsed": float("nan")},
    }
    for oddity in odd & changes.keys():
        header |= changes[oddity]
    if "nodate" in odd:
        del header["date"]
    return header


def parent_of(request):
    parent = dict(request)
    if "pnosession" in odd:
        parent.pop("session", None)
    if "ponlyid" in odd and parent:
        parent = {"msg_id": parent["msg_id"]}
    return None if "pnull" in odd and not parent else parent


def send(socket, identities, msg_type, content, request):
    """Sends a message; returns its number."""
    header = header_of(msg_type)
    content = dict(content)
    if "nan" in odd:
        content["nan"] = float("nan")
    if "surrogate" in odd:
        content["half"] = "\ud800"
    if "nostatus" in odd:
        content.pop("status", None)
    metadata = None if "nullmetadata" in odd else {}
    parts = [dumps(part) for part in (header, parent_of(request), metadata, content)]
    signature = hmac.new(connection["key"].encode(), b"".join(parts), hashlib.sha256).hexdigest().encode()
    buffers = [b"one", b"", b"<IDS|MSG>"] if "buffers" in odd else []
    socket.send_multipart([*identities, b"<IDS|MSG>", signature, *parts, *buffers])
    return header["msg_id"]


def publish(msg_type, content, request):
    topic = [] if "notopic" in odd else [b"\xff\x00odd" if "oddtopic" in odd else msg_type.encode()]
    send(iopub, topic, msg_type, content, request)


def status(state, request):
    publish("status", {"execution_state": state}, request)


def idle(request):
    if "oddstate" in odd:
        status("pondering", request)
    status("idle", request)


def read(socket):
    frames = socket.recv_multipart()
    at = frames.index(b"<IDS|MSG>")
    return frames[:at], [json.loads(part) for part in frames[at + 2 : at + 6]]


def finish_cell(identities, request, text):
    global count
    count += 1
    publish("stream", {"name": "stdout", "text": text + "\n"}, request)
    if "noreply" not in odd:
        send(shell, identities, "execute_reply", {"status": "ok", "execution_count": count, "user_expressions": {}}, request)
    if "noidle" not in odd:
        idle(request)


def execute(identities, request, code):
    word, _, rest = code.partition(" ")
    if word == "ask" and stdin:
        number = send(stdin, identities[:1], "input_request", {"prompt": rest, "password": False}, request)
        questions.append((number, identities, request))
        return
    if word == "sleep":
        time.sleep(float(rest))
    while word == "wait" and not os.path.exists(rest):
        time.sleep(0.02)
    finish_cell(identities, request, code)


def answered(parent, content):
    """An answer belongs to the question that its parent header names, by either number; else to the oldest."""
    named = (parent or {}).get("msg_id")
    numbers = [(number, request["msg_id"]) for number, _, request in questions]
    at = next((at for at, known in enumerate(numbers) if named in known), 0)
    if questions:
        _, identities, request = questions.pop(at)
        finish_cell(identities, request, content["value"])


def serve(socket):
    identities, (request, parent, _, content) = read(socket)
    if socket is stdin:
        return answered(parent, content)
    status("busy", request)
    match request["msg_type"]:
        case "kernel_info_request":
            bare = ("protocol_version", "language_info")
            info = {key: INFO[key] for key in bare} if "bareinfo" in odd else INFO
            send(socket, identities, "kernel_info_reply", info, request)
        case "execute_request":
            return execute(identities, request, content["code"])
        case "shutdown_request":
            send(socket, identities, "shutdown_reply", {"status": "ok", "restart": content.get("restart", False)}, request)
            # Nothing tells when the reply has left.
            time.sleep(0.1)
            os._exit(0)
        case "interrupt_request":
            send(socket, identities, "interrupt_reply", {"status": "ok"}, request)
    return idle(request)


if "rebinds" in odd:
    early = [bind(zmq.ROUTER, "shell"), bind(zmq.PUB, "iopub"), bind(zmq.ROUTER, "control"), bind(zmq.ROUTER, "stdin")]
    time.sleep(0.5)
    for each in early:
        each.close()

shell, iopub = bind(zmq.ROUTER, "shell"), bind(zmq.PUB, "iopub")
if "talksearly" in odd:
    status("starting", {})
stdin = None if "nostdin" in odd else bind(zmq.ROUTER, "stdin")
control = None if odd & {"nocontrol", "latecontrol"} else bind(zmq.ROUTER, "control")
heartbeat = None if "nohb" in odd else bind(zmq.REP, "hb")
begun = time.monotonic()
poller = zmq.Poller()
for each in (shell, stdin, control, heartbeat):
    if each:
        poller.register(each, zmq.POLLIN)
while True:
    for ready, _ in poller.poll(100):
        if ready is heartbeat:
            heartbeat.send(heartbeat.recv())
        else:
            serve(ready)
    if "latecontrol" in odd and control is None and time.monotonic() > begun + 1:
        control = bind(zmq.ROUTER, "control")
        poller.register(control, zmq.POLLIN)
