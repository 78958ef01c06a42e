"""Routing ids are no secret: who else has a client's gets neither its replies nor its questions, and the client gets them
back when it connects again, without a word. `src/proxy/reconnect/identity.rs` has the rule."""

import json

import pytest
from raw_peer import COMMAND, RawPeer, frame, message, signed
from remote_peer import SILENCE_SECONDS, RemotePeer

from harness.clients import execute, new_client
from harness.deadline import wait_until
from harness.wire import execute_content

pytestmark = pytest.mark.proxy_only

NEEDS = {"runtime": "lua", "group": "victim"}
ASKS = execute_content("return io.read()") | {"allow_stdin": True}


class Victim:
    """A client by hand, in the test's own process."""

    def __init__(self, fleet, identity, needs=None):
        self.fleet, self.identity, self.key = fleet, identity, fleet.info["key"].encode()
        self.needs = needs or NEEDS
        self.shell, self.stdin, self.iopub = self.connect("shell"), self.connect("stdin"), self.listens()

    def connect(self, channel):
        return RawPeer(self.fleet.info, channel, identity=self.identity.encode())

    def listens(self):
        line = self.connect("iopub")
        line.send(frame(b"\x09SUBSCRIBE", COMMAND))
        return line

    def runs(self, code):
        """Runs a cell to its reply."""
        self.say(self.shell, "execute_request", execute_content(code))
        assert heard(self.shell)["msg_type"] == "execute_reply"

    def say(self, line, msg_type, content):
        line.send(message(signed(self.key, msg_type, content, self.identity, {"fleet": self.needs})[0]))

    def asks(self):
        """Runs a cell that asks for input, and waits for the question."""
        self.say(self.shell, "execute_request", ASKS)
        assert heard(self.stdin)["msg_type"] == "input_request"

    def answers(self):
        self.say(self.stdin, "input_reply", {"value": "mine", "status": "ok"})

    def close(self):
        for line in (self.shell, self.stdin, self.iopub):
            line.close()


def heard(line):
    """The header of the next message."""
    frames = line.receive_message()
    return json.loads(frames[frames.index(b"<IDS|MSG>") + 2])


def heard_text(line):
    """The content of the next message, as it stands."""
    frames = line.receive_message()
    return frames[frames.index(b"<IDS|MSG>") + 5].decode()


@pytest.fixture
def stage(besieged):
    """A siege, a victim in it, and peers in other processes with the victim's routing id."""
    siege = besieged()
    victim, peers = Victim(siege.fleet, "victim"), []

    def thief(*channels, identity="victim", **options):
        peers.append(RemotePeer(siege.fleet, identity, *channels, **options))
        return peers[-1]

    yield siege, victim, thief
    for peer in peers:
        peer.close()
    victim.close()


@pytest.mark.parametrize("has_key", [False, True], ids=["without the key", "with the key"])
def test_a_second_connection_gets_nothing_while_the_client_is_there(stage, has_key):
    siege, victim, new_thief = stage
    victim.asks()
    thief = new_thief("shell", "stdin")
    if has_key:
        thief.shows_key("shell")
        thief.say("stdin", "input_reply", {"value": "not asked", "status": "ok"})
    siege.begin()
    victim.answers()
    assert heard(victim.shell)["msg_type"] == "execute_reply"
    victim.asks()
    victim.answers()
    assert heard(victim.shell)["msg_type"] == "execute_reply"
    assert thief.is_silent("shell", "stdin")
    siege.while_going("second connection with a routing id", lambda: False).is_borne(24 << 20)


@pytest.mark.parametrize("early", [True, False], ids=["there first", "there last"])
def test_the_client_that_connects_again_says_nothing_and_gets_its_reply(stage, early):
    _, victim, new_thief = stage
    victim.asks()
    thief = new_thief("shell") if early else None
    victim.shell.reset()
    victim.shell = victim.connect("shell")
    thief = thief or new_thief("shell")
    victim.answers()
    assert heard(victim.shell)["msg_type"] == "execute_reply"
    assert thief.is_silent("shell")


