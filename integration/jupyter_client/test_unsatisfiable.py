"""Requirements that nothing can satisfy: an error in the cell, at once, that says what is missing and what exists."""

import time

import pytest

from harness.clients import execute, plain

pytestmark = pytest.mark.proxy_only

# The requirement itself, not a guess at how fast a machine is: the person sees the error within a second.
ERROR_SECONDS = 1.0


def refused(client, needs):
    """Executes a cell with `needs` and returns the error as text and how long it took, in seconds."""
    client.session.metadata = {"fleet": needs}
    begin = time.monotonic()
    done = execute(client, "print('must never run')")
    took = time.monotonic() - begin
    assert done.status == "error"
    assert done.stream() == ""
    assert done.reply["content"]["ename"] == done.error["ename"]
    assert done.reply["content"]["evalue"] == done.error["evalue"]
    return plain("\n".join([done.error["evalue"], *done.error["traceback"]])), took


@pytest.mark.parametrize(
    "needs, missing",
    [
        ({"runtime": "nope"}, "nope"),
        ({"language": "cobol"}, "cobol"),
        ({"providers": ["nobody-provides-this"]}, "nobody-provides-this"),
        ({"labels": ["no-such-label"]}, "no-such-label"),
        ({"kernel": "no-such-kernel"}, "no-such-kernel"),
        ({"runtime": "lua", "language": "python"}, "python"),
    ],
)
def test_the_cell_says_what_is_missing_and_what_exists(connect, needs, missing):
    text, took = refused(connect(), needs)
    assert missing in text
    assert "python3" in text and "lua" in text and "bash" in text
    assert took < ERROR_SECONDS


@pytest.mark.parametrize(
    "needs, named",
    [
        ({"runtme": "lua"}, "runtme"),
        ({"memory_limit": "a lot"}, "a lot"),
        ({"providers": "openai"}, "providers"),
        ({"isolated": "yes"}, "isolated"),
    ],
)
def test_needs_that_cannot_be_understood_are_named_in_the_cell(connect, needs, named):
    text, took = refused(connect(), needs)
    assert named in text
    assert took < ERROR_SECONDS


def test_a_client_that_asks_for_the_impossible_from_the_start_still_gets_ready(connect):
    """Clients send kernel_info first and some die of an error there: the cell is where a person reads."""
    client = connect(runtime="nope")
    done = execute(client, "1")
    assert "nope" in done.error["evalue"]


def test_after_the_error_the_client_may_ask_for_something_else(connect, group):
    client = connect()
    refused(client, {"runtime": "nope"})
    client.session.metadata = {"fleet": {"runtime": "python3", "group": group}}
    assert execute(client, "1 + 1").result == "2"
