"""What is published of files that say what a page would take for HTML."""

import json

import pytest
from asv.benchmarks import Benchmarks
from asv.util import write_json

from alb_core.base.errors import AlbError
from alb_core.rounds.results.valid import benchmarks_of, drawn_alone, examine

HTML = "<img src=x onerror=alert(1)>"


def listing(root, **benchmarks):
    write_json(str(root / "benchmarks.json"), benchmarks, Benchmarks.api_version)
    return root


def benchmark(**more):
    return {"name": "a.A.time_x", "params": [], "param_names": [], "version": "1", "type": "time", **more}


def test_nothing_is_published_as_html(tmp_path):
    listing(tmp_path, **{"a.A.time_x": benchmark(pretty_name=HTML, code="a < b" + HTML, unit=HTML)})
    (tmp_path / "m").mkdir()
    machine = {"machine": "m", "cpu": HTML, "os": {"deep": [HTML]}, HTML: "1", "version": 1}
    (tmp_path / "m" / "machine.json").write_text(json.dumps(machine))
    with drawn_alone(tmp_path, examine(tmp_path, benchmarks_of(tmp_path), set())) as place:
        for name in ("benchmarks.json", "m/machine.json"):
            text = (place / name).read_text()
            assert "<" not in text and "onerror" in text, name
        assert "a &lt; b" in (place / "benchmarks.json").read_text()


def test_names_that_are_html_are_refused(tmp_path):
    with pytest.raises(AlbError, match="is no name of a benchmark"):
        benchmarks_of(listing(tmp_path, **{HTML: benchmark()}))
    listing(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "machine.json").write_text(json.dumps({"machine": HTML, "version": 1}))
    [line] = examine(tmp_path, {}, set()).damaged
    assert "is no machine name" in line


@pytest.mark.parametrize("content", ["[]", "null", "7", '{"machine": ' + "[" * 100_000 + "]" * 100_000 + "}", "{}"])
def test_files_of_another_shape_are_one_line(tmp_path, content):
    (tmp_path / "benchmarks.json").write_text(content if content != "{}" else '{"a": 1, "version": 2}')
    with pytest.raises(AlbError, match="cannot be read as asv's list of benchmarks"):
        benchmarks_of(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "machine.json").write_text(content)
    [line] = examine(tmp_path, {}, set()).damaged
    assert "cannot be read" in line and line.count("\n") == 0
