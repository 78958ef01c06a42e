"""A notebook in JupyterLab, used as a person does: by what is on the page, and by keys."""

import re

import nbformat
from playwright.sync_api import TimeoutError, expect

READY_MILLISECONDS = 60_000
OUTPUT_MILLISECONDS = 30_000
TRIES = 5
ANY_NUMBER = re.compile(r"\[\d+\]:")

OPEN = """path => {
    window.jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'});
}"""
PANEL_ID = """path => {
    const all = [...window.jupyterapp.shell.widgets('main')];
    return all.find(widget => widget.context?.path === path && widget.sessionContext)?.id;
}"""
IS = """([id, status]) => {
    const panel = [...window.jupyterapp.shell.widgets('main')].find(widget => widget.id === id);
    return panel.sessionContext.isReady && panel.sessionContext.session?.kernel?.status === status;
}"""
IS_ACTIVE = "id => window.jupyterapp.shell.currentWidget?.id === id"


def write(directory, name, cells, kernel=None):
    """Writes a notebook of `cells`, each its source, or a pair of source and metadata, for a kernelspec."""
    notebook = nbformat.v4.new_notebook()
    if kernel is not None:
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel}
    for cell in cells:
        source, metadata = cell if isinstance(cell, tuple) else (cell, {})
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata=metadata))
    nbformat.write(notebook, directory / name)


class Notebook:
    """A notebook that is open on a page; `existing` is the id of a running kernel, where that is to be chosen. `status` is what
    it shows of its kernel then."""

    def __init__(self, page, path, existing=None, status="idle"):
        self.page = page
        page.evaluate(OPEN, path)
        if existing is not None:
            self._choose(existing)
        self.find(path, status)

    def _choose(self, existing):
        dialog = self.page.locator(".jp-Dialog")
        option = dialog.locator(f"optgroup[label='Connect to Existing Kernel'] option[value*='{existing}']")
        dialog.locator("select").select_option(value=option.get_attribute("value"))
        dialog.get_by_role("button", name="Select Kernel").click()

    def open_again(self, status="idle"):
        """Opens it on a page that was loaded anew; one that JupyterLab has brought back itself is the same."""
        self.page.evaluate(OPEN, self.path)
        self.find(self.path, status)

    def find(self, path, status="idle"):
        """Finds the notebook on the page, and waits until it shows this of its kernel."""
        self.path = path
        self.id = self.page.wait_for_function(PANEL_ID, arg=path, timeout=READY_MILLISECONDS).json_value()
        self.panel = self.page.locator(f"[id='{self.id}']")
        self.wait_for(status)

    def wait_idle(self):
        self.wait_for("idle")

    def wait_for(self, status):
        """Waits until the page shows this of the kernel: `idle`, `busy`."""
        self.page.wait_for_function(IS, arg=[self.id, status], timeout=READY_MILLISECONDS)

    def activate(self):
        """Brings the notebook's tab to the front."""
        self.page.evaluate("id => window.jupyterapp.shell.activateById(id)", self.id)
        self.page.wait_for_function(IS_ACTIVE, arg=self.id)

    def command(self, name):
        """Carries out one of JupyterLab's commands on this notebook, without waiting for its end."""
        self.activate()
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name) }", name)

    def save(self):
        """Saves, and waits for that."""
        self.activate()
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def cell(self, number):
        return self.panel.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def output(self, number):
        """What a cell shows below its code: one element for each output."""
        return self.cell(number).locator(".jp-OutputArea-output")

    def click(self, number):
        """Puts the cursor into a cell."""
        self.activate()
        self.cell(number).locator(".cm-content").click()

    def run(self, number):
        """Runs one cell: a click into it, Shift and Enter."""
        self.click(number)
        self.page.keyboard.press("Shift+Enter")

    def interrupt(self):
        """The keys of command mode: I twice."""
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("i")
        self.page.keyboard.press("i")

    def confirm(self, button):
        """Presses a button of the dialog that asks."""
        self.page.locator(".jp-Dialog").get_by_role("button", name=button).click()

    def press(self, button):
        """Presses a button that stays pressed. JupyterLab drops a click while it is still finding out what the kernel can do."""
        pressed = self.panel.locator(f"{button}[aria-pressed='true']").first
        for _ in range(TRIES):
            self.panel.locator(button).first.click()
            try:
                return pressed.wait_for(timeout=OUTPUT_MILLISECONDS / TRIES)
            except TimeoutError:
                continue
        raise AssertionError(f"{button} does not stay pressed")

    def shows(self, number, *texts):
        """Waits until a cell shows just these outputs, each a text or a pattern."""
        expect(self.output(number)).to_have_text(list(texts), timeout=OUTPUT_MILLISECONDS)

    def has_run(self, number, prompt=ANY_NUMBER):
        """Waits until a cell has its number; until then it has a star or nothing."""
        expect(self.cell(number).locator(".jp-InputPrompt")).to_have_text(prompt, timeout=OUTPUT_MILLISECONDS)
