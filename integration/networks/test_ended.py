"""Connections that a broken network ends: clients connect again by themselves, and miss nothing."""

import re

import pytest

from counting import assert_complete, numbers, of_cell, statuses, text
from harness.gate import Gate

pytestmark = pytest.mark.proxy_only
PING_SOON = "[limits]\nping_after_ms = 500\n"
PINGS = 40  # packets; among so many that answer nothing, there are PINGs on each connection
# Packets from the clients after which the connections end again: a client's first has greeted after some ten.
COMING_BACK = (12, 14, 16, 18, 20, 23, 26, 30, 35)
NOTICE = re.compile(r"\[jupyter-fleet: (\d+) messages? w(?:as|ere) lost while this client was away\]")


def test_what_is_printed_while_the_client_is_away_comes_once_and_in_order(network, scene):
    stage = scene(network)
    far, near, counting = stage.far(), stage.near(), stage.counting()
    process = far.run("treasure = 'buried'; import os; os.getpid()")
    far.take()
    cell = far.execute(counting.cell())
    counting.goes_on(10)

    network.end_connections()
    counting.goes_on(100)
    network.restore()

    counting.goes_on(100)
    counting.end()
    heard = far.hear_out(cell)
    seen = near.listen({"channel": "iopub", "parent": cell, "state": "idle"})
    assert_complete(seen, cell, counting)
    assert_complete(heard, cell, counting)
    assert of_cell(heard, cell) == of_cell(seen, cell)
    assert far.run("os.getpid(), treasure") == f"({process}, 'buried')"


def test_the_same_again_and_again(network, scene):
    stage = scene(network)
    far, counting = stage.far(), stage.counting()
    cell = far.execute(counting.cell())
    for _ in range(3):
        counting.goes_on(20)
        network.end_connections()
        counting.goes_on(20)
        network.restore()
        # It is back before the next time, and has heard what came meanwhile.
        far.listen({"channel": "iopub", "content": {"name": "stdout", "text": f"number {counting.number} \n"}})
    counting.end()
    assert_complete(far.hear_out(cell), cell, counting)


def test_connections_that_end_again_while_they_come_back(packets, scene):
    """At any moment of it: while they greet, subscribe, or are handed what was kept."""
    stage = scene(packets)
    far, counting = stage.far(), stage.counting()
    cell = far.execute(counting.cell())
    counting.goes_on(20)
    for many in COMING_BACK:
        packets.end_connections()
        counting.goes_on(5)
        packets.restore()
        packets.carries(many, "to_fleet")
    counting.goes_on(20)
    counting.end()
    assert_complete(far.hear_out(cell), cell, counting)


def test_several_clients_of_one_place_each_hear_everything_once(network, scene):
    stage = scene(network)
    clients = {stage.far(group="one"): stage.counting("one"), stage.far_async(group="other"): stage.counting("other")}
    cells = {client: client.execute(counting.cell()) for client, counting in clients.items()}
    for counting in clients.values():
        counting.goes_on(20)

    network.end_connections()
    for counting in clients.values():
        counting.goes_on(50)
    network.restore()

    for client, counting in clients.items():
        counting.goes_on(50)
        counting.end()
        assert_complete(client.hear_out(cells[client]), cells[client], counting)


def test_clients_whose_own_ends_are_gone_come_back_at_once(packets, scene):
    stage = scene(packets)
    far, counting = stage.far(), stage.counting()
    cell = far.execute(counting.cell())
    counting.goes_on(20)

    packets.set(to_clients={"cut": True})
    packets.falls_silent("to_fleet")
    packets.end_connections_of_clients()
    packets.restore()

    counting.goes_on(100)
    counting.end()
    assert_complete(far.hear_out(cell), cell, counting)


def test_the_fleet_takes_dead_ends_of_its_own_for_nobody(packets, scene):
    """The clients' ends are gone, and the fleet does not know: it still sends to nobody when the clients come back."""
    stage = scene(packets)
    far, counting = stage.far(), stage.counting()
    cell = far.execute(counting.cell())
    counting.goes_on(20)

    packets.cut()
    packets.end_connections_of_clients()
    counting.goes_on(50)
    packets.restore()

    counting.goes_on(100)
    counting.end()
    assert_complete(far.hear_out(cell), cell, counting)


def test_nothing_is_retained_for_dead_ends_that_the_fleet_had_nothing_to_send_to(packets, scene):
    """The fleet finds them when the client is back, before it is served: what it heard since then is not for others."""
    stage = scene(packets)
    far, counting, gate = stage.far(), stage.counting(), Gate(stage.fleet.home)
    cell = far.execute(gate.cell(then=counting.cell()))
    far.listen({"channel": "iopub", "parent": cell, "msg_type": "stream"})

    packets.cut()
    packets.end_connections_of_clients()
    packets.restore()
    assert far.request("shell", "connect_request")["status"] == "ok"
    gate.open()
    counting.goes_on(20)
    counting.end()
    assert_complete(far.hear_out(cell), cell, counting)
    assert of_cell(stage.far("late").heard_at_first, cell) == []