@pytest.mark.parametrize("early", [True, False], ids=["there first", "there last"])
def test_the_client_whose_stdin_connects_again_is_asked(stage, early):
    _, victim, new_thief = stage
    victim.asks()
    victim.answers()
    assert heard(victim.shell)["msg_type"] == "execute_reply"
    thief = new_thief("stdin") if early else None
    victim.stdin.reset()
    victim.stdin = victim.connect("stdin")
    thief = thief or new_thief("stdin")
    victim.asks()
    assert thief.is_silent("stdin")


def test_the_reply_of_a_client_that_is_gone_is_nobodys_without_the_key(stage):
    _, victim, new_thief = stage
    victim.asks()
    victim.shell.reset()
    thief = new_thief("shell")
    victim.answers()
    assert thief.is_silent("shell")


def test_a_client_that_comes_back_as_another_process_shows_its_key(stage):
    """As a notebook server does that is started again with the sessions it had."""
    _, victim, new_peer = stage
    victim.asks()
    victim.shell.reset()
    again = new_peer("shell", session="victim", needs=NEEDS)
    again.shows_key("shell")
    victim.answers()
    assert again.hears("shell")[0] == "execute_reply"


def test_behind_a_tunnel_each_channel_is_a_process_and_stdin_is_asked_all_the_same(stage):
    _, _, new_peer = stage
    shell, stdin = new_peer("shell", identity="far"), new_peer("stdin", identity="far")
    shell.say("shell", "execute_request", ASKS)
    assert stdin.hears("stdin")[0] == "input_request"
    stdin.say("stdin", "input_reply", {"value": "far", "status": "ok"})
    assert shell.hears("shell")[0] == "execute_reply"


def test_what_a_listener_missed_is_not_for_another_process(stage):
    """Without a client in its own process, it hears its user's kernels after two seconds, as a tunnel's end does; no sooner, and
    nothing of what was kept for the one whose connection broke."""
    _, victim, new_thief = stage
    victim.runs("print('before')")
    while "before" not in heard_text(victim.iopub):
        pass
    victim.iopub.reset()
    victim.runs("print('while it was away')")
    thief = new_thief("iopub")
    thief.subscribes()
    while heard := thief.hears("iopub", 3):
        assert "while it was away" not in str(heard)
    victim.iopub = victim.listens()
    while "while it was away" not in (text := heard_text(victim.iopub)):
        assert "before" not in text, "it had this before"


def test_what_is_owed_after_a_crash_goes_to_the_process_that_asked(launch):
    """The thief is there first, and the kernel has answered before the client connects again."""
    fleet, needs = launch(ephemeral=False), {"runtime": "python3", "group": "victim"}
    thief = None
    try:
        fleet.start()
        victim, marker = Victim(fleet, "victim", needs), fleet.home.path / "go"
        code = f"import os, time\nprint('runs', flush=True)\nwhile not os.path.exists({str(marker)!r}): time.sleep(0.02)"
        victim.say(victim.shell, "execute_request", execute_content(code))
        wait_until(lambda: heard(victim.iopub)["msg_type"] == "stream", 30, "the cell to run")
        fleet.kill()
        fleet.restart()
        thief = RemotePeer(fleet, "victim", "shell", "stdin")
        marker.touch()
        other = new_client(fleet.published_file, needs)
        other.start_channels()
        other.wait_for_ready(timeout=30)
        assert execute(other, "6 * 7").result == "42"
        other.stop_channels()
        assert thief.is_silent("shell", "stdin")
        back = victim.connect("shell")
        assert heard(back)["msg_type"] == "execute_reply"
        assert thief.is_silent("shell")
    finally:
        if thief:
            thief.close()
        fleet.clear()
