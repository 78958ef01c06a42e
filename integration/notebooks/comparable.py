"""A notebook without what differs between any two runs of it, each thing for a reason:

- `execution` and `papermill` in metadata: when a cell ran, how long, from which file;
- ids of cells that papermill adds: chosen at random;
- ids of widgets, chosen at random: numbered in the order in which cells, and then other widgets, refer to them;
- the pieces of one stream: a kernel sends what has been printed five times a second, so time cuts them.
"""

import json
import re

MODEL_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
BY_PAPERMILL = {"injected-parameters", "papermill-error-cell-tag"}
TIMES = ("execution", "papermill")


def comparable(notebook):
    document = {"cells": [comparable_cell(cell) for cell in notebook.cells], "metadata": untimed(notebook.metadata)}
    return with_ids_replaced(document, numbers_of_models(document))


def comparable_cell(cell):
    kept = {name: value for name, value in cell.items() if name != "id"} | {"metadata": untimed(cell.metadata)}
    if "outputs" in cell:
        kept["outputs"] = with_joined_streams(cell.outputs)
    return kept if BY_PAPERMILL & set(cell.metadata.get("tags", [])) else kept | {"id": cell.id}


def untimed(metadata):
    return {name: value for name, value in metadata.items() if name not in TIMES}


def with_joined_streams(outputs):
    joined = []
    for output in map(dict, outputs):
        if joined and output["output_type"] == "stream" and output["name"] == joined[-1].get("name"):
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def numbers_of_models(document):
    """A number for the id of each widget that a cell shows, and for those that these refer to."""
    models = document["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    order = list(dict.fromkeys(MODEL_ID.findall(json.dumps(document["cells"]))))
    for model in order:
        order += [each for each in dict.fromkeys(MODEL_ID.findall(json.dumps(models.get(model)))) if each not in order]
    assert set(models) == set(order), "a widget that nothing shows"
    return {model: f"model {number}" for number, model in enumerate(order)}


def with_ids_replaced(document, numbers):
    return json.loads(MODEL_ID.sub(lambda found: numbers[found[0]], json.dumps(document)))
