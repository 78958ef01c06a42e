"""Kernels that do not quite speak the protocol: what a stock client gets from them directly, it gets through the fleet."""

import pytest

from harness.clients import execute, finish, next_message, reply_to, request
from harness.deadline import Deadline, wait_until
from oddities import ENDLESS, HARMLESS


@pytest.mark.parametrize("oddities", HARMLESS, ids="-".join)
def test_an_oddity_makes_no_difference(way, oddities):
    client = way.client(*oddities)
    info = reply_to(client, client.kernel_info())["content"]
    assert info["language_info"]["name"] == "odd"
    assert info.get("banner") == (None if "bareinfo" in oddities else "odd")
    for number in (1, 2):
        msg_id = client.execute(f"cell {number}")
        done = finish(client, msg_id)
        assert done.stream() == f"cell {number}\n"
        assert done.reply["content"].get("status") == (None if "nostatus" in oddities else "ok")
        assert done.reply["content"]["execution_count"] == number
        states = [content["execution_state"] for content in done.of_type("status")]
        assert states == ["busy", *(["pondering"] if "oddstate" in oddities else []), "idle"]
    if "buffers" in oddities:
        assert [bytes(frame) for frame in done.reply["buffers"]] == [b"one", b"", b"<IDS|MSG>"]
    if "nan" in oddities:
        assert done.reply["content"]["nan"] != done.reply["content"]["nan"]
    if "surrogate" in oddities:
        assert done.reply["content"]["half"] == "\ud800"
    if "nullmetadata" in oddities:
        assert done.reply["metadata"] is None
    if "ponlyid" in oddities:
        assert done.reply["parent_header"] == {"msg_id": msg_id}
    if "nulluser" in oddities:
        assert done.reply["header"]["username"] is None
    if "intid" in oddities:
        assert isinstance(done.reply["header"]["msg_id"], int)


@pytest.mark.parametrize("oddities", [("nulluser",), ("ponlyid",), ("intid",), ("pnosession",)], ids="-".join)
def test_a_question_is_answered(way, oddities):
    client = way.client(*oddities)
    msg_id = client.execute("ask your name?")
    assert prompt_of(client)["content"]["prompt"] == "your name?"
    client.input("Ada")
    assert finish(client, msg_id).stream() == "Ada\n"


@pytest.mark.parametrize("oddities", [(), ("ponlyid",), ("nostatus",)], ids="-".join)
def test_control_is_answered_on_control(way, oddities):
    client = way.client(*oddities)
    assert request(client, "kernel_info_request", channel="control")["content"]["banner"] == "odd"


def test_a_control_channel_that_comes_late_is_used(way):
    client = way.client("latecontrol")
    assert request(client, "interrupt_request", channel="control")["header"]["msg_type"] == "interrupt_reply"
    if way.way != "direct":
        wait_until(lambda: missing_channels(way, "latecontrol") == [], 10, "the late channel to be connected to")
    assert execute(client, "still here").stream() == "still here\n"


@pytest.mark.proxy_only
def test_the_fleet_says_which_channels_a_kernel_lacks(way):
    if way.way == "direct":
        pytest.skip("nobody to say it")
    oddities = ("nostdin", "nocontrol", "nohb")
    client = way.client(*oddities)
    assert missing_channels(way, *oddities) == ["stdin", "control", "heartbeat"]
    told = way.fleet.command("list").stdout
    for note in ["no stdin channel", "no control channel", "no heartbeat channel"]:
        assert note in told
    # Control falls back to shell, and the fleet echoes.
    reply = request(client, "interrupt_request", channel="control")
    assert reply["header"]["msg_type"] == "interrupt_reply"
    assert status_of(way, *oddities) == "idle"
    wait_until(client.hb_channel.is_beating, 10, "an echo")


