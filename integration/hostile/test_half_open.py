"""Connections whose other end is gone without a word are found: by TCP's keepalive, which PINGs keep company."""

import time
from pathlib import Path

import pytest
from prey import RUNTIMES, Prey
from raw_peer import COMMAND, RawPeer, ping
from siege import MEBIBYTE

from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only

QUICK = """
[limits]
ping_after_ms = 200
"""
# "tr" in /proc/net/tcp, proc(5): the keepalive timer runs.
KEEPALIVE = "02"


def timers(pid):
    """Which timer runs for each established TCP connection of a process, by its two ports."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(link.readlink().name.removeprefix("socket:[").removesuffix("]"))
        except FileNotFoundError:
            continue
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    ports = lambda row: (int(row[1].split(":")[1], 16), int(row[2].split(":")[1], 16))
    return {ports(row): row[5].split(":")[0] for row in rows if row[3] == "01" and row[9] in inodes}


@pytest.mark.parametrize("channel", ["shell", "iopub", "hb", "stdin", "control"])
def test_keepalive_is_set_towards_clients(siege, channel):
    peer = RawPeer(siege.fleet.info, channel)
    pair = (siege.fleet.info[f"{channel}_port"], peer.socket.getsockname()[1])
    wait_until(lambda: timers(siege.fleet.process.pid).get(pair) == KEEPALIVE, 5, "the keepalive timer to run")
    peer.close()


def test_keepalive_is_set_towards_kernels(besieged):
    siege = besieged(RUNTIMES)
    prey = Prey(siege.fleet)
    assert prey.done("nothing")["status"] == "ok"
    published = {siege.fleet.info[name] for name in siege.fleet.info if name.endswith("_port")}

    def dialled():
        return [timer for (own, _), timer in timers(siege.fleet.process.pid).items() if own not in published]

    wait_until(lambda: len(dialled()) >= 5 and set(dialled()) == {KEEPALIVE}, 5, lambda: f"five keepalive timers: {dialled()}")
    prey.close()


def test_pings_are_answered_and_sent(besieged):
    siege = besieged(QUICK)
    for channel in ("shell", "iopub", "hb"):
        peer = RawPeer(siege.fleet.info, channel)
        peer.send(ping(b"are you there?"))
        said = [peer.receive_frame() for _ in range(2)]
        assert (COMMAND, b"\x04PONGare you there?") in said or peer.receive_frame()[1] == b"\x04PONGare you there?"
        wait_until(lambda: peer.receive_frame()[1].startswith(b"\x04PING"), 5, "a PING of serve's own")
        peer.close()


def test_a_thousand_silent_connections_cost_little_and_stay(besieged):
    """Nobody is cut for being silent: a kernel's client may be for hours. Each costs a task and two sockets' ends."""
    siege = besieged(QUICK).begin()
    peers = [RawPeer(siege.fleet.info, "shell") for _ in range(1000)]
    until = time.monotonic() + 1
    seen = siege.while_going("1,000 silent connections", lambda: time.monotonic() < until)
    assert all(peer.is_alive() for peer in peers)
    seen.is_borne(48 * MEBIBYTE)
    for peer in peers:
        peer.reset()
