"""ipywidgets: comms from the page to the kernel and back."""

import pytest
from playwright.sync_api import expect

SLIDER = """\
import ipywidgets
slider = ipywidgets.IntSlider(value=5, description='moves')
heard = ipywidgets.Output()
@heard.capture()
def observe(change):
    print('now', change.new)
slider.observe(observe, names='value')
display(slider, heard)"""


@pytest.mark.parametrize("existing", [False, True], ids=["kernelspec", "external"])
def test_a_slider_moves_and_its_observer_prints(notebook, existing):
    its = notebook(SLIDER, "slider.value", existing=existing)
    its.run(0)
    handle = its.panel.locator(".widget-slider .noUi-handle")
    expect(its.panel.locator(".widget-readout")).to_have_text("5")
    handle.focus()
    its.page.keyboard.press("ArrowRight")
    its.page.keyboard.press("ArrowRight")
    expect(its.panel.locator(".jp-OutputArea-output", has_text="now 7").last).to_contain_text("now 6\nnow 7\n")
    expect(its.panel.locator(".widget-readout")).to_have_text("7")
    its.run(1)
    its.shows(1, "7")
