"""Connections that a broken network ends: clients connect again by themselves, and miss nothing."""

import pytest

from counting import assert_complete, of_cell, numbers

pytestmark = pytest.mark.proxy_only


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
