"""One fleet, one JupyterLab and one browser for all tests here, and a page for each."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from lab_notebook import READY_MILLISECONDS, Notebook, write
from lab_server import Lab

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SIZE = {"width": 1280, "height": 900}


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.proxy_only)


@pytest.fixture(scope="session")
def lab_fleet(launch):
    """A fleet that JupyterLab offers among the existing kernels, and by kernelspecs: one for no group, and two for groups."""
    fleet = launch(arguments=["--publish-external"])
    try:
        fleet.start()
        for group in ([], ["--group", "team-a"], ["--group", "team-b"]):
            done = fleet.command("kernelspec", "install", "--runtime", "python3", *group)
            assert done.returncode == 0, done.stderr
        yield fleet
    except BaseException:
        fleet.clear()
        raise
    fleet.stop()


@pytest.fixture(scope="session")
def lab(lab_fleet):
    lab = Lab(lab_fleet)
    try:
        yield lab.start()
    except BaseException:
        lab.clear()
        raise
    lab.stop()


@pytest.fixture(scope="module")
def browser():
    """Ends before the tests of another folder begin: Playwright's event loop runs in this thread, and would be in their way."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, f"there is no browser (none of {', '.join(BROWSERS)}): apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=BROWSER_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def artifacts(pytestconfig):
    """Where screenshots are kept."""
    directory = Path(pytestconfig.getoption("--artifacts")) / "jupyterlab"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture
def page(browser, lab, artifacts, request):
    """JupyterLab in a window of its own. What it shows in the end is kept; then its notebooks are closed for good."""
    page = browser.new_page(viewport=SIZE)
    load(page, f"{lab.address}&reset")
    yield page
    page.screenshot(path=artifacts / f"{file_name(request)}.png")
    page.close()
    lab.end_sessions()


def load(page, address=None):
    """Loads JupyterLab, or loads it again, and waits until it is there."""
    page.reload(timeout=READY_MILLISECONDS) if address is None else page.goto(address, timeout=READY_MILLISECONDS)
    page.wait_for_function("() => window.jupyterapp !== undefined", timeout=READY_MILLISECONDS)
    page.evaluate("async () => { await window.jupyterapp.restored }")


@pytest.fixture
def reload(page):
    """Loads the page again, as a person who comes back to it."""
    return lambda: load(page)


@pytest.fixture
def notebook(page, lab, request):
    """Writes a notebook of these cells and opens it, on a kernelspec or on the existing kernel that is the fleet."""
    opened = []

    def open_notebook(*cells, kernel="fleet-python3", existing=False, status="idle"):
        path = f"{file_name(request)}-{len(opened) + 1}.ipynb"
        write(lab.directory, path, cells, None if existing else kernel)
        opened.append(Notebook(page, path, lab.external_kernel() if existing else None, status))
        return opened[-1]

    return open_notebook


def file_name(request):
    return re.sub(r"\W+", "-", request.node.name).strip("-")
