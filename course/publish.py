"""The executed notebooks of the last plain run become the committed ones."""

from pathlib import Path

import nbformat
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode

from course.report import ReportError
from course.run_notebooks import NOTEBOOKS
from mnist_lib.studies import records
from mnist_lib.support.paths import OUT, write_whole

AGAIN = "run `make run` without parameters first."


def publish() -> None:
    """Replace the committed notebooks with the executed ones of the last plain `make run`, without what GitHub can't show.

    Raises:
        ReportError, RecordError: one sentence, where one of them is missing, of another run, or was not run to the end.
    """
    record = records.require_recipe(records.read(OUT / "record.json"))
    if record["config"]["seed"] != 0:
        raise ReportError(f"The committed notebooks show seed 0: {AGAIN}")
    texts = {path: nbformat.writes(as_committed(executed(path))) for path in NOTEBOOKS}  # before the first is written
    for path, text in texts.items():
        write_whole(path, f"{text}\n".encode())


def executed(path: Path) -> NotebookNode:
    """A notebook of the course as it lies in out, executed; ReportError if it is not."""
    try:
        notebook = nbformat.read(OUT / path.name, as_version=4)
        _ = notebook.metadata.kernelspec, notebook.metadata.language_info.name
    except Exception as error:  # missing, damaged or something else
        raise ReportError(f"{path.name} in out is not an executed notebook ({type(error).__name__}): {AGAIN}") from None
    if [cell.source for cell in notebook.cells] != [cell.source for cell in nbformat.read(path, as_version=4).cells]:
        raise ReportError(f"{path.name} in out differs from the one in notebooks: {AGAIN}")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not all(cell.execution_count for cell in code) or any(o.output_type == "error" for cell in code for o in cell.outputs):
        raise ReportError(f"{path.name} in out was not run to the end: {AGAIN}")
    return notebook


def as_committed(notebook: NotebookNode) -> NotebookNode:
    """Without what needs a kernel or belongs to one run only; of overwritten lines, what a terminal shows in the end."""
    language = {"name": notebook.metadata.language_info.name}
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": language}
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "jupyter", "cellView") if cell.metadata.get(key)}
        if cell.cell_type == "code":
            live = "application/vnd.jupyter.widget-view+json"
            cell.outputs = [output for output in cell.outputs if live not in output.get("data", {})]
    return CoalesceStreamsPreprocessor().preprocess(notebook, {})[0]
