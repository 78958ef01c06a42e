"""Clients that do not quite speak the protocol: kernels put up with them, so the fleet does."""

import json
from datetime import datetime

import pytest
from jupyter_client.session import Session
from traitlets import Any

from harness.clients import execute, finish, next_message, reply_to, request
from harness.deadline import Deadline, wait_until


class OddSession(Session):
    """Changes each header, and each part before it is packed."""

    change_header = Any()
    change_message = Any()

    def msg_header(self, msg_type):
        header = super().msg_header(msg_type)
        if self.change_header:
            self.change_header(header)
        return header

    def serialize(self, msg, ident=None):
        msg = dict(msg)
        if self.change_message:
            self.change_message(msg)
        return super().serialize(msg, ident)


def pack(part):
    """As Python writes JSON where nobody tells it not to: with NaN, and half a surrogate pair."""
    return json.dumps(part, default=lambda value: value.isoformat()).encode()


def odd_session(change_header=None, change_message=None, **traits):
    session = OddSession(change_header=change_header, change_message=change_message, **traits)
    session.pack = pack
    return session


def without(key):
    return lambda header: header.pop(key)


def with_entries(**entries):
    return lambda header: header.update(entries)


numbers = iter(range(1, 1_000_000))


def numeric_id(header):
    header["msg_id"] = next(numbers)


def numeric_session(header):
    # A number for each client.
    header["session"] = int(header["session"].split("-")[0], 16)


HEADERS = {
    "no username": without("username"),
    "null username": with_entries(username=None),
    "numeric username": with_entries(username=7),
    "no session": without("session"),
    "null session": with_entries(session=None),
    "numeric session": numeric_session,
    "null date": with_entries(date=None),
    "numeric date": with_entries(date=1764357850.5),
    "no time zone": with_entries(date="2026-11-28T19:24:10.123456"),
    "numeric id": numeric_id,
    "long id": lambda header: header.update(msg_id=header["msg_id"] + "x" * 100_000),
    "more keys": with_entries(elapsed=1.5, subshell_id=None, flag=True),
    "nested keys": with_entries(nested={"deep": [1, {"er": None}]}),
    "NaN in header": with_entries(elapsed=float("nan")),
    "half a surrogate pair in header": with_entries(half="\ud800"),
}
# ipykernel fails at these, which the smaller kernel bears.
TOO_ODD = ["nested keys", "half a surrogate pair in header", "null metadata"]
MESSAGES = {
    "null parent": with_entries(parent_header=None),
    "null metadata": with_entries(metadata=None),
    "NaN in metadata": lambda message: message.update(metadata=message["metadata"] | {"x": float("nan")}),
    "infinity in metadata": lambda message: message.update(metadata=message["metadata"] | {"x": [float("-inf")]}),
    "half a surrogate pair": lambda message: message.update(metadata=message["metadata"] | {"x": "\ud800", "\udc00": 1}),
    "deep metadata": lambda message: message.update(metadata=message["metadata"] | {"x": deep(400)}),
}


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.fixture(params=["python3", "odd"])
def runtime(request):
    return request.param


def skip_too_odd(runtime, change):
    if runtime == "python3" and change in TOO_ODD:
        pytest.skip("ipykernel does not answer that")


def say(runtime, text):
    return f"print({text!r})" if runtime == "python3" else text


def works(client, runtime):
    assert reply_to_any(client, "kernel_info_reply", client.kernel_info)["content"]["status"] == "ok"
    for text in ("one", "two"):
        reply, printed = execute_anyhow(client, say(runtime, text))
        assert (reply["content"]["status"], printed) == ("ok", text + "\n"), reply["content"]


def execute_anyhow(client, code):
    """Executes a cell of a client whose numbers may not be what jupyter_client believes."""
    reply = reply_to_any(client, "execute_reply", lambda: client.execute(code))
    parent, printed, deadline = reply["parent_header"]["msg_id"], "", Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: f"idle of {code}")
        if (message["parent_header"] or {}).get("msg_id") == parent:
            printed += message["content"].get("text", "")
            if message["content"].get("execution_state") == "idle":
                return reply, printed


def reply_to_any(client, msg_type, ask):
    ask()
    deadline = Deadline(30)
    while True:
        reply = next_message(client, "shell", deadline, lambda: f"a {msg_type}")
        if reply["msg_type"] == msg_type:
            return reply


@pytest.mark.parametrize("change", HEADERS)
def test_a_client_with_odd_headers_works(way, runtime, change):
    skip_too_odd(runtime, change)
    works(way.client(runtime=runtime, session=odd_session(HEADERS[change])), runtime)


