"""One of three clients restarts the kernel: what each of them hears, and who is told who did it."""

import pytest

from harness.home import CONFIG

pytestmark = pytest.mark.proxy_only

COMES_BACK = ["status restarting (nobody)", "status starting (nobody)"]
ANSWERED = ["status busy (anna)", "shutdown_reply ok (anna)", "status idle (anna)"]
SOLE = 'restart = "sole"\n' + CONFIG


def test_the_owner_of_the_cell_that_a_restart_cuts_off_learns_who_did_it(trio):
    three = trio()
    anna, berta, carla = three
    kernel, process = three.kernel_id(), three.meet()
    three.start_cell(berta)

    assert anna.request("control", "shutdown_request", {"restart": True}) == {"status": "ok", "restart": True}
    three.hear(state="restarting")
    new_process = three.meet()

    heard = three.transcripts()
    heard[anna].is_exactly(
        control=["shutdown_reply ok (anna)"],
        iopub=["stream (anna)", *COMES_BACK, *ANSWERED, "status idle (nobody)"],
    )
    heard[berta].is_exactly(
        shell=["execute_reply error KernelRestarted (berta)"],
        iopub=[
            "stream (anna)", "stream (berta)",
            "status busy (berta)", "error KernelRestarted (berta)", "status idle (berta)",
            *COMES_BACK, "status idle (nobody)",
        ],
    )
    heard[carla].is_exactly(iopub=["stream (anna)", *COMES_BACK, "status idle (nobody)"])
    notice = {"name": "stderr", "text": f"[jupyter-fleet: kernel {kernel} (python3) is restarted by anna]\n"}
    assert [heard[client].contents("iopub", "stream") for client in three] == [[notice], [notice, notice], [notice]]
    assert new_process != process
    assert three.kernel_id() == kernel


@pytest.mark.parametrize("own_fleet", [{"config": SOLE}], indirect=True)
def test_only_a_sole_client_may_restart_where_the_config_says_so(trio):
    three = trio()
    anna, berta, carla = three
    kernel, process = three.kernel_id(), three.meet()
    three.forget()

    refusal = anna.request("control", "shutdown_request", {"restart": True})
    assert (refusal["status"], refusal["ename"]) == ("error", "RestartRefused")
    assert f"kernel {kernel} has 2 other clients" in refusal["evalue"] and 'restart = "anyone"' in refusal["evalue"]
    assert three.meet() == process, "nothing happened to the kernel"
    heard = three.transcripts()
    heard[anna].is_exactly(
        control=["shutdown_reply error RestartRefused (anna)"], iopub=["status busy (anna)", "status idle (anna)"]
    )
    heard[berta].is_exactly()
    heard[carla].is_exactly()

    for client in (berta, carla):
        assert client.request("control", "shutdown_request", {"restart": False})["status"] == "ok"
    assert anna.request("control", "shutdown_request", {"restart": True}) == {"status": "ok", "restart": True}
    anna.listen({"state": "restarting"})
    assert three.meet_as(anna) != process
    heard = three.transcripts()
    heard[anna].is_exactly(
        control=["shutdown_reply ok (anna)"],
        iopub=["stream (anna)", *COMES_BACK, *ANSWERED, "status idle (nobody)"],
    )
