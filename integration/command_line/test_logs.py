"""`jupyter-fleet logs`: what a kernel prints outside of its cells."""

import json
import os
import subprocess

import pytest

from harness.deadline import wait_until
from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only
OK = 0
TALKING = """
[runtimes.talking]
argv = ["sh", "-c", "seq -f 'line %g' 1 20; exec \\"$0\\" lua-kernel -f \\"$1\\"", {binary}, "{{connection_file}}"]
language = "lua"

[runtimes.broken]
argv = ["sh", "-c", "echo no luck; exit 7", "{{connection_file}}"]
language = "sh"
"""
LINES = [f"line {number}" for number in range(1, 21)]


@pytest.fixture
def talking(launch, binary):
    """A fleet and its one kernel, whose log has twenty lines."""
    fleet = launch(config=CONFIG + TALKING.format(binary=json.dumps(binary)))
    try:
        fleet.start()
        spawned = fleet.command("spawn", "--runtime", "talking")
        assert spawned.returncode == OK, spawned.stderr
        yield fleet, spawned.stdout.strip()
    except BaseException:
        fleet.clear()
        raise
    fleet.stop()


def test_logs(talking):
    fleet, kernel = talking
    done = fleet.command("logs", kernel[:7])
    assert done.returncode == OK and done.stdout.splitlines()[:20] == LINES
    assert fleet.command("logs", kernel, "-n", "2").stdout.splitlines()[-2:] == done.stdout.splitlines()[-2:]
    assert len(fleet.command("logs", kernel, "-n", "2").stdout.splitlines()) == 2


def test_following_a_log_over_its_truncation_to_the_kernels_end(talking, tmp_path):
    fleet, kernel = talking
    log = fleet.answer("list")[0]["log"]
    shown = tmp_path / "shown"
    with open(shown, "wb") as out:
        follower = subprocess.Popen([fleet.binary, "logs", "-f", "-n", "1", kernel], env=fleet.environment, stdout=out, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: shown.read_text() == "line 20\n", 20, "the last line")
        append(log, "added\n")
        wait_until(lambda: shown.read_text().endswith("added\n"), 20, "what was added")
        os.truncate(log, 0)
        append(log, "new\n")
        wait_until(lambda: shown.read_text().endswith("new\n"), 20, "what came after the truncation")
        assert follower.poll() is None
        assert fleet.command("stop", kernel).returncode == OK
        _, said = follower.communicate(timeout=20)
        assert follower.returncode == OK and b"was stopped" in said
        assert shown.read_text() == "line 20\nadded\nnew\n"
    finally:
        follower.kill()
        follower.wait()


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def test_the_log_of_a_kernel_that_never_came_up(talking):
    fleet, _ = talking
    done = fleet.command("spawn", "--runtime", "broken", "--no-wait")
    kernel = done.stdout.strip()
    wait_until(lambda: kernel not in {listed["id"] for listed in fleet.answer("list")}, 20, "the kernel to fail")
    done = fleet.command("logs", kernel)
    assert (done.returncode, done.stdout) == (OK, "no luck\n")
