"""Three clients leave one kernel, one after the other: who stays notices nothing, and the last one stops it."""

import pytest
import psutil

from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only


def leave(three, client):
    """The client says goodbye; it alone hears of that."""
    three.forget()
    goodbye = client.send("control", "shutdown_request", {"restart": False})
    client.listen({"channel": "control", "parent": goodbye}, {"channel": "iopub", "state": "idle", "parent": goodbye})


def a_goodbye(name):
    """What it hears."""
    return {
        "control": [f"shutdown_reply ok ({name})"],
        "iopub": [f"status busy ({name})", f"shutdown_reply ok ({name})", f"status idle ({name})"],
    }


def test_each_leaves_alone_and_the_last_takes_the_kernel_along(own_fleet, trio):
    three = trio()
    anna, berta, carla = three
    process, kernel = three.meet(), three.kernel_id()
    three.run(anna, "kept = 'since the beginning'")

    leave(three, anna)
    assert three.meet_as(berta, carla) == process
    heard = three.transcripts()
    heard[anna].is_exactly(**a_goodbye("anna"))
    heard[berta].is_exactly()
    heard[carla].is_exactly()
    assert three.run(carla, "kept") == "'since the beginning'"

    leave(three, berta)
    assert three.meet_as(carla) == process
    heard = three.transcripts()
    heard[anna].is_exactly()
    heard[berta].is_exactly(**a_goodbye("berta"))
    heard[carla].is_exactly()
    assert three.run(carla, "kept") == "'since the beginning'"

    leave(three, carla)
    wait_until(lambda: not psutil.pid_exists(process), 20, "the kernel's process to be gone")
    heard = three.transcripts()
    heard[anna].is_exactly()
    heard[berta].is_exactly()
    heard[carla].is_exactly(**a_goodbye("carla"))

    for client in three:
        assert three.run(client, "'kept' in globals()") == "False"
    assert three.meet() != process
    assert three.kernel_id() != kernel
