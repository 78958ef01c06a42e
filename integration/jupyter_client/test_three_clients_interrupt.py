"""One of three clients interrupts the cell of another, while the third waits: what each of them hears."""

import pytest

INTERRUPTED = "execute_reply error KeyboardInterrupt (anna)"
TOLD = ["stream (anna)"]
END_OF_THE_CELL = ["error KeyboardInterrupt (anna)", "status idle (anna)"]
ANSWERED = ["status busy (carla)", "status idle (carla)"]
STILL_BUSY = "status busy (nobody)"
RUN = ["status busy (berta)", "execute_input (berta)", "stream (berta)", "status idle (berta)"]
# A plain ipykernel aborts what is queued when a cell fails, whoever sent it.
NEVER_RUN = ["status busy (berta)", "status idle (berta)"]


def interrupt(three):
    """Carla interrupts Anna's cell; returns what each heard until the cells were over."""
    anna, berta, carla = three
    process = three.meet()
    cell = three.start_cell(anna)
    queued = three.queue_cell(berta)
    assert carla.request("control", "interrupt_request") == {"status": "ok"}
    for msg_id in (cell, queued):
        three.hear(parent=msg_id, state="idle")
    assert three.meet() == process, "an interrupt costs nobody a variable"
    return three.transcripts()


@pytest.mark.proxy_only
def test_by_signal(trio):
    three = trio(runtime="python3")
    heard = interrupt(three)
    everyone = END_OF_THE_CELL + RUN
    anna, berta, carla = three
    heard[anna].is_exactly(shell=[INTERRUPTED], iopub=TOLD + everyone)
    [told] = [content["text"] for content in heard[anna].contents("iopub", "stream") if content["name"] == "stderr"]
    assert told == "[jupyter-fleet: interrupted by carla]\n"
    heard[berta].is_exactly(shell=["execute_reply ok (berta)"], iopub=everyone)
    assert heard[carla].lines["control"] == ["interrupt_reply ok (carla)"]
    # The proxy answers while the kernel is still busy, or just after.
    iopub = heard[carla].lines["iopub"]
    assert [line for line in iopub if line not in (*ANSWERED, STILL_BUSY)] == everyone
    assert [line for line in iopub if "carla" in line] == ANSWERED
    assert iopub.count(STILL_BUSY) <= 1 and iopub[-1] != STILL_BUSY, iopub


def test_by_message(trio):
    """The kernel answers on control while its cell still runs, so what it says of both comes in any order."""
    three = trio(runtime="python-message")
    heard = interrupt(three)
    anna, berta, carla = three
    is_direct = three.fleet.is_direct
    queued, outcome = (NEVER_RUN, "aborted") if is_direct else (RUN, "ok")
    for client, shell, control in ((anna, [INTERRUPTED], []), (berta, [f"execute_reply {outcome} (berta)"], []), (carla, [], ["interrupt_reply ok (carla)"])):
        lines = dict(heard[client].lines)
        iopub = lines.pop("iopub")
        assert lines == {"shell": shell, "control": control, "stdin": []}
        told = TOLD if client is anna and not is_direct else []
        # Behind the idle of carla's request, the fleet says that the kernel is still busy, if it is.
        of_cells = [line for line in iopub if "carla" not in line and line != "status busy (nobody)"]
        assert of_cells == told + END_OF_THE_CELL + queued
        assert [line for line in iopub if "carla" in line] == ANSWERED
