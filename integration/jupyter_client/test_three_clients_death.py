"""The kernel that three clients share dies: what each of them hears, message by message."""

import os
import signal

import pytest

pytestmark = pytest.mark.proxy_only

COMES_BACK = ["error KernelDied (nobody)", "status restarting (nobody)", "status starting (nobody)", "status idle (nobody)"]


def cut_off(name, ename="KernelDied"):
    """What the owner of a cell that was cut off hears of it on iopub."""
    return [f"status busy ({name})", f"error {ename} ({name})", f"status idle ({name})"]


def test_all_three_of_a_killed_kernel_are_told_and_meet_again_on_the_next(own_fleet, trio):
    three = trio()
    anna, berta, carla = three
    kernel, process = three.kernel_id(), three.meet()
    three.start_cell(anna, "lost = 1\nimport time\ntime.sleep(60)")
    three.queue_cell(berta)

    os.kill(process, signal.SIGKILL)
    three.hear(state="restarting")
    new_process = three.meet()

    heard = three.transcripts()
    heard[anna].is_exactly(
        shell=["execute_reply error KernelDied (anna)"], iopub=cut_off("anna") + COMES_BACK
    )
    heard[berta].is_exactly(
        shell=["execute_reply error KernelDied (berta)"], iopub=cut_off("berta") + COMES_BACK
    )
    heard[carla].is_exactly(iopub=COMES_BACK)
    for client, channel, msg_type in ((anna, "shell", "execute_reply"), (berta, "shell", "execute_reply"), (carla, "iopub", "error")):
        [content] = heard[client].contents(channel, msg_type)
        for part in (kernel, "signal 9 (SIGKILL)", "it is being restarted, and its variables are lost"):
            assert part in content["evalue"], content
    assert new_process != process
    assert three.kernel_id() == kernel, "the bindings stay, and so does the kernel's name"


def test_a_kernel_that_dies_six_times_in_a_row_stays_dead_and_binds_nobody(own_fleet, trio):
    three = trio()
    anna, berta, carla = three
    kernel = three.kernel_id()
    for _ in range(5):
        die(three, anna)
        three.hear(state="restarting")
        three.meet()
        heard = three.transcripts()
        heard[anna].is_exactly(shell=["execute_reply error KernelDied (anna)"], iopub=cut_off("anna") + COMES_BACK)
        heard[berta].is_exactly(iopub=COMES_BACK)
        heard[carla].is_exactly(iopub=COMES_BACK)

    last = die(three, anna)
    three.hear(state="dead")
    anna.listen({"channel": "shell", "parent": last}, {"channel": "iopub", "state": "idle", "parent": last})
    heard = three.transcripts()
    end = ["error KernelDied (nobody)", "status dead (nobody)"]
    heard[anna].is_exactly(shell=["execute_reply error KernelDied (anna)"], iopub=end + cut_off("anna"))
    heard[berta].is_exactly(iopub=end)
    heard[carla].is_exactly(iopub=end)
    [reply] = heard[anna].contents("shell", "execute_reply")
    assert kernel in reply["evalue"] and "the next request gets a new kernel" in reply["evalue"]

    three.meet()
    assert three.kernel_id() != kernel


def die(three, client):
    """Kills the kernel while a cell of the client runs; returns the cell's id."""
    process = three.meet()
    cell = three.start_cell(client)
    os.kill(process, signal.SIGKILL)
    return cell
