"""docs/notebook.ipynb runs headless from the first cell to the last, and a mistake there is told in three lines."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from conftest import clean_environment
from srae.runs.reader import read_run

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
pytestmark = [
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("nbclient", "nbformat", "ipykernel")),
        reason="no Jupyter kernel here: pip install nbclient nbformat ipykernel",
    ),
    # Warnings of Jupyter's own machinery are no concern of this suite.
    pytest.mark.filterwarnings("ignore"),
]


def test_the_notebook_runs_and_a_mistake_is_told_in_three_lines(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is committed without outputs"
    wrong = nbformat.v4.new_code_cell("srae.train('cnn4_tang')", metadata={"tags": ["raises-exception"]})
    notebook.cells.append(wrong)
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=clean_environment(IPYTHONDIR=str(tmp_path / "ipython"), JUPYTER_PLATFORM_DIRS="1"))
    run = read_run(tmp_path / "runs" / "notebook")
    assert (run.status, len(run.rows)) == ("done", 4)
    printed = "".join(o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", []))
    assert "epoch 3/3" in printed and "dB above the baseline" in printed
    images = [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert len(images) == 2
    (error,) = wrong.outputs
    assert error.ename == "ConfigError" and len("\n".join(error.traceback).splitlines()) <= 3
