"""Hosts that repeat themselves, leave in disorder or ask for the impossible: one of them must not be felt by the others."""

from harness.clients import execute, finish, next_message
from harness.deadline import Deadline, wait_until
from test_absence import attach_to


def test_a_wish_that_no_fleet_understands_is_a_usage_error(binary, home):
    done = attach_to(binary, home, {}, "--fleet", '{"runtmie": "lua"}')
    assert done.returncode == 2
    assert "runtmie" in done.stderr


def test_a_client_that_repeats_a_message_takes_nothing_from_the_others(host):
    one, other = host.client(), host.client()
    msg_id = one.execute("import time\nfor i in range(100): print(i, flush=True); time.sleep(0.02)")
    repeated = other.session.msg("kernel_info_request", {})
    for _ in range(8):
        other.session.send(other.shell_channel.socket, repeated)
    done = finish(one, msg_id)
    assert (done.status, done.stream().split()) == ("ok", [str(i) for i in range(100)])
    assert execute(other, "1 + 1").result == "2"


def test_cells_behind_a_shutdown_request_bring_no_kernel_back(own_fleet, host_of):
    host = host_of(own_fleet.home, "--runtime", "python3", "--group", "g")
    one, other = host.client(), host.client()
    assert execute(one, "1").status == "ok"
    one.control_channel.send(one.session.msg("shutdown_request", {"restart": False}))
    for _ in range(20):
        other.execute("x = 1")
    assert host.wait() == 0
    wait_until(lambda: not own_fleet.answer("list"), 10, "the only kernel to be stopped")


def test_a_host_that_shuts_down_at_once_leaves_no_client_behind(own_fleet, host_of):
    for number in range(3):
        host = host_of(own_fleet.home, "--runtime", "python3", "--group", f"g{number}")
        host.client(ready=False)
        host.manager.shutdown_kernel(now=False)
    wait_until(lambda: not own_fleet.answer("list"), 15, lambda: f"no kernels in {own_fleet.answer('list')}")


def test_a_refused_restart_is_told(launch, host_of):
    fleet = launch(config='default_runtime = "python3"\nrestart = "sole"\n')
    try:
        fleet.start()
        one, other = [host_of(fleet.home, "--group", "g") for _ in range(2)]
        client = one.client()
        assert execute(client, "1").status == execute(other.client(), "1").status == "ok"
        asked = client.session.msg("shutdown_request", {"restart": True})
        client.control_channel.send(asked)
        deadline = Deadline(20)
        while True:
            message = next_message(client, "iopub", deadline, lambda: "a notice of the refusal")
            if message["msg_type"] == "stream" and "not restarted" in message["content"]["text"]:
                break
        assert message["parent_header"]["msg_id"] == asked["header"]["msg_id"]
        assert "other clients" in message["content"]["text"]
    finally:
        fleet.clear()
