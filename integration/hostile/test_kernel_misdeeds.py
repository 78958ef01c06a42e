"""A kernel runs users' code: it lies, sends garbage, and breaks every rule. Others do not notice, its clients are told."""

import pytest
import zmq
from prey import commit
from siege import LITTLE, MEBIBYTE

from harness.deadline import wait_until
from harness.remote_client import RemoteClient

pytestmark = pytest.mark.proxy_only

TIMES = 1000


@pytest.fixture
def asker(evil):
    """A client of another kernel, in another process, whose cell waits for input."""
    fleet = evil[0].fleet
    client = RemoteClient(fleet.published_file, fleet.environment, {"runtime": "lua", "group": "asker"})
    session = client.ready()
    yield client, {"session": session, **client.command("send_only", code="x = io.read() return x")}
    client.close()


def test_the_answer_to_somebody_elses_request_reaches_nobody(evil, asker):
    siege, new_prey = evil
    prey, (client, waiting) = new_prey(), asker
    seen, reply = commit(siege, prey, "answer_for", waiting)
    assert reply["status"] == "ok"
    # Messages for the comm that the kernel says the asker has would go to it, if it were believed.
    voice = new_prey(runtime="lua", group="asker")
    voice.wire.session = waiting["session"]
    voice.shell.send_multipart(voice.wire.message("comm_msg", {"comm_id": "theirs", "data": {"secret": 1}}))
    assert "overheard" not in str(prey.heard(prey.demand("nothing")))
    assert "stolen" not in "".join(client.everything_heard() + client.unread())
    # Shell and stdin are two connections: either may be read first.
    seen.is_borne(LITTLE).is_counted(stray=2).is_told_once("nobody")


def test_only_the_first_of_a_thousand_replies_arrives(evil):
    siege, new_prey = evil
    prey = new_prey()
    seen, reply = commit(siege, prey, "answer_twice", TIMES)
    assert reply["status"] == "ok"
    assert prey.done("nothing")["status"] == "ok"
    assert not prey.shell.poll(0)
    seen.is_borne(LITTLE).is_counted(stray=TIMES - 1).is_told_once("it sent a reply that nobody waits for")


def test_a_request_that_is_never_answered_keeps_nobody_else_waiting(evil):
    siege, new_prey = evil
    prey, other = new_prey(), new_prey()
    siege.begin()
    lost = prey.demand("never_answer")
    assert other.done("nothing")["status"] == "ok"
    assert prey.done("nothing")["status"] == "ok"
    siege.while_going("never_answer", lambda: False).is_borne(LITTLE)
    assert prey.reply_to(prey.demand("nothing"))["status"] == "ok"
    journal = (siege.fleet.home.runtime_dir / ".fleet" / "requests.log").read_text()
    assert lost["msg_id"] in journal, "serve has forgotten that somebody waits"


@pytest.mark.parametrize(
    "deed, counter, reason",
    [("sign_badly", "kernel_badly_signed", "signature"), ("say_nonsense", "kernel_malformed", "^on ")],
)
def test_garbage_is_counted_and_told_once(evil, deed, counter, reason):
    siege, new_prey = evil
    prey = new_prey()
    seen, reply = commit(siege, prey, deed, TIMES)
    assert reply["status"] == "ok"
    assert prey.done("nothing")["status"] == "ok"
    seen.is_borne(LITTLE).is_counted(**{counter: 3 * TIMES}).is_told_once(reason)


@pytest.mark.parametrize(
    "deed, channel",
    [
        ("break_frames", "shell"), ("break_frames", "iopub"), ("break_rules", "control"), ("break_rules", "iopub"),
        ("send_empty_parts", "stdin"), ("reopen", "shell"), ("reopen", "iopub"),
    ],
)
def test_a_kernel_that_breaks_a_channel_is_restarted_and_its_clients_are_told(evil, deed, channel):
    siege, new_prey = evil
    prey = new_prey()
    assert prey.done("nothing")["status"] == "ok"
    siege.begin()
    prey.demand(deed, channel)
    waiting = prey.demand("never_answer")
    seen = siege.while_going(f"{deed} {channel}", lambda: not siege.raised().get("kernels_broke"))
    error = prey.reply_to(waiting)
    assert error["status"] == "error" and channel in error["evalue"], error
    assert prey.done("nothing")["status"] == "ok", "the next process does not work"
    seen.is_borne(LITTLE).is_counted(kernels_broke=1)
    assert len([line for line in siege.log() if line["fields"]["message"] == "kernel is down"]) == 1


@pytest.mark.parametrize("runtime, deed", [("never-echoes", "nothing"), ("raw", "break_frames")])
def test_a_kernel_without_heartbeat_is_shown_as_such_and_works(evil, runtime, deed):
    siege, new_prey = evil
    prey = new_prey(runtime=runtime)
    siege.begin()
    assert prey.done(deed, "hb")["status"] == "ok"
    seen = siege.while_going(f"no heartbeat: {deed}", lambda: not siege.raised().get("kernels_silent"))
    assert prey.done("nothing")["status"] == "ok"
    seen.is_borne(LITTLE).is_counted(kernels_silent=1)
    assert len([line for line in siege.log() if "does not echo" in line["fields"]["message"]]) == 1
    states = {kernel["runtime"]: kernel["status"] for kernel in siege.fleet.answer("list")}
    assert states[runtime] == "unresponsive", states


def test_serve_does_not_echo_in_the_place_of_a_kernel(evil):
    siege, new_prey = evil
    prey = new_prey(runtime="never-echoes")
    assert prey.done("nothing")["status"] == "ok"
    heartbeat = prey.wire.socket(zmq.REQ, "hb")
    heartbeat.send(b"ping")
    assert prey.done("nothing")["status"] == "ok"
    assert not heartbeat.poll(200)


def test_echoes_that_nobody_asked_for(evil):
    siege, new_prey = evil
    prey = new_prey()
    seen, reply = commit(siege, prey, "flood_echoes", 20_000)
    assert reply["status"] == "ok"
    seen.is_borne(LITTLE)


def test_a_kernel_that_says_a_hundred_megabytes_of_itself_never_comes_up(evil):
    """The reply is read whole before it is refused: 100 MiB, and as much again where the buffer grows by copying."""
    siege, new_prey = evil
    prey = new_prey(runtime="says-too-much")
    siege.begin()
    cell = prey.demand("nothing")
    seen = siege.while_going("says too much", lambda: not prey.shell.poll(0))
    error = prey.reply_to(cell)
    assert error["status"] == "error" and "kernel_info_reply" in error["evalue"], error
    seen.is_borne(260 * MEBIBYTE).is_counted(kernels_never_up=1)
    registry = siege.fleet.home.runtime_dir / ".fleet" / "registry.json"
    wait_until(lambda: "says-too-much" not in registry.read_text(), 10, "the registry to forget it")
    assert registry.stat().st_size < MEBIBYTE
