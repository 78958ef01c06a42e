"""Bounds of one connection, and what its client is still owed when the fleet ends."""

import json
import signal
import threading

import pytest
from raw_peer import DELIMITER, RawPeer, message, signed

from harness.clients import execute, new_client
from harness.deadline import wait_until

SESSIONS = 4
LARGE = 16_000_000


def content_of(frames):
    return json.loads(frames[frames.index(DELIMITER) + 5])


@pytest.mark.parametrize("own_fleet", [{"config": f"[limits]\nsessions_per_connection = {SESSIONS}\n"}], indirect=True)
def test_only_so_many_sessions_speak_on_one_connection(own_fleet, connect_own):
    info = own_fleet.info
    peer = RawPeer(info, "shell", identity=b"many")
    answers = []
    for number in (*range(SESSIONS + 2), 0):
        peer.send(message(signed(info["key"].encode(), "connect_request", {}, session=f"session-{number}")[0]))
        answers.append(content_of(peer.receive_message()))
    assert [answer.get("ename") for answer in answers] == [None] * SESSIONS + ["TooManySessions"] * 2 + [None]
    assert execute(connect_own(), "1").status == "ok"


def test_a_reply_that_waits_is_written_before_the_fleet_ends(own_fleet):
    info = own_fleet.info
    peer = RawPeer(info, "shell", receive_buffer=1 << 19, identity=b"slow")
    listener = new_client(own_fleet.published_file, session="slow")
    listener.start_channels()
    request = {"code": "", "silent": False, "user_expressions": {"large": f"'x' * {LARGE}"}}
    cell, msg_id = signed(info["key"].encode(), "execute_request", request, session="slow")
    peer.send(message(cell))
    wait_until(lambda: own_fleet.has_noted(msg_id), 20, "the fleet to have the cell")
    wait_until(lambda: '"answered"' in own_fleet.journal(), 20, "the reply to be on its way")
    received = []
    own_fleet.process.send_signal(signal.SIGTERM)
    reader = threading.Thread(target=lambda: received.append(peer.receive_message()))
    reader.start()
    reader.join(20)
    listener.stop_channels()
    assert received and content_of(received[0])["status"] == "ok" and len(received[0][-1]) > LARGE
