"""`jupyter-fleet serve`: what it publishes, what it refuses, how it ends."""

import json
import os
import signal
import subprocess
import tomllib

import pytest
from jupyter_client import MultiKernelManager

from harness.clients import READY_SECONDS, execute, new_client
from harness.deadline import wait_until
from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
REFUSED_SECONDS = 20


@pytest.fixture
def refused(launch):
    """Runs a serve that must refuse to start; returns what it said on stderr."""

    def run(**options):
        fleet = launch(**options)
        try:
            fleet.launch()
            assert fleet.process.wait(REFUSED_SECONDS) != 0
            assert not fleet.published_file.exists()
            return fleet.stderr
        finally:
            fleet.clear()

    return run


def mode(path):
    return path.stat().st_mode & 0o777


def test_the_published_file_is_private_and_complete(fleet):
    assert mode(fleet.published_file) == 0o600
    assert fleet.published_file.stat().st_uid == os.geteuid()
    info = fleet.info
    assert info["transport"] == "tcp" and info["ip"] == "127.0.0.1"
    assert len({info[f"{channel}_port"] for channel in CHANNELS}) == 5
    assert info["signature_scheme"] == "hmac-sha256"
    assert len(info["key"]) >= 32 and info["kernel_name"]


def test_stdout_says_where_and_how_to_connect(fleet):
    for channel in CHANNELS:
        address = f"tcp://{fleet.info['ip']}:{fleet.info[f'{channel}_port']}"
        assert any(line.split()[-1] == address for line in fleet.stdout.splitlines() if line.strip()), address
    assert "Connect with: jupyter console --existing fleet" in fleet.stdout


def test_nothing_in_the_runtime_directory_is_open_to_others(fleet, connect, group):
    connect(group=group)
    for entry in fleet.home.runtime_dir.rglob("*"):
        assert mode(entry) & 0o077 == 0 or entry.is_socket(), f"{entry} is {mode(entry):o}"


def test_keys_are_in_no_log_and_on_no_output(fleet, connect, group):
    connect(group=group)
    keys = {json.loads(file.read_text()).get("key") for file in fleet.home.runtime_dir.rglob("kernel-*.json")}
    assert fleet.info["key"] in keys and len(keys) >= 2
    said = fleet.stdout + fleet.stderr + "".join(log.read_text(errors="replace") for log in fleet.home.runtime_dir.rglob("*.log"))
    assert [key for key in keys if key and key in said] == []


def test_sigterm_ends_serve_and_every_kernel(own_fleet, connect_own, group):
    """The assertions are in the fixture: exit code 0, no published file, no process left."""
    for number in range(2):
        assert execute(connect_own(group=f"{group}-{number}"), "1").status == "ok"
    assert len(own_fleet.kernel_processes()) >= 2


@pytest.fixture
def lonely(launch, group):
    """A fleet that the test itself ends, and a client of one of its kernels."""
    fleet = launch()
    try:
        fleet.start()
        client = new_client(fleet.published_file, {"group": group})
        client.start_channels()
        client.wait_for_ready(timeout=READY_SECONDS)
        yield fleet, client
        client.stop_channels()
    finally:
        fleet.clear()


def test_sigint_ends_serve_like_sigterm(lonely):
    fleet, _ = lonely
    assert fleet.kernel_processes()
    fleet.process.send_signal(signal.SIGINT)
    assert fleet.exit_code() == 0
    assert not fleet.published_file.exists()
    wait_until(lambda: not fleet.kernel_processes(), 5, "the kernels to be gone")


def test_a_second_signal_ends_serve_although_a_kernel_will_not(lonely):
    """Second stage: a kernel that ignores SIGTERM, and a person who presses Ctrl-C twice."""
    fleet, client = lonely
    client.execute("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\nwhile True: pass")
    while client.get_iopub_msg(timeout=30)["msg_type"] != "stream":
        pass
    fleet.process.send_signal(signal.SIGINT)
    wait_until(lambda: not fleet.published_file.exists(), 10, "the published file to be gone")
    fleet.process.send_signal(signal.SIGINT)
    fleet.exit_code()
    wait_until(lambda: not fleet.kernel_processes(), 5, "the kernels to be gone")


def test_all_interfaces_need_a_word_of_permission(refused):
    said = refused(arguments=["--ip", "0.0.0.0"])
    assert "--allow-remote" in said and "0.0.0.0" in said


def test_an_unknown_key_is_refused_with_file_and_line(refused):
    config = 'default_runtime = "python3"\n\nmax_cliens = 3\n'
    said = refused(config=config)
    assert "jupyter_fleet.toml" in said and "max_cliens" in said and "3" in said


def test_an_unknown_key_of_a_runtime_is_refused(refused):
    said = refused(config='[runtimes.mine]\nargv = ["x"]\ncolour = "red"\n')
    assert "colour" in said and "3" in said


def test_a_key_from_the_environment(launch):
    fleet = launch(arguments=["--key-from-env", "FLEET_KEY"], environment={"FLEET_KEY": "a-key-that-is-long-enough-for-anyone"})
    try:
        fleet.start()
        assert fleet.info["key"] == "a-key-that-is-long-enough-for-anyone"
        fleet.stop()
    finally:
        fleet.clear()


@pytest.mark.parametrize("own_fleet", [{"arguments": ["--publish-external"]}], indirect=True)
def test_jupyter_server_finds_the_published_file(own_fleet):
    """As jupyter_client lists kernels of others. That the file is gone in the end is asserted below."""
    directory = own_fleet.home.runtime_dir / "external_kernels"
    file = directory / "kernel-fleet.json"
    assert (mode(directory), mode(file)) == (0o700, 0o600)
    manager = MultiKernelManager(external_connection_dir=str(directory))
    (kernel,) = manager.list_kernel_ids()
    assert manager.get_connection_info(kernel)["shell_port"] == own_fleet.info["shell_port"]

    own_fleet.process.send_signal(signal.SIGTERM)
    assert own_fleet.exit_code() == 0
    assert not file.exists() and manager.list_kernel_ids() == []


def test_jupyter_server_is_given_nothing_unasked(fleet):
    assert not (fleet.home.runtime_dir / "external_kernels").exists()


def test_the_config_publishes_for_jupyter_server_too(launch):
    fleet = launch(config="[serve]\npublish_external = true\n")
    try:
        fleet.start()
        assert (fleet.home.runtime_dir / "external_kernels" / "kernel-fleet.json").exists()
        fleet.stop()
    finally:
        fleet.clear()


@pytest.mark.parametrize("own_fleet", [{"arguments": ["--transport", "ipc"]}], indirect=True)
def test_ipc(own_fleet, connect_own, group):
    assert own_fleet.info["transport"] == "ipc"
    client = connect_own(group=group)
    assert execute(client, "print('over ipc')").stream() == "over ipc\n"
    client = connect_own(group=group, runtime="lua")
    assert execute(client, "print('over ipc')").stream() == "over ipc\n"


def test_runtimes_lists_what_can_be_launched(fleet, binary):
    listed = subprocess.run([binary, "runtimes", "--json"], env=fleet.environment, capture_output=True, text=True, timeout=30)
    assert listed.returncode == 0, listed.stderr
    names = {runtime["name"] for runtime in json.loads(listed.stdout)}
    assert names >= {"lua", "python3", "bash", "deno", "ilua", *tomllib.loads(CONFIG)["runtimes"]}
