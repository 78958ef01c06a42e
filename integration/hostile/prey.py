"""A client of a malicious kernel, over pyzmq."""

import json
import sys
from pathlib import Path

import zmq

from harness.deadline import Deadline
from harness.wire import Wire, execute_content

RAW_KERNEL = Path(__file__).with_name("raw_kernel.py")
HABITS = {"raw": "", "never-echoes": "never echoes", "says-too-much": "says too much"}
RUNTIMES = "".join(
    f"""
[runtimes.{name}]
argv = [{json.dumps(sys.executable)}, {json.dumps(str(RAW_KERNEL))}, "{{connection_file}}", "--habit", "{habit}"]
language = "misdeeds"
transport = "tcp"
"""
    for name, habit in HABITS.items()
)


class Prey:
    """Asks its kernel for misdeeds, and hears what comes of it. Shell and stdin have the same routing id, as a client's do."""

    def __init__(self, fleet, runtime="raw", group="prey", **iopub_options):
        self.wire = Wire(fleet.published_file, None, {"runtime": runtime, "group": group})
        identity = self.wire.session.encode()
        self.iopub = self.wire.socket(zmq.SUB, "iopub", **iopub_options)
        self.iopub.subscribe(b"")
        self.stdin = self.wire.socket(zmq.DEALER, "stdin", identity=identity)
        self.shell = self.wire.socket(zmq.DEALER, "shell", identity=identity)

    def demand(self, deed, argument=None):
        """Sends a cell; returns its header."""
        return self.run(f"{deed} {json.dumps(argument)}")

    def run(self, code):
        frames = self.wire.message("execute_request", execute_content(code) | {"allow_stdin": True})
        self.shell.send_multipart(frames)
        return json.loads(frames[2])

    def reply_to(self, header, seconds=30):
        """The content of the reply to a cell; what answers others is dropped."""
        deadline = Deadline(seconds)
        while True:
            _, _, parent, content = self.wire.read(self.shell, deadline.left)
            if parent["msg_id"] == header["msg_id"]:
                return content

    def done(self, deed, argument=None):
        """Has a cell run to its end; the content of its reply."""
        return self.reply_to(self.demand(deed, argument))

    def heard(self, header, seconds=30):
        """What is heard on iopub until this request is done: kinds and contents."""
        heard, deadline = [], Deadline(seconds)
        while True:
            _, its, parent, content = self.wire.read(self.iopub, deadline.left)
            heard.append((its["msg_type"], content))
            if parent.get("msg_id") == header["msg_id"] and content.get("execution_state") == "idle":
                return heard

    def question(self, seconds=30):
        """The prompt of the next question."""
        return self.wire.read(self.stdin, seconds)[3]["prompt"]

    def answer(self, value):
        self.stdin.send_multipart(self.wire.message("input_reply", {"value": value, "status": "ok"}))

    def close(self):
        self.wire.close()