def test_clients_find_that_their_ends_are_dead(packets, scene):
    """The fleet's ends are gone, and the clients do not know: nothing comes that would tell them."""
    stage = scene(packets, PING_SOON)
    far, counting, gate = stage.far(), stage.counting(), Gate(stage.fleet.home)
    cell = far.execute(gate.cell(then=counting.cell()))
    far.listen({"channel": "iopub", "parent": cell, "msg_type": "stream"})

    packets.carries(PINGS, "to_clients")
    packets.cut()
    packets.end_connections_of_fleet()
    gate.open()
    counting.goes_on(20)
    packets.restore()

    counting.goes_on(20)
    counting.end()
    assert_complete(far.hear_out(cell), cell, counting)


@pytest.mark.parametrize("limits", ["replay_bytes = 20000", "replay_ms = 1000"], ids=["too much", "too long"])
def test_what_cannot_be_kept_is_counted_in_its_place(network, scene, limits):
    stage = scene(network, f"[limits]\n{limits}\n")
    far, near, counting = stage.far(), stage.near(), stage.counting()
    cell = far.execute(counting.cell(padding=200))
    counting.goes_on(10)

    network.end_connections()
    counting.goes_on(150)
    network.restore()

    counting.goes_on(50)
    counting.end()
    heard = of_cell(far.hear_out(cell), cell)
    seen = of_cell(near.listen({"channel": "iopub", "parent": cell, "state": "idle"}), cell)
    notices = [each for each in heard if each["msg_type"] == "stream" and each["content"]["name"] == "stderr"]
    assert len(notices) == 1, f"{len(notices)} notices"
    lost = int(NOTICE.search(notices[0]["content"]["text"])[1])
    place = heard.index(notices[0])
    assert lost > 0
    assert heard[:place] + heard[place + 1 :] == seen[:place] + seen[place + lost :]
    assert numbers(seen, cell) == list(range(counting.number + 1))


def test_the_reply_to_a_cell_that_ended_while_the_client_was_away(network, scene):
    stage = scene(network)
    far, near, gate = stage.far(), stage.near(), Gate(stage.fleet.home)
    cell = far.execute(gate.cell())
    far.listen({"channel": "iopub", "parent": cell, "msg_type": "stream"})

    network.end_connections()
    gate.open()
    near.listen({"channel": "iopub", "parent": cell, "state": "idle"})
    network.restore()

    heard = far.hear_out(cell)
    assert text(heard, cell) == "runs\ndone\n"
    assert statuses(heard, cell) == ["ok"]


def test_the_reply_that_was_sent_into_a_broken_connection(network, scene):
    """It was written to a connection that nobody knew to be broken, and that then ended."""
    stage = scene(network)
    far, near, gate = stage.far(), stage.near(), Gate(stage.fleet.home)
    cell = far.execute(gate.cell())
    far.listen({"channel": "iopub", "parent": cell, "msg_type": "stream"})

    network.cut()
    gate.open()
    near.listen({"channel": "iopub", "parent": cell, "state": "idle"})
    # The reply has been written, too: it came before this one's.
    near.run("None")
    network.end_connections()
    network.restore()

    heard = far.hear_out(cell)
    assert text(heard, cell) == "runs\ndone\n"
    assert statuses(heard, cell) == ["ok"]


@pytest.mark.parametrize("ends_first", [True, False], ids=["ended", "broken"])
def test_a_question_that_was_asked_while_the_client_was_away(network, scene, ends_first):
    stage = scene(network)
    far, gate = stage.far(), Gate(stage.fleet.home)
    asks = stage.fleet.home.working_dir / "asks"
    cell = far.execute(gate.cell(then=f"open({str(asks)!r}, 'w').close(); print('hello', input('Who? '))"))
    far.listen({"channel": "iopub", "parent": cell, "msg_type": "stream"})

    network.end_connections() if ends_first else network.cut()
    gate.open()
    stage.until(asks.exists, "the cell to ask")
    if not ends_first:
        network.end_connections()
    network.restore()

    far.listen({"channel": "stdin", "msg_type": "input_request", "parent": cell})
    far.send("stdin", "input_reply", {"value": "Ada"})
    heard = far.hear_out(cell)
    assert text(heard, cell).endswith("hello Ada\n")
    assert len([each for each in heard if each["channel"] == "stdin"]) == 1


def test_interrupting_what_was_started_before(network, scene):
    stage = scene(network)
    far, counting = stage.far(), stage.counting()
    cell = far.execute(counting.cell())
    counting.goes_on(10)
    network.end_connections()
    counting.goes_on(10)
    network.restore()

    assert far.request("control", "interrupt_request") == {"status": "ok"}
    heard = far.hear_out(cell)
    assert [each["content"]["ename"] for each in of_cell(heard, cell) if each["msg_type"] == "error"] == ["KeyboardInterrupt"]
    heard = numbers(heard, cell)
    assert heard == list(range(len(heard))) and len(heard) >= counting.number
