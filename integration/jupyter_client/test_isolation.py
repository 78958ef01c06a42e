"""What one client may learn of another: nothing, unless they share a kernel."""

import os
import select
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from harness.clients import execute
from harness.deadline import wait_until

LISTENER = Path(__file__).with_name("listener.py")


def secret():
    return f"secret-{uuid.uuid4().hex}"


def test_a_client_hears_nothing_of_another_kernel(connect_process, group):
    first, second = connect_process(group=group), connect_process(group=group + "-other")
    sessions = first.ready(), second.ready()
    words = secret(), secret()
    for client, word in zip((first, second), words):
        assert client.execute(f"print('{word}')")["stdout"] == f"{word}\n"
    # Both at once, so that their messages could mix.
    for client, word in zip((first, second), words):
        client.command("send_only", code=f"for i in range(200): print('{word}', i, flush=True)")
    for client, word in zip((first, second), words):
        assert client.execute(f"print('end {word}')")["stdout"] == f"end {word}\n"

    for client, own, other in ((first, 0, 1), (second, 1, 0)):
        heard = client.everything_heard()
        assert sum(words[own] in message for message in heard) >= 200
        traces = [message for message in heard if words[other] in message or sessions[other] in message]
        assert traces == []


def test_clients_of_one_kernel_hear_each_other(connect_process, group):
    """The positive of the test above: sharing a kernel means sharing its iopub, as on a plain kernel."""
    first, second = connect_process(group=group, runtime="python3"), connect_process(group=group, runtime="python3")
    first.ready()
    second.ready()
    assert second.execute("1")["status"] == "ok"
    word = secret()
    assert first.execute(f"print('{word}')")["stdout"] == f"{word}\n"
    wait_until(lambda: any(word in message for message in second.everything_heard()), 10, "the other's output")


def start_listener(info_file, *arguments):
    """Starts a bare subscriber and returns once it is connected to iopub."""
    listener = subprocess.Popen(
        [sys.executable, str(LISTENER), str(info_file), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert listener.stdout.readline() == "connected\n"
    return listener


def frames_heard(listener):
    """Tells the listener to end; returns how many frames it had received by then."""
    heard, _ = listener.communicate("end\n", timeout=30)
    assert listener.returncode == 0
    return int(heard.splitlines()[-1])


def test_a_bare_subscriber_of_the_same_user_hears_the_users_kernels(fleet, connect, group):
    """An ssh tunnel subscribes from a process without a client: after two seconds its user decides."""
    client = connect(group=group)
    listener = start_listener(fleet.connection_file({"group": group}))

    def has_heard():
        execute(client, "print('anybody there?')")
        return select.select([listener.stdout], [], [], 0)[0]

    wait_until(has_heard, 15, "the subscriber to hear a kernel of its user")
    assert listener.stdout.readline() == "heard\n"
    assert frames_heard(listener) > 0


@pytest.mark.proxy_only
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_subscriber_of_another_user_hears_nothing(fleet, connect, group):
    client = connect(group=group)
    listener = start_listener(fleet.published_file, "--user", "nobody")
    for number in range(20):
        assert execute(client, f"print({number})").stream() == f"{number}\n"
    # Longer than the two seconds after which a subscriber without a client is matched by its user.
    execute(client, "import time; time.sleep(2.5)")
    for number in range(20):
        assert execute(client, f"print({number})").stream() == f"{number}\n"
    assert frames_heard(listener) == 0
