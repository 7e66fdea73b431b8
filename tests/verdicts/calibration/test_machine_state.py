"""How the machine was, kept beside the rounds."""

import pytest

from alb_core.verdicts.calibration.machine_state import MachineState


def test_it_is_read_as_it_was_saved(tmp_path):
    seen = MachineState([3.0, 4.5], [{"numpy": 0.1, "read": 0.2}])
    seen.save(tmp_path / "m.json")
    assert MachineState.load(tmp_path / "m.json") == seen
    assert MachineState.load(tmp_path / "none.json") == MachineState()


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 9}', '{"version": 1, "openings": ["x"], "canaries": []}'])
def test_a_damaged_one_is_set_aside_and_named(tmp_path, capsys, content):
    path = tmp_path / "m.json"
    path.write_text(content)
    assert MachineState.load(path) == MachineState()
    assert str(path) in capsys.readouterr().err and (tmp_path / "m.json.corrupt").read_text() == content
