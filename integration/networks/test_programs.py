"""A program for people behind a network whose connections end: a console."""

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
