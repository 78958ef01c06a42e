"""Programs for people behind a network whose connections end: a console, a notebook on a kernelspec of the fleet."""

import io
import re

import pytest

from harness.clients import plain

pytestmark = pytest.mark.proxy_only


def test_a_console_goes_on(network, scene):
    """It shows a prompt when the kernel's heart does not beat for a second, and what comes later above the next ones."""
    stage = scene(network)
    console, counting = stage.console(), stage.counting()
    console.prompt()
    console.run("treasure = 'buried'")
    console.child.logfile_read = seen = io.StringIO()
    console.child.sendline(f"exec({counting.cell()!r})")
    counting.goes_on(20)

    network.end_connections()
    counting.goes_on(50)
    network.restore()

    counting.goes_on(50)
    counting.end()
    console.prompt()
    stage.until(lambda: console.run("None") and counting.number in numbers_in(seen), "the last number")
    assert numbers_in(seen) == list(range(counting.number + 1))
    assert "buried" in console.run("treasure")


def numbers_in(seen):
    return [int(number) for number in re.findall(r"^number (\d+)", plain(seen.getvalue()), re.MULTILINE)]


@pytest.mark.parametrize("ends", [True, False], ids=["ended", "cut"])
def test_a_notebook_goes_on(packets, scene, ends):
    """Its host starts `attach` on its own side, so the network is between that and the fleet."""
    stage = scene(packets)
    counting = stage.counting()
    notebook = stage.notebook("treasure = 'buried'", counting.cell(), "treasure")
    stage.until(lambda: counting.number > 20, "the second cell to run")

    packets.end_connections() if ends else packets.cut()
    counting.goes_on(50)
    packets.restore()

    counting.goes_on(50)
    counting.end()
    nothing, counted, treasure = notebook.printed()
    lines = [int(line.split()[1]) for line in counted.splitlines() if line.startswith("number ")]
    assert (nothing, lines, treasure) == ("", list(range(counting.number + 1)), "'buried'")
