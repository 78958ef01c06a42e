"""Runs a notebook with nbclient: a kernelspec's name and the cells, as JSON; prints what cells have printed, or resulted in."""

import json
import sys

import nbformat
from nbclient import NotebookClient

kernelspec, sources = sys.argv[1], json.loads(sys.argv[2])
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
NotebookClient(notebook, kernel_name=kernelspec).execute()
print(json.dumps([
    "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
    for cell in notebook.cells
]))
