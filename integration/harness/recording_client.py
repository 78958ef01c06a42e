"""A client process that keeps every message it hears, in order, on shell, control, iopub and stdin; see `recorded_client`.

Commands and answers are lines of JSON, as of `client_process`.
"""

import json
import sys
from pathlib import Path

import zmq
from jupyter_client import BlockingKernelClient

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.client_process import answer_commands  # noqa: E402
from harness.clients import READY_SECONDS, new_client  # noqa: E402
from harness.deadline import Deadline  # noqa: E402

CHANNELS = ("shell", "control", "iopub", "stdin")


class RecordingClient:
    poller_class = zmq.Poller
    client_class = BlockingKernelClient

    def __init__(self, connection_file, needs, session, username):
        self.client = new_client(connection_file, needs, session, self.client_class)
        self.client.session.username = username
        self.client.start_channels()
        self.channels = {getattr(self.client, f"{name}_channel").socket: name for name in CHANNELS}
        self.poller = self.poller_class()
        for socket in self.channels:
            self.poller.register(socket, zmq.POLLIN)
        self.heard = []

    def wait_for(self, value):
        """The value; here for clients whose methods do not wait by themselves."""
        return value

    def do_ready(self):
        self.wait_for(self.client.wait_for_ready(timeout=READY_SECONDS))
        return {"session": self.client.session.session}

    def do_send(self, channel, msg_type, content):
        message = self.client.session.msg(msg_type, content)
        getattr(self.client, f"{channel}_channel").send(message)
        return {"msg_id": message["header"]["msg_id"]}

    def do_listen(self, wanted, seconds):
        """Listens until each wanted message has been heard, from the last `take` on; `missing` are those that were not."""
        deadline = Deadline(seconds)
        while missing := [each for each in wanted if not any(self.fits(message, each) for message in self.heard)]:
            ready = self.wait_for(self.poller.poll(deadline.left * 1000))
            if not ready:
                break
            for socket, _ in ready:
                self.keep(self.channels[socket])
        return {"missing": missing, "heard": self.heard}

    def do_take(self):
        """Everything heard since the last time."""
        taken, self.heard = self.heard, []
        return {"heard": taken}

    def keep(self, channel):
        message = self.wait_for(getattr(self.client, f"{channel}_channel").get_msg(timeout=0))
        parent = message["parent_header"]
        self.heard.append({
            "channel": channel,
            "msg_type": message["msg_type"],
            "content": message["content"],
            "parent": parent.get("msg_id"),
            "parent_session": parent.get("session"),
        })

    @staticmethod
    def fits(message, wanted):
        """`wanted` names fields of the message, and `state` that of a status."""
        flat = {"state": message["content"].get("execution_state"), **message}
        return all(flat[name] == value for name, value in wanted.items())


if __name__ == "__main__":
    answer_commands(RecordingClient(**json.loads(sys.argv[1])))