def test_a_request_that_is_never_answered_blocks_nothing(way):
    client = way.client()
    for _ in range(3):
        unknown = client.session.msg("unheard_of_request", {})
        client.shell_channel.send(unknown)
    done = execute(client, "after it")
    assert done.stream() == "after it\n"
    assert reply_to(client, client.kernel_info())["content"]["banner"] == "odd"
    if way.way == "published":
        wait_until(lambda: status_of(way) == "idle", 10, "the kernel to count as idle")


@pytest.mark.parametrize("oddities", ENDLESS, ids="-".join)
def test_what_a_cell_does_not_say_at_its_end_holds_no_other_up(way, oddities):
    client = way.client(*oddities)
    cells = [client.execute(f"cell {number}") for number in range(3)]
    printed, deadline = [], Deadline(40)
    while len(printed) < len(cells):
        message = next_message(client, "iopub", deadline, lambda: f"all cells to run; {printed} did")
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            printed.append(message["parent_header"]["msg_id"])
    assert printed == cells


def execute_beside(client, code):
    """Sends a cell to a subshell, beside what the main shell runs."""
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True, "stop_on_error": True}
    message = client.session.msg("execute_request", content)
    message["header"]["subshell_id"] = "beside"
    client.shell_channel.send(message)
    return message["header"]["msg_id"]


def test_two_answers_that_name_their_questions_reach_them(way):
    client = way.client()
    first, second = client.execute("ask first"), execute_beside(client, "ask second")
    questions = [prompt_of(client), prompt_of(client)]
    assert [question["content"]["prompt"] for question in questions] == ["first", "second"]
    for question, value in zip(reversed(questions), ["to the second", "to the first"], strict=True):
        answer = client.session.msg("input_reply", {"value": value}, parent=question["header"])
        client.stdin_channel.send(answer)
    assert finish_in_any_order(client, first, second) == {first: "to the first\n", second: "to the second\n"}


def test_two_answers_that_name_nothing_go_in_order(way):
    client = way.client()
    first, second = client.execute("ask first"), execute_beside(client, "ask second")
    prompt_of(client), prompt_of(client)
    client.input("one")
    client.input("two")
    assert finish_in_any_order(client, first, second) == {first: "one\n", second: "two\n"}


def test_who_are_you_waits_behind_a_cell_of_the_same_client(way):
    client = way.client()
    cell, info = client.execute("sleep 0.5"), client.kernel_info()
    replies = [next_message(client, "shell", Deadline(30), lambda: "two replies") for _ in range(2)]
    assert [reply["parent_header"]["msg_id"] for reply in replies] == [cell, info]


@pytest.mark.proxy_only
def test_who_are_you_waits_for_nobody_elses_cell(way):
    if way.way == "direct":
        pytest.skip("a plain kernel has them wait")
    place = way.file()
    busy, other = way.open(place), way.open(place)
    go = way.fleet.home.path / "go"
    cell = busy.execute(f"wait {go}")
    assert reply_to(other, other.kernel_info(), seconds=10)["content"]["banner"] == "odd"
    go.touch()
    assert finish(busy, cell).status == "ok"


def prompt_of(client):
    return next_message(client, "stdin", Deadline(30), lambda: "a prompt")


def finish_in_any_order(client, *requests):
    """What each of these requests printed, through all of their ends."""
    printed, ended, deadline = dict.fromkeys(requests, ""), set(), Deadline(30)
    while len(ended) < len(requests):
        message = next_message(client, "iopub", deadline, lambda: f"the ends of {requests}, had {printed}")
        parent, content = message["parent_header"].get("msg_id"), message["content"]
        if parent in printed:
            printed[parent] += content.get("text", "")
            if content.get("execution_state") == "idle":
                ended.add(parent)
    return printed


def kernel_of(way, *oddities):
    """What `list` says of the latest kernel with these oddities."""
    name = "-".join(["odd", *oddities])
    return [kernel for kernel in way.fleet.answer("list") if kernel["runtime"] == name][-1]


def missing_channels(way, *oddities):
    return kernel_of(way, *oddities)["missing_channels"]


def status_of(way, *oddities):
    return kernel_of(way, *oddities)["status"]
