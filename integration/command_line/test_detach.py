"""`jupyter-fleet serve --detach`: a fleet in the background, for those who must not wait for it."""

import os
import signal
import socket
import subprocess
import sys
import uuid

import psutil
import pytest

from harness import processes
from harness.clients import execute, new_client
from harness.deadline import wait_until
from harness.home import Home

pytestmark = pytest.mark.proxy_only
COMMAND_SECONDS = 40
GONE_SECONDS = 20


class Background:
    """A home in which fleets are started in the background."""

    def __init__(self, binary):
        self.binary = binary
        self.home = Home()
        self.tag = uuid.uuid4().hex
        self.environment = self.home.environment | {processes.TAG: self.tag}
        self.published_file = self.home.runtime_dir / "kernel-fleet.json"
        self.log = self.home.runtime_dir / ".fleet" / "serve.log"

    def detach(self, *arguments, wrapper=(), **variables):
        """Runs `serve --detach` to its end."""
        return subprocess.run(
            [*wrapper, self.binary, "serve", "--detach", *arguments],
            stdin=subprocess.DEVNULL,
            env=self.environment | variables,
            cwd=self.home.working_dir,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def serve(self):
        """The process that serves."""
        return psutil.Process(int((self.home.runtime_dir / ".fleet" / "serve.lock").read_text()))

    def clear(self):
        processes.end(processes.tagged(self.tag))
        self.home.remove()


@pytest.fixture
def background(binary):
    background = Background(binary)
    yield background
    background.clear()


def accepts(background):
    info = new_client(background.published_file, None).get_connection_info()
    with socket.create_connection((info["ip"], info["shell_port"]), timeout=5):
        return True


def test_it_returns_once_clients_can_connect(background):
    done = background.detach("--ephemeral")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Connect with: jupyter console --existing fleet"
    assert accepts(background)
    serve = background.serve()
    assert os.getsid(serve.pid) == serve.pid, "a session of its own"
    assert os.readlink(f"/proc/{serve.pid}/fd/0") == "/dev/null"
    assert background.log.stat().st_mode & 0o777 == 0o600

    serve.send_signal(signal.SIGTERM)
    wait_until(lambda: not serve.is_running(), GONE_SECONDS, "serve to end")
    assert not background.published_file.exists()
    assert "stopped" in background.log.read_text()


def test_it_outlives_the_tree_and_the_group_that_started_it(background):
    """What a notebook server does to a kernel's process group, and an editor to a kernel's tree."""
    script = "import os, subprocess, sys; subprocess.run(sys.argv[1:], check=True); os.killpg(0, 9)"
    group = [sys.executable, "-c", f"import os; os.setsid()\n{script}"]
    background.detach("--ephemeral", wrapper=group)
    assert accepts(background) and background.serve().is_running()
    starter = psutil.Process().pid
    assert starter not in [parent.pid for parent in background.serve().parents()]


def test_it_starts_where_its_session_leader_is_not_to_be_seen(background):
    """In a container that something outside of it has entered, the session of all processes has the number 0."""
    inside = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*inside, "true"], capture_output=True, timeout=COMMAND_SECONDS).returncode != 0:
        pytest.skip("namespaces may not be made here")
    done = background.detach("--ephemeral", wrapper=inside)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Connect with: jupyter console --existing fleet"


def test_a_fleet_that_runs_already_is_good_enough(background):
    assert background.detach("--ephemeral").returncode == 0
    first = background.serve().pid
    again = background.detach("--ephemeral")
    assert again.returncode == 0, again.stderr
    assert f"process {first}" in again.stdout and "Connect with: " in again.stdout
    assert background.serve().pid == first


def test_several_at_once_start_one(background):
    """A notebook server that opens five notebooks again."""
    command = [background.binary, "serve", "--detach", "--ephemeral"]
    options = {"env": background.environment, "cwd": background.home.working_dir, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **options) for _ in range(5)]
    said = [each.communicate(timeout=COMMAND_SECONDS)[0] for each in started]
    assert [each.returncode for each in started] == [0] * 5, said
    assert sum("already" in each for each in said) == 4

    def serving():
        return [process.pid for process in processes.tagged(background.tag) if "--detached" in process.cmdline()]

    # Those that came too late may still be ending.
    wait_until(lambda: serving() == [background.serve().pid], 10, lambda: f"one to be left of {serving()}")


def test_what_went_wrong_is_told(background):
    done = background.detach("--default-runtime", "no-such")
    assert done.returncode == 1
    assert "no-such" in done.stderr and str(background.log) in done.stderr
    assert not background.published_file.exists()
    again = background.detach("--ip", "0.0.0.0")
    assert again.returncode == 1
    assert "--allow-remote" in again.stderr and "no-such" not in again.stderr, "only the last start is told"


def test_a_log_that_is_too_long_is_begun_anew(background):
    background.log.parent.mkdir(mode=0o700)
    background.log.write_bytes(b"x" * (11 << 20))
    assert background.detach("--ephemeral").returncode == 0
    assert background.log.stat().st_size < 1 << 20


def test_kernels_do_not_take_a_notebook_server_for_their_parent(background):
    """ipykernel ends with its parent where it is told that it has one: the state would end with this serve."""
    assert background.detach("--ephemeral", JPY_PARENT_PID=str(os.getpid()), JPY_SESSION_NAME="a.ipynb").returncode == 0
    client = new_client(background.published_file, None)
    client.start_channels()
    client.wait_for_ready(timeout=60)
    code = "import os; print([name for name in os.environ if name in ('JPY_PARENT_PID', 'JPY_SESSION_NAME')])"
    assert execute(client, code).stream() == "[]\n"
    client.stop_channels()
