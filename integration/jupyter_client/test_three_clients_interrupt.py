"""One of three clients interrupts the cell of another, while the third waits: what each of them hears."""

import pytest

INTERRUPTED = "execute_reply error KeyboardInterrupt (anna)"
# ipykernel aborts what is queued when a cell fails, whoever sent it.
ABORTED = "execute_reply aborted (berta)"
END_OF_THE_CELL = ["error KeyboardInterrupt (anna)", "status idle (anna)"]
ANSWERED = ["status busy (carla)", "status idle (carla)"]
STILL_BUSY = "status busy (nobody)"
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
    everyone = END_OF_THE_CELL + NEVER_RUN
    anna, berta, carla = three
    heard[anna].is_exactly(shell=[INTERRUPTED], iopub=everyone)
    heard[berta].is_exactly(shell=[ABORTED], iopub=everyone)
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
    for client, shell, control in ((anna, [INTERRUPTED], []), (berta, [ABORTED], []), (carla, [], ["interrupt_reply ok (carla)"])):
        lines = dict(heard[client].lines)
        iopub = lines.pop("iopub")
        assert lines == {"shell": shell, "control": control, "stdin": []}
        assert [line for line in iopub if "carla" not in line] == END_OF_THE_CELL + NEVER_RUN
        assert [line for line in iopub if "carla" in line] == ANSWERED
