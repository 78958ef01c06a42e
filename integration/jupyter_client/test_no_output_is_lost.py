"""Crowds, bursts and giants: every message arrives, in order, once."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from burst import burst_code

from harness.clients import execute, is_status, next_message, reply_to
from harness.deadline import Deadline

CROWD = Path(__file__).with_name("crowd.py")
PROCESSES, CLIENTS_EACH = 4, 50
CROWD_SECONDS = 100
BURST = 100_000
GIANT_BYTES = 50_000_000
GIANT_CODE = f"""
import hashlib, random
giant = random.Random(7).randbytes({GIANT_BYTES} // 2).hex()
display({{"application/x-giant": giant}}, raw=True)
print(hashlib.sha256(giant.encode()).hexdigest())
"""


@pytest.mark.parametrize("runtime", ["python3", "lua"])
def test_two_hundred_fresh_clients_print_at_once(fleet, group, runtime):
    needs = {"group": group, "runtime": runtime}
    file = fleet.connection_file(needs)
    crowds = [
        subprocess.Popen(
            [sys.executable, str(CROWD), str(file), json.dumps(needs), f"crowd{number}", str(CLIENTS_EACH)]
            + (["--settle"] if fleet.is_direct else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=fleet.environment,
        )
        for number in range(PROCESSES)
    ]
    try:
        for crowd in crowds:
            assert crowd.stdout.readline() == b"waiting\n"
        for crowd in crowds:
            crowd.stdin.write(b"go\n")
            crowd.stdin.flush()
        deadline = Deadline(CROWD_SECONDS)
        heard = {}
        for crowd in crowds:
            output, _ = crowd.communicate(timeout=deadline.left)
            heard |= json.loads(output)
    finally:
        for crowd in crowds:
            crowd.kill()
            crowd.wait()
    expected = {f"crowd{number}-{index}": "ok" for number in range(PROCESSES) for index in range(CLIENTS_EACH)}
    assert {name: outcome for name, outcome in heard.items() if outcome != "ok"} == {}
    assert heard == expected


def test_a_burst_of_stream_messages_arrives_whole_and_in_order(connect, group):
    client = connect(group=group)
    msg_id = client.execute(burst_code(BURST))
    deadline = Deadline(100)
    numbers, states = [], []
    while "idle" not in states:
        message = next_message(client, "iopub", deadline, lambda: f"idle, after {len(numbers)} of {BURST} messages")
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        if message["msg_type"] == "stream":
            assert message["content"]["name"] == "stdout", message["content"]["text"]
            numbers.append(int(message["content"]["text"]))
        elif message["msg_type"] == "status":
            states.append(message["content"]["execution_state"])
    assert states == ["busy", "idle"]
    assert len(numbers) == BURST
    assert numbers == list(range(BURST))
    assert reply_to(client, msg_id)["content"]["status"] == "ok"


def test_a_giant_display_arrives_whole_between_small_ones(connect, group):
    client = connect(group=group)
    done = execute(client, f"print('before', flush=True)\n{GIANT_CODE}", seconds=90)
    assert done.status == "ok"
    giant = done.of_type("display_data")[0]["data"]["application/x-giant"]
    assert len(giant) == GIANT_BYTES
    before, digest = done.stream().split()
    assert (before, digest) == ("before", hashlib.sha256(giant.encode()).hexdigest())
    order = [message["msg_type"] for message in done.messages if not is_status(message, "busy")]
    assert order == ["execute_input", "stream", "display_data", "stream", "status"]


def test_a_giant_request_arrives_whole(connect, group):
    client = connect(group=group)
    text = "abcdefghij" * 1_000_000
    assert execute(client, f"text = '{text}'\nlen(text)", seconds=60, store_history=False).result == str(len(text))


def test_two_sharers_of_a_kernel_both_hear_a_burst_whole(connect_process, group):
    """Two subscribers, two paces: what the slower one has not read yet is not the other's problem, nor lost."""
    first, second = connect_process(group=group, runtime="python3"), connect_process(group=group, runtime="python3")
    first.ready()
    second.ready()
    assert second.execute("1")["status"] == "ok"
    expected = "".join(f"{number}\n" for number in range(5000))
    assert first.execute(burst_code(5000))["stdout"] == expected
    texts = [json.loads(message) for message in second.everything_heard()]
    streams = [message["content"]["text"] for message in texts if message["header"]["msg_type"] == "stream"]
    assert "".join(streams) == expected
