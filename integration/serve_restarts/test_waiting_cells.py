"""Cells that wait for their turn when serve is killed: each runs once, in order, by the next serve."""

import stat

import pytest
from crashes import crash, wait_until_up

from harness.clients import reply_to
from harness.deadline import wait_until
from harness.gate import Gate

pytestmark = pytest.mark.proxy_only

CELLS = 20


@pytest.fixture
def log(lasting_fleet):
    return lasting_fleet.home.path / "log"


def line(log, text, seconds=0.1):
    return f"import time; time.sleep({seconds})\nwith open({str(log)!r}, 'a') as log: print({text!r}, file=log)"


def lines(log):
    return log.read_text().split() if log.exists() else []


def test_of_one_client(lasting_fleet, connect, log):
    client = connect()
    gate = Gate(lasting_fleet.home)
    codes = [line(log, str(number)) for number in range(CELLS)]
    codes[2] = gate.cell(codes[2])
    cells = [client.execute(code) for code in codes]
    wait_until(lambda: len(lines(log)) == 2, 20, "the third cell to run")
    crash(lasting_fleet)
    wait_until_up(lasting_fleet)
    gate.open()
    wait_until(lambda: len(lines(log)) == CELLS, 30, lambda: f"all cells to run: {lines(log)}")
    assert lines(log) == [str(number) for number in range(CELLS)]
    assert [reply_to(client, cell)["content"]["status"] for cell in cells[2:]] == ["ok"] * (CELLS - 2)


def test_of_two_clients(lasting_fleet, connect, log):
    clients = {name: connect() for name in "ab"}
    cells = {name: [] for name in clients}
    for number in range(CELLS // 2):
        for name, client in clients.items():
            cells[name].append(client.execute(line(log, f"{name}{number}")))
    wait_until(lambda: len(lines(log)) == 2, 20, "the third cell to run")
    crash(lasting_fleet)
    wait_until(lambda: len(lines(log)) == CELLS, 30, lambda: f"all cells to run: {lines(log)}")
    for name, client in clients.items():
        assert [text for text in lines(log) if text[0] == name] == [f"{name}{number}" for number in range(CELLS // 2)]
        assert reply_to(client, cells[name][-1])["content"]["status"] == "ok"


def test_an_error_after_the_crash_aborts_what_waited_before(lasting_fleet, connect, log):
    client = connect()
    gate = Gate(lasting_fleet.home)
    cells = [client.execute(gate.cell(line(log, "ran") + "\n1 / 0")), client.execute(line(log, "not to be run"))]
    journal = lasting_fleet.home.runtime_dir / ".fleet" / "requests.log"
    wait_until(lambda: "waits" in journal.read_text(), 20, "the second cell to be kept")
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    crash(lasting_fleet)
    wait_until_up(lasting_fleet)
    gate.open()
    assert [reply_to(client, cell)["content"]["status"] for cell in cells] == ["error", "aborted"]
    assert lines(log) == ["ran"]
