"""The network is cut and comes back, and the connections live through it: to TCP, nothing was lost."""

import time

import pytest

from counting import assert_complete, of_cell, statuses, text

pytestmark = pytest.mark.proxy_only
A_LONG_CUT_SECONDS = 30


def test_after_a_long_cut_everybody_goes_on_where_they_were(network, scene):
    stage = scene(network)
    clients = {stage.far(group="blocking"): stage.counting("blocking"), stage.far_async(group="asyncio"): stage.counting("asyncio")}
    process = {client: client.run("treasure = 'buried'; import os; os.getpid()") for client in clients}
    cells = {client: client.execute(counting.cell(pause=0.1)) for client, counting in clients.items()}
    for counting in clients.values():
        counting.goes_on(10)

    network.cut()
    asked = {client: client.execute("print('sent in the cut')") for client in clients}
    time.sleep(A_LONG_CUT_SECONDS)  # the length of the cut is what this is about
    for counting in clients.values():
        counting.goes_on(10)
    network.restore()

    for counting in clients.values():
        counting.end()
    for client, counting in clients.items():
        heard = client.hear_out(asked[client])
        assert_complete(heard, cells[client], counting)
        assert text(heard, asked[client]) == "sent in the cut\n"
        assert statuses(heard, cells[client]) == statuses(heard, asked[client]) == ["ok"]
        assert client.run("os.getpid(), treasure") == f"({process[client]}, 'buried')"


@pytest.mark.parametrize("direction", ["to_fleet", "to_clients"])
def test_a_cut_in_one_direction_only(network, scene, direction):
    stage = scene(network)
    far, near, counting = stage.far(), stage.near(), stage.counting()
    cell = far.execute(counting.cell())
    counting.goes_on(10)

    network.set(**{direction: {"cut": True}})
    asked = far.execute("print('sent in the cut')")
    near_cell = near.execute("print('from the other side')")
    counting.goes_on(100)
    network.restore()

    counting.end()
    heard = far.hear_out(asked)
    assert_complete(heard, cell, counting)
    seen = near.hear_out(near_cell)
    assert_complete(seen, cell, counting)
    assert of_cell(heard, cell) == of_cell(seen, cell)
    assert text(heard, asked) == "sent in the cut\n"
