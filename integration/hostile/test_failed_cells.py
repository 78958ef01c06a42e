"""A cell that the fleet itself fails: what its client sends before it can know of that is aborted, and nothing else."""

import json

from raw_peer import COMMAND, DELIMITER, RawPeer, frame, message, signed

from harness.clients import execute

PING, NO_CONTEXT = b"\x04PING", 7


def cell(fleet, code):
    info = fleet.info
    return signed(info["key"].encode(), "execute_request", {"code": code, "silent": False, "stop_on_error": True}, session="failed")


def statuses(frames):
    """The `msg_id` of the cell that a reply answers, and its status."""
    parts = frames[frames.index(DELIMITER) + 2 :]
    return json.loads(parts[1])["msg_id"], json.loads(parts[3])["status"]


def next_question(peer):
    """The context of the next PING that wants an answer of its own; no message comes before it."""
    while True:
        flags, body = peer.receive_frame()
        assert flags & COMMAND, body
        if body.startswith(PING) and len(body) > NO_CONTEXT:
            return body[NO_CONTEXT:]


def test_what_comes_before_its_client_answers_is_aborted(own_fleet):
    peer = RawPeer(own_fleet.info, "shell", identity=b"failed")
    failed, failed_id = cell(own_fleet, "%fleet nope")
    peer.send(message(failed))
    context = next_question(peer)
    behind, behind_id = cell(own_fleet, "1")
    peer.send(message(behind))
    peer.send(frame(b"\x04PONG" + context, COMMAND))
    later, later_id = cell(own_fleet, "2")
    assert statuses(peer.receive_message()) == (failed_id, "error")
    assert statuses(peer.receive_message()) == (behind_id, "aborted")
    peer.send(message(later))
    assert statuses(peer.receive_message()) == (later_id, "ok")


def test_a_client_that_does_not_answer_is_not_waited_for_for_long(own_fleet, connect_own):
    peer = RawPeer(own_fleet.info, "shell", identity=b"failed")
    failed, failed_id = cell(own_fleet, "%fleet nope")
    peer.send(message(failed))
    next_question(peer)
    # An answer to something else says nothing.
    peer.send(frame(b"\x04PONG" + b"else", COMMAND))
    assert statuses(peer.receive_message()) == (failed_id, "error")
    assert execute(connect_own(), "1").status == "ok"
