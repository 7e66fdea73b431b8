"""How large a step must be to be published, from the calibrations."""

import pytest
from asv.config import Config
from asv.plugins.regressions import _GraphDataFilter
from recorded import BASE, BENCHMARKS, CASES, TIME

from alb_core.asv_plugin import publishers
from alb_core.base.errors import AlbError
from alb_core.verdicts import calibration_file
from alb_core.verdicts.calibration_file import Calibration, Rate, VerdictRates


def calibrated(results, machine, **step_by_name):
    named = {CASES[int(name[1:])].name: VerdictRates(Rate(0, 9), step=step) for name, step in step_by_name.items()}
    calibration_file.save(results, Calibration(machine, "2026-11-22", BASE, 600.0, {}, named, VerdictRates(Rate(0, 9))))


class Graph:
    """All that asv asks of one for a threshold."""

    def __init__(self, branch=None):
        self.params = {"branch": branch} if branch else {}


def threshold(conf, case, branch=None):
    """What asv takes for a case."""
    found = _GraphDataFilter(conf, None, {"c": 1})
    return found._get_threshold(Graph(branch), BENCHMARKS[TIME], case.name)


@pytest.mark.parametrize("branch", [None, "main"])
def test_asv_takes_those_of_the_noisiest_machine_and_its_own_elsewhere(tmp_path, branch):
    calibrated(tmp_path, "quiet", c0=0.06, c1=0.3)
    calibrated(tmp_path, "noisy", c0=0.18, c2=None)
    conf = Config()
    conf.regressions_thresholds = publishers.thresholds(tmp_path)
    assert [threshold(conf, case, branch) for case in CASES] == [0.18, 0.3, 0.05, 0.05]


def test_without_a_calibration_there_are_none(tmp_path):
    assert publishers.thresholds(tmp_path) == {}


def test_a_damaged_one_is_named(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "calibration.json").write_text("{")
    with pytest.raises(AlbError, match=r"calibration\.json is no calibration"):
        publishers.thresholds(tmp_path)
