"""The fleet as an existing kernel, by `serve --publish-external` and two flags of jupyter_server."""

import pytest
from playwright.sync_api import expect

from harness.console import Console


@pytest.fixture
def console(lab_fleet):
    console = Console(lab_fleet, {}, "--simple-prompt", "--no-confirm-exit")
    yield console
    console.close()


def test_a_notebook_and_a_console_share_a_kernel(notebook, console):
    its = notebook("shared = 6 * 7\nprint('from the notebook')", "shared", existing=True)
    expect(its.panel.locator(".jp-KernelName")).to_have_text("fleet")
    its.run(0)
    its.shows(0, "from the notebook\n")
    console.prompt()
    assert "42" in console.run("shared")
    console.run("shared = 'from the console'")
    its.run(1)
    its.shows(1, "'from the console'")
    console.leave()
