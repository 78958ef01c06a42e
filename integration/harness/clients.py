"""Real jupyter_client clients: connecting, executing, and collecting exactly one request's messages."""

import re
from dataclasses import dataclass, field
from queue import Empty

from jupyter_client import AsyncKernelClient, BlockingKernelClient

from harness.deadline import Deadline

READY_SECONDS = 60
EXECUTE_SECONDS = 30


def new_client(connection_file, needs=None, session=None, client_class=BlockingKernelClient, **traits):
    """A client of `connection_file` that is not connected yet, with `needs` in each message's metadata."""
    client = client_class(**traits)
    client.load_connection_file(str(connection_file))
    if session is not None:
        client.session.session = session
    if needs is not None:
        client.session.metadata = {"fleet": needs}
    return client


def new_async_client(connection_file, needs=None, session=None, **traits):
    """The same, for asyncio."""
    return new_client(connection_file, needs, session, AsyncKernelClient, **traits)


def detach(client):
    """Says goodbye as a Jupyter client does: a shutdown_request, its reply, the end of the sockets."""
    try:
        request = client.session.msg("shutdown_request", {"restart": False})
        client.control_channel.send(request)
        reply = reply_to(client, request["header"]["msg_id"], channel="control")
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()


@dataclass
class Execution:
    """One request: its reply and the iopub messages that have it as their parent, busy to idle."""

    reply: dict
    messages: list = field(default_factory=list)

    def of_type(self, msg_type):
        return [message["content"] for message in self.messages if message["msg_type"] == msg_type]

    def stream(self, name="stdout"):
        return "".join(content["text"] for content in self.of_type("stream") if content["name"] == name)

    @property
    def result(self):
        """The text of the one execute_result, None without."""
        results = self.of_type("execute_result")
        assert len(results) <= 1, results
        return results[0]["data"]["text/plain"] if results else None

    @property
    def error(self):
        """The one error message's content, None without."""
        errors = self.of_type("error")
        assert len(errors) <= 1, errors
        return errors[0] if errors else None

    @property
    def status(self):
        return self.reply["content"]["status"]


def execute(client, code, seconds=EXECUTE_SECONDS, **request):
    """Executes `code` and returns its Execution; `request` as in `KernelClient.execute`."""
    return finish(client, client.execute(code, **request), seconds)


def finish(client, msg_id, seconds=EXECUTE_SECONDS):
    """Waits until the request `msg_id` is done on both shell and iopub."""
    messages = messages_of(client, msg_id, seconds)
    return Execution(reply_to(client, msg_id, seconds), messages)


def execute_for_stdout(client, code, expected, seconds=EXECUTE_SECONDS):
    """Executes `code` and waits for both idle and `expected` on stdout, whichever comes last.

    For deno only: a plain one sent a cell's output after the cell's idle in about one cell of six.
    """
    msg_id = client.execute(code)
    text, idle, deadline = "", False, Deadline(seconds)
    while not (idle and text == expected):
        message = next_message(client, "iopub", deadline, lambda: f"{expected!r} on stdout, had {text!r}, idle: {idle}")
        if message["parent_header"].get("msg_id") == msg_id:
            idle = idle or is_status(message, "idle")
            text += message["content"].get("text", "")
    return Execution(reply_to(client, msg_id, deadline.left), [])


def messages_of(client, msg_id, seconds=EXECUTE_SECONDS):
    """The iopub messages of the request `msg_id`, through its idle."""
    messages, deadline = [], Deadline(seconds)
    while not (messages and is_status(messages[-1], "idle")):
        message = next_message(client, "iopub", deadline, lambda: f"idle; {msg_id} had {kinds(messages)}")
        if message["parent_header"].get("msg_id") == msg_id:
            messages.append(message)
    assert is_status(messages[0], "busy"), kinds(messages)
    return messages


def reply_to(client, msg_id, seconds=EXECUTE_SECONDS, channel="shell"):
    """The reply to the request `msg_id`; replies to other requests are dropped."""
    deadline = Deadline(seconds)
    while True:
        reply = next_message(client, channel, deadline, lambda: f"the reply to {msg_id}")
        if reply["parent_header"].get("msg_id") == msg_id:
            return reply


def request(client, msg_type, content=None, channel="shell", seconds=EXECUTE_SECONDS):
    """Sends a request that has no method of its own and returns its reply."""
    message = client.session.msg(msg_type, content or {})
    getattr(client, f"{channel}_channel").send(message)
    return reply_to(client, message["header"]["msg_id"], seconds, channel)


def next_message(client, channel, deadline, what):
    """The next message of `channel`, or a failure that says `what()` was awaited."""
    try:
        return getattr(client, f"get_{channel}_msg")(timeout=deadline.left)
    except Empty:
        raise AssertionError(f"nothing more on {channel}, while waiting for {what()}") from None


def is_status(message, state):
    return message["msg_type"] == "status" and message["content"]["execution_state"] == state


def plain(text):
    """`text` without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def kinds(messages):
    """What the messages are, short enough for a failure's message."""
    return [message["content"].get("execution_state") or message["msg_type"] for message in messages]
