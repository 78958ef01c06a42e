"""The program that started the kernel is killed, and can end nothing any more: its kernel's process ends by itself."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness import processes
from harness.deadline import wait_until

HOST = Path(__file__).with_name("host.py")
END_SECONDS = 20  # ipykernel looks once a second


@pytest.fixture
def host(kernelspec, lasting_fleet):
    host = subprocess.Popen([sys.executable, str(HOST), kernelspec], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=lasting_fleet.environment)
    yield host
    processes.end([host])
    host.stdin.close()
    host.stdout.close()


def test_its_kernels_process_ends(host):
    process = psutil.Process(int(host.stdout.readline()))
    host.kill()
    host.wait(END_SECONDS)
    try:
        wait_until(lambda: not process.is_running(), END_SECONDS, f"the end of {process}")
    finally:
        processes.end([process])


@pytest.mark.proxy_only
def test_the_fleets_kernel_does_not(host, lasting_fleet, group):
    host.stdout.readline()
    host.kill()
    host.wait(END_SECONDS)

    def counts():
        return [kernel["clients"] for kernel in lasting_fleet.answer("list") if kernel["group"] == group]

    wait_until(lambda: counts() == [0], END_SECONDS, lambda: f"a kernel without a client: {counts()}")
