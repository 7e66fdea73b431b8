"""How the machine was, kept beside the rounds."""

import pytest

from alb_core.calibrate import state
from alb_core.verdict import canary


def test_it_is_read_as_it_was_saved(tmp_path):
    seen = state.State([3.0, 4.5])
    seen.looked(canary.seen({"numpy": [1.0, 1.0, 2.0], "read": [1.0, 1.0, 1.0]}, {}))
    seen.save(tmp_path / "m.json")
    assert state.load(tmp_path / "m.json") == seen and set(seen.canaries[0]) == {"numpy", "read"}
    assert state.load(tmp_path / "none.json") == state.State()


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 9}', '{"version": 1, "openings": ["x"], "canaries": []}'])
def test_a_damaged_one_is_set_aside_and_named(tmp_path, capsys, content):
    path = tmp_path / "m.json"
    path.write_text(content)
    assert state.load(path) == state.State()
    assert str(path) in capsys.readouterr().err and (tmp_path / "m.json.corrupt").read_text() == content
