"""Only the notebooks of a whole card run are committed, without what is of one run alone."""

import json
import re

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course.__main__ import main
from course.publish import as_committed
from mnist_lib.studies import records
from mnist_lib.support.paths import ROOT


def test_publish_takes_no_other_run(tmp_path, monkeypatch, capsys):
    """Only a card run's notebooks are committed; what is there stays untouched."""
    monkeypatch.setattr("course.publish.OUT", tmp_path)
    before = {path.name: path.read_bytes() for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert main(["publish"]) == 1 and "is not a record" in capsys.readouterr().err
    record = records.runs("card")[1]
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert main(["publish"]) == 1 and "show seed 0" in capsys.readouterr().err
    record["dataset"]["sha256"] = "3c" * 32
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert main(["publish"]) == 1 and "not of all of MNIST" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (ROOT / "notebooks").glob("*.ipynb")} == before


def test_as_committed_keeps_what_every_run_shares():
    """What is printed comes in pieces, and its lines may be written over; widgets need a kernel; papermill notes its times."""
    pieces = ["On cpu: 9 steps.\n", "\rstep 3 of 9", "\rstep 6 of 9 ", "\repoch 1/1  loss 0.5", "\n"]
    outputs = [new_output("stream", text=text) for text in pieces]
    live = new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}})
    outputs += [new_output("stream", name="stderr", text="!"), live, new_output("stream", text="end\n")]
    times = {"papermill": {"duration": 1.0}, "execution": {"iopub.status.busy": "1"}}
    cells = [
        new_markdown_cell("Words.", metadata={"tags": [], **times}),
        new_code_cell("1", metadata={"tags": ["parameters"], "collapsed": False, **times}, outputs=outputs),
    ]
    kernel, language = {"name": "python3", "display_name": "Python 3"}, {"name": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"version": "3.11", **language}, "widgets": {}, **times}
    words, code = (notebook := as_committed(new_notebook(cells=cells, metadata=metadata))).cells
    assert notebook.metadata == {"kernelspec": kernel, "language_info": language}
    assert words.metadata == {} and code.metadata == {"tags": ["parameters"]}
    assert [output.text for output in code.outputs] == ["On cpu: 9 steps.\nepoch 1/1  loss 0.5\n", "!", "end\n"]


def test_publish_takes_all_notebooks_or_none(tmp_path, monkeypatch, capsys):
    notebooks, out = tmp_path / "notebooks", tmp_path / "out"
    for folder in (notebooks, out):
        folder.mkdir()
        for number in (1, 2):
            notebook = new_notebook(cells=[new_code_cell(f"{number}", id="number", execution_count=1)])
            notebook.metadata = {
                "kernelspec": {"name": "python3", "display_name": "Python"},
                "language_info": {"name": "python"},
            }
            notebook.metadata["run"] = folder.name
            nbformat.write(notebook, folder / f"0{number}_short.ipynb")
    (out / "record.json").write_bytes(records.to_bytes(records.runs("card")[0]))
    monkeypatch.setattr("course.publish.OUT", out)
    monkeypatch.setattr("course.publish.NOTEBOOKS", sorted(notebooks.glob("*.ipynb")))
    second = notebooks / "02_short.ipynb"
    second.write_text(second.read_text().replace('"2"', '"3"'))  # it was changed since the run
    before = {path.name: path.read_bytes() for path in notebooks.iterdir()}
    assert main(["publish"]) == 1 and "02_short.ipynb in out differs from" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in notebooks.iterdir()} == before
    second.write_text(second.read_text().replace('"3"', '"2"'))
    whole = (out / "02_short.ipynb").read_text()
    error = '{"output_type": "error", "ename": "E", "evalue": "e", "traceback": []}'
    for cut_off, said in (
        (whole.replace('"execution_count": 1', '"execution_count": null'), "was not run to the end"),
        (whole.replace('"outputs": []', f'"outputs": [{error}]'), "was not run to the end"),
        (whole.replace('"kernelspec"', '"none"'), "is not an executed notebook"),
        (whole[:100], "is not an executed notebook"),
    ):
        (out / "02_short.ipynb").write_text(cut_off)
        assert main(["publish"]) == 1
        assert re.fullmatch(rf"02_short\.ipynb in out {said}[^\n]*: run `make run`[^\n]+\n", capsys.readouterr().err)
        assert {path.name: path.read_bytes() for path in notebooks.iterdir()} == before | {second.name: second.read_bytes()}
    (out / "02_short.ipynb").write_text(whole)
    assert main(["publish"]) == 0
    assert all("run" not in nbformat.read(path, as_version=4).metadata for path in notebooks.iterdir())
