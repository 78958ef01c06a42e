"""A Jupyter client in a process of its own, driven by lines of JSON on stdin; answers with one line each.

Two jobs that a client inside the test's process cannot do: be another process to the proxy, which tells iopub
subscribers apart by process, and keep every iopub message that arrives, also those that answer nobody it knows.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.clients import READY_SECONDS, execute, new_client, request  # noqa: E402


class RecordingChannel:
    """Wraps an iopub channel and remembers each message it hands out."""

    def __init__(self, channel):
        self._channel = channel
        self.seen = []

    def __getattr__(self, name):
        return getattr(self._channel, name)

    async def get_msg(self, timeout=None):
        message = self._channel.get_msg(timeout=timeout)
        if hasattr(message, "__await__"):
            message = await message
        self.seen.append(message)
        return message


class ClientProcess:
    def __init__(self, connection_file, needs, session):
        self.client = new_client(connection_file, needs, session)
        self.client.start_channels()
        self.recorded = self.client._iopub_channel = RecordingChannel(self.client.iopub_channel)

    def do_ready(self):
        self.client.wait_for_ready(timeout=READY_SECONDS)
        return {"session": self.client.session.session}

    def do_execute(self, code):
        done = execute(self.client, code)
        return {"status": done.status, "stdout": done.stream(), "result": done.result, "error": done.error}

    def do_send_only(self, code):
        return {"msg_id": self.client.execute(code)}

    def do_restart(self, username):
        self.client.session.username = username
        return request(self.client, "shutdown_request", {"restart": True}, channel="control")["content"]

    def do_shut_down(self):
        return request(self.client, "shutdown_request", {"restart": False}, channel="control")["content"]

    def do_everything_heard(self):
        """Every iopub message so far, as text: what a test searches for another client's traces."""
        while self.recorded.socket.poll(200):
            self.client.get_iopub_msg(timeout=1)
        kept = ("header", "parent_header", "content")
        texts = [json.dumps({name: message[name] for name in kept}, default=str) for message in self.recorded.seen]
        return {"messages": texts}

    def do_unread(self):
        """What has come on shell and stdin and was not asked for yet, as text."""
        texts = []
        for channel in (self.client.shell_channel, self.client.stdin_channel):
            while channel.socket.poll(0):
                texts.append(json.dumps(channel.get_msg(timeout=1)["content"], default=str))
        return {"messages": texts}

    def do_die(self):
        """No goodbye: sockets closed by the system, as after a crash."""
        os._exit(9)


def answer_commands(process):
    """Answers each line on stdin with what the method `do_...` of `process` returns, until stdin ends."""
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(process, f"do_{command.pop('do')}")(**command)
        except Exception as failure:
            answer = {"failure": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    answer_commands(ClientProcess(**json.loads(sys.argv[1])))
