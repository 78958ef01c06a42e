"""Cells that speak to the fleet: sending them as frontends do, and reading what the fleet shows."""

import re
from dataclasses import dataclass

from harness.clients import Execution, finish, is_status, next_message
from harness.deadline import Deadline

KERNEL_ID = re.compile(r"\b[0-9a-f]{8}\b")


def send(client, code, metadata=None, **content):
    """Sends a cell with metadata of its own, as JupyterLab sends a cell's; returns its id."""
    return post(client, written(client, code, metadata, **content))


def written(client, code, metadata=None, **content):
    """A cell, made now and not sent yet."""
    request = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
    return client.session.msg("execute_request", {**request, "stop_on_error": True, **content}, metadata=metadata)


def post(client, message):
    """Sends a cell; returns its id."""
    client.shell_channel.send(message)
    return message["header"]["msg_id"]


def run(client, code, metadata=None, **content):
    """Sends a cell and returns its Execution."""
    return finish(client, send(client, code, metadata, **content))


@dataclass
class Batch:
    """Cells that were sent at once: each one's Execution, in the order in which they were sent."""

    done: list
    replied: list
    heard: list

    @property
    def statuses(self):
        return [each.status for each in self.done]


def finish_all(client, sent, seconds=60):
    """Waits until all these cells are done; tells in which order their replies came, and what was said on iopub."""
    deadline, replies, heard, waiting = Deadline(seconds), {}, [], set(sent)
    while waiting:
        message = next_message(client, "iopub", deadline, lambda: f"idle of {[sent.index(each) for each in waiting]}")
        parent = message["parent_header"].get("msg_id")
        if parent in sent:
            heard.append(message)
            waiting -= {parent} if is_status(message, "idle") else set()
    while len(replies) < len(sent):
        reply = next_message(client, "shell", deadline, lambda: f"replies to {[n for n, each in enumerate(sent) if each not in replies]}")
        parent = reply["parent_header"]["msg_id"]
        assert parent not in replies, f"two replies to one cell: {reply}"
        replies |= {parent: reply} if parent in sent else {}
    of = lambda msg_id: [message for message in heard if message["parent_header"]["msg_id"] == msg_id]  # noqa: E731
    return Batch([Execution(replies[each], of(each)) for each in sent], list(replies), heard)


def shown(done):
    """The text of the one page that a cell showed, which has an HTML form as well."""
    assert (done.status, done.error) == ("ok", None), (done.reply["content"], done.error)
    [page] = done.of_type("display_data")
    assert set(page["data"]) == {"text/plain", "text/html"}, page
    return page["data"]["text/plain"]


def ask(client, line):
    """What the fleet shows for a cell that is this line."""
    return shown(run(client, line))


def own_kernel(client):
    """The id of the client's kernel, as `%fleet` tells it."""
    page = ask(client, "%fleet status")
    found = KERNEL_ID.search(page)
    assert found, page
    return found[0]


def wait_for_start(client):
    """Waits until the cell that is to print `started` runs."""
    deadline = Deadline(30)
    while next_message(client, "iopub", deadline, lambda: "the cell to run")["content"].get("text") != "started\n":
        pass
