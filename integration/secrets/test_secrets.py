"""Where keys and what cells say are found, and where not: the claims of SECURITY.md that files and processes can show."""

import json
import os
import uuid
from pathlib import Path

import psutil
import pytest
from eavesdropper import Eavesdropper

from harness.clients import READY_SECONDS, detach, execute, new_client
from harness.kernel_files import kernels, own_file

pytestmark = pytest.mark.proxy_only
KEY = "a-key-that-is-long-enough-for-anyone"
CONNECTION_FILES = ("kernel-*.json", "endpoint-*.json", "published.json")


def files_with(directory, words):
    """The files below a directory that hold one of these words."""
    found = [file for file in directory.rglob("*") if file.is_file()]
    return {file for file in found if any(word.encode() in file.read_bytes() for word in words)}


def test_keys_are_in_connection_files_alone(own_fleet, connect_own, group):
    """Also those of a kernel and its own file: not in the registry, the journal, a log, a kernelspec or a command line."""
    client = connect_own(group=group)
    own_file(own_fleet, *kernels(own_fleet))
    assert own_fleet.command("kernelspec", "install", "--user", "--runtime", "lua").returncode == 0
    directory = own_fleet.home.runtime_dir
    allowed = {file for pattern in CONNECTION_FILES for file in directory.rglob(pattern)}
    keys = {json.loads(file.read_text())["key"] for file in allowed}
    assert len(keys) == 3 and all(len(key) >= 32 for key in keys), "the fleet's, the kernel's and the kernel file's"
    assert files_with(own_fleet.home.path, keys) == allowed
    processes = [psutil.Process(own_fleet.process.pid), *own_fleet.kernel_processes()]
    told = [str(process.cmdline()) + str(process.environ()) for process in processes]
    assert len(told) >= 2 and not [text for text in told if any(key in text for key in keys)]
    assert execute(client, "1").status == "ok"


def test_what_cells_say_is_in_no_file_of_the_fleet(own_fleet, connect_own, group):
    client, word = connect_own(group=group), f"secret-{uuid.uuid4().hex}"
    done = execute(client, f"secret = {word!r}\nprint(secret)\nsecret")
    assert done.stream() == f"{word}\n" and own_fleet.registry()["kernels"]
    assert files_with(own_fleet.home.runtime_dir, [word]) == set()
    assert word not in own_fleet.stderr + own_fleet.stdout


@pytest.mark.parametrize("own_fleet", [{"arguments": ["--key-from-env", "FLEET_KEY"], "environment": {"FLEET_KEY": KEY}}], indirect=True)
def test_a_key_from_the_environment_is_kept_from_kernels(own_fleet, connect_own, group):
    assert own_fleet.info["key"] == KEY
    environment = json.loads(eval(execute(connect_own(group=group), "import os, json; json.dumps(dict(os.environ))").result))
    assert environment["JUPYTER_FLEET_KERNEL"] and "FLEET_KEY" not in environment
    assert KEY not in environment.values()


def test_what_passes_over_tcp_is_plain_but_for_the_key(own_fleet, group):
    file = own_fleet.home.working_dir / "kernel-through.json"
    eavesdropper = Eavesdropper(own_fleet.info, file)
    client, words = new_client(file, {"group": group}), [uuid.uuid4().hex for _ in range(2)]
    try:
        client.start_channels()
        client.wait_for_ready(timeout=READY_SECONDS)
        done = execute(client, f"print('{words[0]}'[::-1], {words[1]!r})")
        assert done.stream() == f"{words[0][::-1]} {words[1]}\n"
        heard = eavesdropper.heard
        assert words[0].encode() in heard, "what the client said"
        assert f"{words[0][::-1]} {words[1]}".encode() in heard, "what the kernel said"
        assert own_fleet.info["key"].encode() not in heard
        detach(client)
    finally:
        client.stop_channels()
        eavesdropper.close()


def test_a_kernel_runs_as_serve_does_and_can_read_all_keys(own_fleet, connect_own, group):
    """Not defended: whoever may run code on a kernel may do what the user of serve may."""
    client = connect_own(group=group)
    read = f"import os, json; os.geteuid(), json.load(open({str(own_fleet.published_file)!r}))['key']"
    assert execute(client, read).result == repr((psutil.Process(own_fleet.process.pid).uids().effective, own_fleet.info["key"]))


@pytest.mark.parametrize("own_fleet", [{"arguments": ["--transport", "ipc"]}], indirect=True)
def test_ipc_sockets_are_in_a_directory_of_this_user_alone(own_fleet, connect_own, group):
    assert execute(connect_own(group=group), "1").status == "ok"
    # Those of the kernel too: ipykernel is connected to by ipc.
    sockets = [Path(each) for each in open_sockets(own_fleet.home.runtime_dir)]
    assert len(sockets) > 5
    directories = {each.parent for each in sockets}
    assert {directory.stat().st_mode & 0o777 for directory in directories} == {0o700}
    assert {directory.stat().st_uid for directory in directories} == {os.geteuid()}


def open_sockets(directory):
    """The paths below a directory at which processes listen (unix(7): /proc/net/unix)."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return {line.split(maxsplit=7)[-1] for line in lines if line.split()[-1].startswith(str(directory))}


def test_a_kernelspec_of_the_fleet_holds_no_key_and_names_its_program(own_fleet):
    assert own_fleet.command("kernelspec", "install", "--user", "--runtime", "lua").returncode == 0
    [file] = own_fleet.home.data_dir.glob("kernels/fleet-*/kernel.json")
    assert own_fleet.info["key"] not in file.read_text()
    assert Path(json.loads(file.read_text())["argv"][0]) == Path(own_fleet.binary).resolve()
