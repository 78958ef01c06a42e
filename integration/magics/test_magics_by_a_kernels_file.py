"""A kernel's own connection file leads to that kernel and nowhere else, whatever a cell asks for."""

import pytest

from harness.clients import READY_SECONDS, new_client
from harness.kernel_files import kernels, own_file
from harness.magics import ask, own_kernel, run


@pytest.fixture
def by_own_file(at_home, fleet):
    """A client that came by a kernel's own connection file, and that kernel."""
    kernel = own_kernel(at_home())
    client = new_client(own_file(fleet, kernel))
    client.start_channels()
    client.wait_for_ready(timeout=READY_SECONDS)
    yield client, kernel
    client.stop_channels()


@pytest.mark.parametrize("code", ["%fleet use python3", "%fleet new", "%fleet new isolated", "%%fleet python3\n1", "%%fleet group=other\n1"])
def test_no_cell_leads_elsewhere(by_own_file, fleet, code):
    client, kernel = by_own_file
    before = kernels(fleet)
    done = run(client, code)
    assert done.status == "error" and f"leads to kernel {kernel}" in done.error["evalue"], done.error
    # Those of earlier tests may end meanwhile.
    assert own_kernel(client) == kernel and kernels(fleet) <= before
    assert run(client, "print(home)").stream() == "here\n"


def test_neither_does_metadata(by_own_file):
    client, kernel = by_own_file
    run(client, "x = 1")
    done = run(client, "x = 2", {"fleet": {"runtime": "python3"}})
    assert done.status == "error" and f"leads to kernel {kernel}" in done.error["evalue"], done.error


def test_another_kernel_by_its_id_is_refused_as_well(by_own_file, connect, group):
    client, kernel = by_own_file
    other = connect(runtime="lua", group=f"{group}-other")
    run(other, "x = 1")
    elsewhere = own_kernel(other)
    for code in (f"%fleet use kernel={elsewhere}", f"%%fleet kernel={elsewhere}\nprint(x)"):
        done = run(client, code)
        assert done.status == "error" and f"leads to kernel {kernel}" in done.error["evalue"], done.error


def test_what_it_is_told_is_of_its_kernel_alone(by_own_file, connect, group):
    client, kernel = by_own_file
    other = connect(runtime="lua", group=f"{group}-other")
    run(other, "x = 1")
    elsewhere = own_kernel(other)
    for line in ("%fleet", "%fleet list", "%fleet why", "%fleet why lua", "%fleet runtimes"):
        page = ask(client, line)
        assert elsewhere not in page and f"{group}-other" not in page, page
    assert kernel in ask(client, "%fleet list")


def test_its_own_kernel_can_be_asked_for_and_restarted(by_own_file):
    client, kernel = by_own_file
    ask(client, "%fleet use lua")
    assert run(client, "%%fleet lua\nprint(home)").stream() == "here\n"
    ask(client, "%fleet restart")
    assert run(client, "print(home)").stream() == "nil\n"
    assert own_kernel(client) == kernel
