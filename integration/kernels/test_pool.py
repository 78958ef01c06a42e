"""`pool` and `max_clients` of a runtime."""

import pytest

from harness.clients import execute
from harness.deadline import wait_until

CONFIG = """
[runtimes.python3]
pool = 0

[runtimes.warm]
kernelspec = "python3"
pool = 1

[runtimes.pair]
kernelspec = "python3"
max_clients = 2
"""
PID = "import os; os.getpid()"

pytestmark = [pytest.mark.proxy_only, pytest.mark.parametrize("own_fleet", [{"config": CONFIG}], indirect=True)]


def launchers(fleet):
    return {process.pid for process in fleet.kernel_processes()}


def test_a_pool_is_filled_before_anyone_asks_and_again_after_use(own_fleet, connect_own):
    wait_until(lambda: len(launchers(own_fleet)) == 1, 20, "one kernel in reserve")
    [reserve] = launchers(own_fleet)
    client = connect_own(runtime="warm", group="any")
    assert int(execute(client, PID).result) == reserve, "the kernel in reserve takes any group"
    wait_until(lambda: len(launchers(own_fleet)) == 2, 20, "the reserve to be filled again")


def test_the_third_client_of_a_kernel_for_two_gets_another(own_fleet, connect_own):
    clients = [connect_own(runtime="pair") for _ in range(3)]
    one, two, three = (execute(client, PID).result for client in clients)
    assert one == two != three