@pytest.mark.parametrize("change", MESSAGES)
def test_a_client_with_odd_messages_works(way, runtime, change):
    skip_too_odd(runtime, change)
    # The fleet is told what is wanted in the metadata.
    if change == "null metadata" and way.way == "published":
        place = way.file(runtime=runtime)
        session = odd_session(lambda header: None)
        client = way.open(place, session)
        session.change_message = MESSAGES[change]
    else:
        client = way.client(runtime=runtime, session=odd_session(change_message=MESSAGES[change]))
    works(client, runtime)


def test_a_client_without_a_session_is_one_client_on_all_channels(way, runtime):
    client = way.client(runtime=runtime, session=odd_session(without("session")))
    works(client, runtime)
    assert request(client, "kernel_info_request", channel="control")["content"]["status"] == "ok"
    code = "print('got', input('? '))" if runtime == "python3" else "ask ?"
    client.execute(code)
    next_message(client, "stdin", Deadline(30), lambda: "a prompt")
    client.input("it")
    reply = next_message(client, "shell", Deadline(30), lambda: "the reply")
    assert reply["content"]["status"] == "ok"


def test_a_client_without_session_and_routing_id_is_one_client_on_all_channels(way, runtime):
    place = way.file(runtime=runtime)
    client = way.open(place, odd_session(session=""))
    works(client, runtime)
    assert request(client, "shutdown_request", {"restart": False}, channel="control")["content"]["status"] == "ok"
    if way.way == "published":
        # It has left its kernel, which was nobody else's.
        _, needs = place
        groups = lambda: {kernel["group"] for kernel in way.fleet.answer("list")}
        wait_until(lambda: needs["group"] not in groups(), 20, "the kernel to end")


@pytest.mark.proxy_only
def test_a_message_without_a_type_is_answered_with_an_error(way):
    if way.way == "direct":
        pytest.skip("kernels say nothing")
    client = way.client()
    execute(client, "first")
    message = client.session.msg("odd_request", {})
    del message["header"]["msg_type"]
    for _ in range(5):
        # Each is another message.
        message["header"]["msg_id"] = message["msg_id"] = f"{next(numbers)}-without-a-type"
        client.shell_channel.send(message)
        reply = reply_to(client, message["msg_id"], seconds=10)
        assert (reply["content"]["status"], reply["content"]["ename"]) == ("error", "UnreadableMessage")
        assert "msg_type" in reply["content"]["evalue"]
    assert execute(client, "still served").stream() == "still served\n"


@pytest.mark.proxy_only
@pytest.mark.parametrize(
    "msg_type, content",
    [
        ("complete_request", {"code": "%fleet l", "cursor_pos": 8}),
        ("inspect_request", {"code": "%fleet list", "cursor_pos": 8, "detail_level": 0}),
        ("is_complete_request", {"code": "%fleet list"}),
        ("connect_request", {}),
        ("interrupt_request", {}),
        ("kernel_info_request", {}),
        ("shutdown_request", {"restart": False}),
        ("execute_request", {"code": "%fleet list", "silent": False}),
        ("execute_request", {"code": "%fleet nonsense", "silent": False}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_fleet_says_itself_looks_as_a_kernels(way, msg_type, content):
    if way.way != "published":
        pytest.skip("about the fleet's own words")
    client = way.client(runtime="python3")
    execute(client, "1")
    channel = "control" if msg_type in ("interrupt_request", "shutdown_request") else "shell"
    asked = client.session.msg(msg_type, content)
    getattr(client, f"{channel}_channel").send(asked)
    reply = reply_to(client, asked["header"]["msg_id"], channel=channel)
    done = finish_of(client, asked["header"]["msg_id"])
    states = [message["content"]["execution_state"] for message in done if message["msg_type"] == "status"]
    assert states == ["busy", "idle"]
    for message in [reply, *done]:
        assert isinstance(message["header"]["date"], datetime), message["header"]


@pytest.mark.proxy_only
@pytest.mark.parametrize("years", [-10, 0, 10])
def test_what_is_aborted_is_not_a_matter_of_clocks(way, years):
    if way.way != "published":
        pytest.skip("about the fleet's own words")

    def shift(header):
        header["date"] = header["date"].replace(year=header["date"].year + years)

    client = way.client(runtime="python3", session=odd_session(shift))
    assert execute(client, "%fleet list").status == "ok"
    # All have come before the second one fails.
    codes = ("import time; time.sleep(.5)", "%fleet nonsense", "x = 1", "x = 2")
    _, failing, *behind = [client.execute(code) for code in codes]
    assert finish(client, failing).status == "error"
    assert [finish(client, each).status for each in behind] == ["aborted", "aborted"]
    assert execute(client, "x = 3\nx").result == "3"


def finish_of(client, msg_id):
    """All on iopub that answers this request, from busy to idle."""
    messages, deadline = [], Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: f"idle of {msg_id}, had {messages}")
        if message["parent_header"].get("msg_id") == msg_id:
            messages.append(message)
            if message["content"].get("execution_state") == "idle":
                return messages
