"""Every signature scheme that jupyter_client and ipykernel know: at the kernel's end, and at a host's."""

import hashlib
import hmac
import json
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.connect import write_connection_file

from harness.clients import READY_SECONDS, execute, new_client, plain
from harness.deadline import wait_until

KERNEL = Path(__file__).parent / "announced_kernel.py"
END_SECONDS = 20


def schemes():
    """What jupyter_client makes a signature with: `hmac-` and whatever of hashlib HMAC takes."""
    for name in sorted(hashlib.algorithms_guaranteed):
        try:
            hmac.new(b"key", b"message", getattr(hashlib, name))
        except (TypeError, ValueError):
            continue
        yield f"hmac-{name}"


SCHEMES = list(schemes())
UNKNOWN = "hmac-md4"


def command(file, scheme):
    return [sys.executable, str(KERNEL), "--connection-file", str(file), "--signature-scheme", scheme]


CONFIG = "\n".join(
    f"""
[runtimes.{scheme}]
argv = {json.dumps(command("{connection_file}", scheme))}
connection = "announced"
language = "python"
pool = 0
"""
    for scheme in [*SCHEMES, UNKNOWN]
)

pytestmark = [pytest.mark.proxy_only, pytest.mark.parametrize("own_fleet", [{"config": CONFIG}], indirect=True)]


def test_all_twelve_are_tried(own_fleet):
    assert len(SCHEMES) == 12, SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_kernel_that_chooses_its_scheme_does_the_same_directly_and_through_the_fleet(own_fleet, connect_own, scheme, tmp_path):
    file = tmp_path / "kernel.json"
    kernel = subprocess.Popen(command(file, scheme), env=own_fleet.environment)
    try:
        wait_until(file.exists, READY_SECONDS, "the kernel to write its connection file")
        client = new_client(file)
        client.start_channels()
        client.wait_for_ready(timeout=READY_SECONDS)
        assert client.session.signature_scheme == scheme
        direct = outcome(client)
        client.stop_channels()
    finally:
        kernel.kill()
        kernel.wait()
    assert outcome(connect_own(runtime=scheme)) == direct


def outcome(client):
    done = [execute(client, code) for code in ("print('hello')", "6 * 7", "1 / 0")]
    return [(each.status, each.stream(), each.result, plain(each.error["evalue"]) if each.error else None) for each in done]


def test_a_kernel_with_an_unknown_scheme_is_refused_in_the_cell(own_fleet, connect_own):
    """Its file, the scheme, and what there is instead; at once, for no other file is to be expected."""
    done = execute(connect_own(ready=False, runtime=UNKNOWN), "1")
    text = plain(done.error["evalue"])
    assert f'"{UNKNOWN}"' in text and "hmac-sha256" in text and "hmac-blake2s" in text and ".json" in text, text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_host_may_choose_the_scheme_of_its_file(own_fleet, scheme, tmp_path):
    file = tmp_path / "host.json"
    write_connection_file(str(file), ip="127.0.0.1", key=b"the host's", signature_scheme=scheme)
    attached = attach(own_fleet, file)
    try:
        client = new_client(file)
        client.start_channels()
        client.wait_for_ready(timeout=READY_SECONDS)
        assert client.session.signature_scheme == scheme
        assert execute(client, "print('hello')").stream() == "hello\n"
        client.shutdown()
        assert attached.wait(END_SECONDS) == 0
        client.stop_channels()
    finally:
        attached.kill()
        attached.wait()


@pytest.mark.parametrize("field, value, said", [("signature_scheme", UNKNOWN, "hmac-sha3_512"), ("key", "", "unsigned"), ("key", 7, '"key" must be a string')])
def test_a_host_with_a_file_that_cannot_be_served_is_told_why(own_fleet, field, value, said, tmp_path):
    file = tmp_path / "host.json"
    write_connection_file(str(file), ip="127.0.0.1", key=b"the host's")
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    attached = attach(own_fleet, file)
    _, stderr = attached.communicate(timeout=END_SECONDS)
    assert attached.returncode == 1
    assert str(file) in stderr and said in stderr and f'"{field}"' in stderr, stderr


def attach(fleet, file):
    arguments = [fleet.binary, "attach", "-f", str(file), "--runtime", "lua"]
    return subprocess.Popen(arguments, env=fleet.environment, stderr=subprocess.PIPE, text=True)
