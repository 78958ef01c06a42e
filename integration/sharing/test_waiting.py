"""Who waits for somebody else's cell is told for whose, in the cell that waits."""

import re

import pytest

from harness.clients import messages_of, next_message, reply_to, request
from harness.deadline import Deadline
from harness.gate import Gate

pytestmark = pytest.mark.proxy_only

LINE = re.compile(r"\[jupyter-fleet: waiting for (.+)'s cell, running for (\d+) s; (.+)\]\n")


def told(client, cell):
    """What the client is told first about its cell that waits."""
    deadline = Deadline(30)
    while True:
        message = next_message(client, "iopub", deadline, lambda: "a line on stderr")
        if message["parent_header"].get("msg_id") == cell and message["content"].get("name") == "stderr":
            return LINE.fullmatch(message["content"]["text"]).groups()


def test_it_learns_whose_cell_runs_and_who_comes_before(crowd, fleet):
    busy, second, third = crowd(3)
    busy.session.username = "alice"
    gate = Gate(fleet.home, f"waiting-{busy.session.session}")
    running = busy.execute(gate.cell())
    # Each is with the fleet before the next one is sent: it answers this in the order of the channel.
    request(busy, "connect_request")
    cells = []
    for client in (second, third):
        cells.append(client.execute("6 * 7"))
        request(client, "connect_request")
    assert told(second, cells[0])[::2] == ("alice", "you are next")
    who, seconds, before = told(third, cells[1])
    assert (who, before) == ("alice", "1 before you") and int(seconds) >= 1
    gate.open()
    for client, cell in ((second, cells[0]), (third, cells[1]), (busy, running)):
        assert reply_to(client, cell)["content"]["status"] == "ok"


def test_own_cells_in_the_way_and_silent_ones_are_not_told_of(crowd, fleet):
    busy, quiet, loud = crowd(3)
    gate = Gate(fleet.home, f"silence-{busy.session.session}")
    running, own = busy.execute(gate.cell()), busy.execute("'own'")
    request(busy, "connect_request")
    silent = quiet.execute("'silent'", silent=True)
    request(quiet, "connect_request")
    told(loud, loud.execute("'loud'"))
    gate.open()
    for client, cell in ((busy, own), (quiet, silent)):
        assert not [each for each in messages_of(client, cell) if each["content"].get("name") == "stderr"]
    reply_to(busy, running)
