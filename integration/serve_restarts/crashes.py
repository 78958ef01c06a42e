"""A crash of serve, and what comes after it."""

from harness.clients import Execution, is_status, next_message, reply_to
from harness.deadline import Deadline, wait_until

SECONDS = 20


def crash(fleet):
    """serve is killed and started again."""
    fleet.kill()
    fleet.restart()


def wait_until_up(fleet):
    """Waits until serve has connected to all kernels, and has written that down."""
    wait_until(lambda: set(states(fleet)) == {"up"}, SECONDS, lambda: f"kernels to be up, which are {states(fleet)}\n{fleet.report()}")


def until_it_is_heard_again(client):
    """Waits until the next serve has told a client on iopub that its kernel is busy. A subscriber is one again only after it
    has looked at its socket: libzmq sends the subscription then."""
    wait_until(lambda: is_status(client.get_iopub_msg(timeout=SECONDS), "busy"), SECONDS, lambda: "the kernel's status")


def states(fleet):
    return [kernel["status"] for kernel in fleet.registry()["kernels"]]


def wait_for_stream(client, text):
    wait_until(
        lambda: text in client.get_iopub_msg(timeout=30)["content"].get("text", ""), 30, lambda: f"the cell to print {text}"
    )


def finish_after(client, msg_id):
    """As `finish`, for a cell whose `busy` and first output have been read already."""
    messages, deadline = [], Deadline(30)
    while not (messages and is_status(messages[-1], "idle")):
        message = next_message(client, "iopub", deadline, lambda: f"the end of the cell, had {messages}")
        if message["parent_header"].get("msg_id") == msg_id:
            messages.append(message)
    return Execution(reply_to(client, msg_id), messages)
