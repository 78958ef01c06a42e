"""What ssh tunnels, load balancers and their like do: whoever is in the middle ends connections, or is only slow."""

import pytest

from counting import assert_complete, statuses, text
from harness.gate import Gate

pytestmark = pytest.mark.proxy_only


def test_a_slow_relay(relay, scene):
    stage = scene(relay)
    far, counting = stage.far(), stage.counting()
    relay.set(to_fleet={"delay": 0.2}, to_clients={"delay": 0.2})
    cell = far.execute(counting.cell())
    counting.goes_on(100)
    counting.end()
    assert_complete(far.hear_out(cell), cell, counting)


@pytest.mark.parametrize("direction", ["to_fleet", "to_clients"])
def test_a_relay_that_stops_in_one_direction(relay, scene, direction):
    stage = scene(relay)
    far, near, counting = stage.far(), stage.near(), stage.counting()
    cell = far.execute(counting.cell())
    counting.goes_on(20)
    relay.set(**{direction: {"cut": True}})
    asked = far.execute("print('sent meanwhile')")
    counting.goes_on(50)
    relay.restore()
    counting.end()
    heard = far.hear_out(asked)
    assert_complete(heard, cell, counting)
    assert text(heard, asked) == "sent meanwhile\n"
    assert near.run("1 + 1") == "2"


@pytest.mark.parametrize("end", ["end_connections", "close_halves"])
def test_a_relay_that_ends_quiet_connections(relay, scene, end):
    """It has carried all that it was given: what it had not, it would have lost, and nobody could tell."""
    stage = scene(relay)
    far, near, counting, gate = stage.far(), stage.near(), stage.counting(), Gate(stage.fleet.home)
    cell = far.execute(gate.cell(then=counting.cell()))
    far.listen({"channel": "iopub", "parent": cell, "msg_type": "stream"})
    if end == "end_connections":
        relay.end_connections()
    else:
        relay.close_halves("fleet")
    gate.open()
    counting.goes_on(50)
    relay.restore()
    counting.goes_on(50)
    counting.end()
    heard = far.hear_out(cell)
    assert_complete(heard, cell, counting)
    assert statuses(heard, cell) == ["ok"]
    assert near.run("1 + 1") == "2"
