"""Strangers that take without end: what they may use is bounded, and honest clients do not notice them."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from raw_peer import RawPeer, frame, ping

from harness.clients import execute
from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only

FILLER = Path(__file__).with_name("filler.py")
MEBIBYTE = 1 << 20
# What one such stranger may cost at most, buffers of the allocator included.
GROWTH_BYTES = 40 * MEBIBYTE
GREED_BYTES = 150 * MEBIBYTE
LITTLE = 4096
BRIEF_CONFIG = """\
default_runtime = "python3"

[limits]
stranger_message_ms = 1500
"""


class Memory:
    """The memory of a fleet's serve, and the most of it that was seen."""

    def __init__(self, fleet):
        self._process = psutil.Process(fleet.process.pid)
        self._first = self.most = self._now()

    def _now(self):
        return self._process.memory_info().rss

    def look(self):
        self.most = max(self.most, self._now())

    @property
    def growth(self):
        self.look()
        return self.most - self._first


def pour(peer, data, memory):
    """Sends `data` again and again until the connection ends or it was much; returns whether it ended."""
    for _ in range(GREED_BYTES // len(data)):
        try:
            if not peer.send(data):
                return True
        except TimeoutError:
            return False
        memory.look()
    return not peer.is_alive()


def test_pings_without_reading_the_answers_end_the_connection(own_fleet):
    memory = Memory(own_fleet)
    peer = RawPeer(own_fleet.info, "shell", receive_buffer=LITTLE)
    assert pour(peer, ping() * 40_000, memory), "the connection was not ended"
    assert memory.growth < GROWTH_BYTES
    peer.close()


@pytest.mark.parametrize("has_kernel", [False, True], ids=["echoed by the proxy", "echoed by a kernel"])
def test_heartbeats_whose_echoes_nobody_reads_cost_little(own_fleet, connect_own, group, has_kernel):
    """The raw peers belong to this process, so once it has a client, its kernel echoes them."""
    if has_kernel:
        assert execute(connect_own(group=group), "1").status == "ok"
    memory = Memory(own_fleet)
    beats = (frame(b"", 1) + frame(b"z" * 4000)) * 256
    peers = [RawPeer(own_fleet.info, "hb", receive_buffer=LITTLE) for _ in range(4)]
    for peer in peers:
        for _ in range(32):
            peer.send(beats)
            memory.look()
    assert memory.growth < GROWTH_BYTES
    client = connect_own(group=group)
    wait_until(client.hb_channel.is_beating, 10, "an honest client's heartbeat")
    assert execute(client, "print('undisturbed')").stream() == "undisturbed\n"
    assert memory.growth < GROWTH_BYTES + 10 * MEBIBYTE
    for peer in peers:
        peer.close()


@pytest.fixture
def filler(own_fleet):
    """Starts processes that fill what strangers may use; returns once one holds as much as it is let."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, str(FILLER), str(own_fleet.published_file), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        processes.append(process)
        assert int(process.stdout.readline()) > 20 * MEBIBYTE, "the stranger was not let in far enough to prove anything"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def connections_left(filler):
    filler.stdin.write("how many\n")
    filler.stdin.flush()
    return int(filler.stdout.readline())


def let_in(client):
    """Waits until it can ask and listen. jupyter_client itself gives up where the heartbeat is let in last."""
    for channel in (client.shell_channel, client.iopub_channel):
        wait_until(lambda channel=channel: client.kernel_info() and channel.socket.poll(500), 15, "an honest client to be let in")
    return client


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_partial_messages_of_one_user_do_not_shut_out_another(own_fleet, connect_own, filler):
    stranger = filler("--user", "nobody")
    client = let_in(connect_own(ready=False, runtime="lua"))
    assert execute(client, "return 6 * 7").status == "ok"
    assert connections_left(stranger) > 2, "the stranger held too little to prove anything"


@pytest.mark.parametrize("own_fleet", [{"config": BRIEF_CONFIG}], indirect=True)
def test_partial_messages_of_the_same_user_shut_nobody_out_for_long(own_fleet, connect_own, filler):
    """They share one allowance, but a message that does not come to its end ends its connection."""
    stranger = filler()
    client = let_in(connect_own(ready=False, runtime="lua"))
    assert execute(client, "return 6 * 7").status == "ok"
    wait_until(lambda: connections_left(stranger) == 0, 10, "the partial messages to be given up")
