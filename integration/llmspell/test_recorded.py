"""The stand-in answers as llmspell was recorded to."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import zmq

from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only
HERE = Path(__file__).resolve().parent
# The order of output is left to chance without it.
ONE_WORKER = {"TOKIO_WORKER_THREADS": "1"}
ANSWER_SECONDS = 60
# How long nothing more is waited for.
QUIET_MILLISECONDS = 150
RANDOM = ("msg_id", "date", "session")


def recording():
    """Runs of the kernel; each is a list of cases, each a name, its routing id and its steps."""
    runs, case = [], None
    for line in (HERE / "frames.jsonl").read_text().splitlines():
        step = json.loads(line)
        if "meta" in step:
            runs.append([])
        elif step.get("begin"):
            case = (step["case"], step["routing_id"], [])
            runs[-1].append(case)
        elif "exit_status" in step or "parts" in step:
            case[2].append(step)
    return runs


class StandIn:
    """A stand-in that runs, and a client of it that speaks frames."""

    def __init__(self, directory, environment):
        file = directory / "kernel.json"
        arguments = ["kernel", "start", "--port", "0", "--connection-file", str(file), "--id", "recorded"]
        self.process = subprocess.Popen([sys.executable, HERE / "stand_in.py", *arguments], cwd=directory, env=environment)
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), 20, "its connection file")
        assert file.stat().st_mode & 0o044, "it is written for all to read"
        self.info = json.loads(file.read_text())
        self.context = zmq.Context()
        self.iopub = self.context.socket(zmq.SUB)
        self.iopub.subscribe(b"")
        self.iopub.connect(self.address("iopub"))
        self.others = {}

    def address(self, channel):
        return f"tcp://127.0.0.1:{self.info[f'{channel}_port']}"

    def begin(self, routing_id):
        """Connects with this routing id, once an earlier connection with it has ended."""
        for each in self.others.values():
            each.close(linger=0)
        self.others = {}
        for channel in ("shell", "control", "stdin", "hb"):
            self.others[channel] = self.context.socket(zmq.REQ if channel == "hb" else zmq.DEALER)
            if routing_id is not None:
                self.others[channel].routing_id = routing_id.encode()
        for channel, each in self.others.items():
            each.connect(self.address(channel))

    def is_heard(self):
        """Whether this connection is answered: one whose id another has just given back may be ignored."""
        self.begin("inprocess_client")
        asked = {"shell": ("kernel_info_request", {}), "control": ("debug_request", {"command": "threads", "arguments": {}})}
        for channel, (msg_type, content) in asked.items():
            header = {"msg_id": "0", "session": "s", "username": "u", "msg_type": msg_type, "version": "5.3"}
            parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
            self.others[channel].send_multipart([b"<IDS|MSG>", b"", *parts])
        return all(self.others[channel].poll(1000) and self.others[channel].recv_multipart() for channel in asked)

    def hear(self, due):
        """What comes: until as many messages have come as are due, and then until nothing more does."""
        poller, heard = zmq.Poller(), []
        for each in (self.iopub, *self.others.values()):
            poller.register(each, zmq.POLLIN)
        names = {each: name for name, each in (self.others | {"iopub": self.iopub}).items()}
        while ready := poller.poll(ANSWER_SECONDS * 1000 if len(heard) < due else QUIET_MILLISECONDS):
            heard += [(names[each], each.recv_multipart()) for each, _ in ready]
        return heard

    def end(self):
        self.process.kill()
        self.process.wait()
        self.context.destroy(linger=0)


@pytest.fixture
def stand_in(tmp_path):
    running = []

    def start(environment=None):
        running.append(StandIn(tmp_path, {"PATH": "/usr/bin:/bin"} | (environment or {})))
        wait_until(running[-1].is_heard, 20, "a reply")
        return running[-1]

    yield start
    for each in running:
        each.end()


def told(socket, parts):
    """What a message says, as text, without what is new in each."""
    return json.dumps(said(socket, parts), sort_keys=True)


def said(socket, parts):
    if socket == "hb":
        return (socket, str(parts))
    without = lambda header: header and {name: value for name, value in header.items() if name not in RANDOM}  # noqa: E731
    if socket == "iopub":
        message = json.loads(parts[0])
        parent = message["parent_header"]
        if message["content"].get("name") == "stdout":
            # It has none if it comes late, which is left to chance.
            parent = None
        return (socket, len(parts), sorted(message), without(message["header"]), parent and parent["msg_id"], named(message["content"]))
    delimiter, signature, *json_parts = parts
    header, parent, metadata, content = map(json.loads, json_parts)
    shown = (without(header), header["session"], parent, metadata, named(content))
    return (socket, str(delimiter), len(signature), len(parts), *shown)


def named(content):
    """The ids of breakpoints are random, and so is the order of keys in JSON that is text."""
    for each in content.get("body", {}).get("breakpoints", []):
        each["id"] = "random"
    if "text/plain" in content.get("data", {}):
        content["data"]["text/plain"] = json.loads(content["data"]["text/plain"])
    return content


def as_bytes(step):
    return [part["utf8"].encode() for part in step["parts"]]


def compare(stand_in, cases):
    for name, routing_id, steps in cases:
        stand_in.begin(routing_id)
        # A connection takes a moment, and one with an id that another has just given back may be ignored.
        if routing_id == "inprocess_client" and "after the hang" not in name:
            wait_until(stand_in.is_heard, 20, "a reply")
        for step in steps:
            if step["dir"] == "out":
                stand_in.others[step["socket"]].send_multipart(as_bytes(step))
        expected = [step for step in steps if step["dir"] == "in"]
        heard = stand_in.hear(len(expected))
        due = Counter(told(step["socket"], as_bytes(step)) for step in expected)
        assert Counter(told(*each) for each in heard) == due, name
        if "prints" not in name:
            check_order(name, heard, expected)


def check_order(name, heard, expected):
    """Busy comes first, idle behind the result. Where text comes is left to chance."""
    kinds = lambda messages: [kind for kind in map(kind_of, messages) if kind != "stream"]  # noqa: E731
    recorded = [("iopub", as_bytes(step)) for step in expected if step["socket"] == "iopub"]
    assert kinds(each for each in heard if each[0] == "iopub") == kinds(recorded), name


def kind_of(message):
    content = json.loads(message[1][0])
    return content["content"].get("execution_state") or content["header"]["msg_type"]


@pytest.mark.timeout(180)
def test_the_first_kernel(stand_in):
    [_, *cases] = recording()[0]
    compare(stand_in(ONE_WORKER), cases)


def test_the_kernel_with_one_worker_thread_keeps_the_order(stand_in):
    [[_, _, [request, *recorded]]] = recording()[1]
    kernel = stand_in(ONE_WORKER)
    kernel.others["shell"].send_multipart(as_bytes(request))
    texts = [text for text in map(text_of, kernel.hear(len(recorded))) if text]
    assert texts == [f"{number}\n" for number in range(1, 21)]


def test_with_more_threads_the_order_is_lost(stand_in):
    [[_, _, [request, *recorded]]] = recording()[1]
    kernel = stand_in()
    orders = set()
    for _ in range(5):
        kernel.others["shell"].send_multipart(as_bytes(request))
        orders.add(tuple(text for text in map(text_of, kernel.hear(len(recorded))) if text))
    assert len(orders) > 1 and {frozenset(order) for order in orders} == {frozenset(f"{number}\n" for number in range(1, 21))}


def text_of(message):
    return json.loads(message[1][0])["content"].get("text")


def test_nonsense_on_control_ends_it(stand_in):
    [[_, _, [request, ended]]] = recording()[2]
    kernel = stand_in()
    kernel.others["control"].send_multipart(as_bytes(request))
    assert kernel.process.wait(10) == ended["exit_status"]
