"""An error aborts the cells that its own client has waiting, and nobody else's."""

import pytest
from languages import CELLS

from harness.clients import finish, reply_to

pytestmark = pytest.mark.proxy_only


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("runtime", CELLS)
def test_only_its_own_cells_are_aborted(crowd, runtime, count):
    failing, *others = crowd(count, runtime)
    words = CELLS[runtime]
    own = [failing.execute(code) for code in (words.pause, words.fail, words.work, words.work)]
    theirs = [[other.execute(words.work) for _ in range(3)] for other in others]
    assert statuses(failing, own) == ["ok", "error", "aborted", "aborted"]
    for other, cells in zip(others, theirs):
        assert statuses(other, cells) == ["ok"] * 3
    assert statuses(failing, [failing.execute(words.work)]) == ["ok"], "what comes later runs"


@pytest.mark.parametrize("runtime", ["python3", "lua"])
def test_a_cell_that_does_not_stop_on_error_aborts_nothing(crowd, runtime):
    client, other = crowd(2, runtime)
    words = CELLS[runtime]
    cells = [client.execute(words.pause), client.execute(words.fail, stop_on_error=False), client.execute(words.work)]
    theirs = other.execute(words.work)
    assert statuses(client, cells) == ["ok", "error", "ok"]
    assert statuses(other, [theirs]) == ["ok"]


def test_an_aborted_cell_is_busy_and_idle_and_says_nothing(crowd):
    client, _ = crowd(2)
    client.execute(CELLS["python3"].pause)
    client.execute("1 / 0")
    done = finish(client, client.execute("print('not run')"))
    assert done.status == "aborted"
    assert [message["msg_type"] for message in done.messages] == ["status", "status"]


def statuses(client, cells):
    return [reply_to(client, cell)["content"]["status"] for cell in cells]
