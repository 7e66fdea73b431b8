"""How the machine was, kept beside the rounds."""

import pytest

from alb_core.rounds import canary
from alb_core.verdicts import calibrated


def test_it_is_read_as_it_was_saved(tmp_path):
    seen = calibrated.State([3.0, 4.5])
    seen.looked(canary.seen({"numpy": [1.0, 1.0, 2.0], "read": [1.0, 1.0, 1.0]}, {}))
    seen.save(tmp_path / "m.json")
    assert calibrated.load_state(tmp_path / "m.json") == seen and set(seen.canaries[0]) == {"numpy", "read"}
    assert calibrated.load_state(tmp_path / "none.json") == calibrated.State()


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 9}', '{"version": 1, "openings": ["x"], "canaries": []}'])
def test_a_damaged_one_is_set_aside_and_named(tmp_path, capsys, content):
    path = tmp_path / "m.json"
    path.write_text(content)
    assert calibrated.load_state(path) == calibrated.State()
    assert str(path) in capsys.readouterr().err and (tmp_path / "m.json.corrupt").read_text() == content
