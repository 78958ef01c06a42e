"""AsyncKernelClient: the same protocol on asyncio, and several clients in one process at once."""

import asyncio

import pytest_asyncio

from harness.clients import READY_SECONDS, is_status, new_async_client

SECONDS = 30


@pytest_asyncio.fixture
async def connect_async(fleet):
    clients = []

    async def connect(**needs):
        client = new_async_client(fleet.connection_file(needs), needs)
        clients.append(client)
        client.start_channels()
        await client.wait_for_ready(timeout=READY_SECONDS)
        return client

    yield connect
    for client in clients:
        if not fleet.is_direct:
            reply = await client.shutdown(reply=True, timeout=SECONDS)
            assert reply["content"]["status"] == "ok"
        client.stop_channels()


async def run(client, code):
    """Executes `code`; returns the reply's content and the iopub messages, busy to idle."""
    msg_id = client.execute(code)
    messages = []
    while not (messages and is_status(messages[-1], "idle")):
        message = await client.get_iopub_msg(timeout=SECONDS)
        if message["parent_header"].get("msg_id") == msg_id:
            messages.append(message)
    # Of the questions that were asked until the client was ready, some may be answered later.
    while (reply := await client.get_shell_msg(timeout=SECONDS))["parent_header"]["msg_id"] != msg_id:
        assert reply["msg_type"] == "kernel_info_reply"
    return reply["content"], messages


def text(messages):
    return "".join(message["content"]["text"] for message in messages if message["msg_type"] == "stream")


async def test_execute(connect_async, group):
    client = await connect_async(group=group)
    reply, messages = await run(client, "print('out'); 1 + 1")
    assert reply["status"] == "ok"
    assert text(messages) == "out\n"
    results = [message["content"]["data"]["text/plain"] for message in messages if message["msg_type"] == "execute_result"]
    assert results == ["2"]


async def test_error(connect_async, group):
    client = await connect_async(group=group)
    reply, messages = await run(client, "raise KeyError('gone')")
    assert (reply["status"], reply["ename"], reply["evalue"]) == ("error", "KeyError", "'gone'")
    assert [message["content"]["ename"] for message in messages if message["msg_type"] == "error"] == ["KeyError"]


async def test_the_other_requests(connect_async, group):
    client = await connect_async(group=group)
    await run(client, "answer_to_all = 42")
    complete = await client.complete("answer_to", reply=True, timeout=SECONDS)
    assert "answer_to_all" in complete["content"]["matches"]
    inspect = await client.inspect("answer_to_all", reply=True, timeout=SECONDS)
    assert inspect["content"]["found"] is True
    is_complete = await client.is_complete("if x:", reply=True, timeout=SECONDS)
    assert is_complete["content"]["status"] == "incomplete"
    history = await client.history(hist_access_type="tail", n=1, raw=True, reply=True, timeout=SECONDS)
    assert history["content"]["history"][-1][2] == "answer_to_all = 42"


async def test_heartbeat(connect_async, group):
    client = await connect_async(group=group)
    assert client.hb_channel.is_beating()
    assert await client.is_alive()


async def test_clients_of_one_process_run_at_once(connect_async, group):
    clients = await asyncio.gather(*(connect_async(group=group, runtime="python3") for _ in range(4)))
    outcomes = await asyncio.gather(*(run(client, f"print({index})") for index, client in enumerate(clients)))
    assert [text(messages) for _, messages in outcomes] == ["0\n", "1\n", "2\n", "3\n"]
