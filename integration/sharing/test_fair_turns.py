"""Clients of one kernel take turns, cell by cell; each client's cells keep their order."""

import pytest
from languages import CELLS

from harness.clients import finish, reply_to, request
from harness.gate import Gate

pytestmark = pytest.mark.proxy_only


def sent(client, code):
    """Sends a cell, and returns when the fleet has it: it answers this in the order of the channel."""
    cell = client.execute(code)
    request(client, "connect_request")
    return cell


def counts(client, cells):
    """The numbers that the kernel gave to these cells of one client's."""
    return [reply_to(client, cell)["content"]["execution_count"] for cell in cells]


@pytest.mark.parametrize("runtime", ["python3", "lua", "deno"])
def test_a_newcomer_waits_for_one_cell_and_not_for_twenty(crowd, runtime):
    busy, newcomer = crowd(2, runtime)
    cells = [sent(busy, CELLS[runtime].pause)] + [busy.execute(CELLS[runtime].work) for _ in range(19)]
    own = [newcomer.execute(CELLS[runtime].work)]
    mine, others = counts(newcomer, own), counts(busy, cells)
    assert others == sorted(others)
    assert len([count for count in others if count < mine[0]]) <= 2, (mine, others)


@pytest.mark.parametrize("count", [2, 8])
def test_all_have_as_many_turns(crowd, count):
    clients = crowd(count)
    first = sent(clients[0], CELLS["python3"].pause)
    cells = [[client.execute("1") for _ in range(10)] for client in clients]
    reply_to(clients[0], first)
    ran = sorted((number, index) for index, client in enumerate(clients) for number in counts(client, cells[index]))
    order = [index for _, index in ran]
    for start in range(0, len(order), count):
        assert sorted(order[start : start + count]) == list(range(count)), order


def test_a_completion_waits_for_the_running_cell_alone(crowd, fleet):
    busy, other = crowd(2)
    gate = Gate(fleet.home, f"completion-{busy.session.session}")
    cells = [sent(busy, gate.cell("done = 0"))] + [busy.execute("import time; time.sleep(.1); done += 1") for _ in range(20)]
    asked = other.complete("prin")
    gate.open()
    assert "print" in reply_to(other, asked, channel="shell")["content"]["matches"]
    done = finish(other, other.execute("done")).result
    assert int(done) <= 4, "it waited for others' cells"
    assert all(reply_to(busy, cell)["content"]["status"] == "ok" for cell in cells)


def test_a_message_behind_a_waiting_cell_is_answered_after_it(crowd, fleet):
    busy, other = crowd(2)
    gate = Gate(fleet.home, f"order-{busy.session.session}")
    running = sent(busy, gate.cell())
    cell = other.execute("name_of_mine = 1")
    asked = other.complete("name_of_m")
    gate.open()
    assert reply_to(other, cell)["content"]["status"] == "ok"
    assert "name_of_mine" in reply_to(other, asked)["content"]["matches"]
    reply_to(busy, running)


def test_a_queued_cell_may_ask_for_input(crowd, fleet):
    busy, other = crowd(2)
    gate = Gate(fleet.home, f"input-{busy.session.session}")
    running = sent(busy, gate.cell())
    asks = other.execute("input('who? ')", allow_stdin=True)
    gate.open()
    assert other.get_stdin_msg(timeout=20)["content"]["prompt"] == "who? "
    other.input("me")
    assert finish(other, asks).result == "'me'"
    reply_to(busy, running)


def test_kernel_info_of_a_client_behind_its_waiting_cell_is_a_barrier(crowd, fleet):
    busy, other = crowd(2)
    gate = Gate(fleet.home, f"barrier-{busy.session.session}")
    running = sent(busy, gate.cell())
    cell, info = other.execute("1"), other.kernel_info()
    assert request(busy, "connect_request")["content"], "others are answered meanwhile"
    gate.open()
    replies = [other.get_shell_msg(timeout=20)["parent_header"]["msg_id"] for _ in range(2)]
    assert replies == [cell, info]
    reply_to(busy, running)
