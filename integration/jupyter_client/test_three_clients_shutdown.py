"""Three clients leave one kernel, one after the other: who stays notices nothing, and the last one stops it."""

import pytest
import psutil

from harness.deadline import wait_until

pytestmark = pytest.mark.proxy_only


def leave(three, client):
    """The client says goodbye; it alone hears of that."""
    three.forget()
    reply = client.request("control", "shutdown_request", {"restart": False})
    assert reply == {"status": "ok", "restart": False}
    client.listen({"channel": "iopub", "msg_type": "shutdown_reply"})


def test_each_leaves_alone_and_the_last_takes_the_kernel_along(own_fleet, trio):
    three = trio()
    anna, berta, carla = three
    process, kernel = three.meet(), three.kernel_id()
    three.run(anna, "kept = 'since the beginning'")

    leave(three, anna)
    assert three.meet_as(berta, carla) == process
    heard = three.transcripts()
    heard[anna].is_exactly(control=["shutdown_reply ok (anna)"], iopub=["shutdown_reply ok (anna)"])
    heard[berta].is_exactly()
    heard[carla].is_exactly()
    assert three.run(carla, "kept") == "'since the beginning'"

    leave(three, berta)
    assert three.meet_as(carla) == process
    heard = three.transcripts()
    heard[anna].is_exactly()
    heard[berta].is_exactly(control=["shutdown_reply ok (berta)"], iopub=["shutdown_reply ok (berta)"])
    heard[carla].is_exactly()
    assert three.run(carla, "kept") == "'since the beginning'"

    leave(three, carla)
    wait_until(lambda: not psutil.pid_exists(process), 20, "the kernel's process to be gone")
    heard = three.transcripts()
    heard[anna].is_exactly()
    heard[berta].is_exactly()
    heard[carla].is_exactly(control=["shutdown_reply ok (carla)"], iopub=["shutdown_reply ok (carla)"])

    for client in three:
        assert three.run(client, "'kept' in globals()") == "False"
    assert three.meet() != process
    assert three.kernel_id() != kernel
