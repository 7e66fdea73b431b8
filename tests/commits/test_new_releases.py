import pytest
from local_index import HERE
from packaging.version import Version

from alb_core.base.errors import AlbError
from alb_core.commits.history import releases_lock
from alb_core.commits.history.new_releases import new_releases, stack_pins, unmet_requirements


def test_new_releases_are_stable_from_the_floor_on_with_wheels(index, place):
    index.release("1.7.3", "2024-03-07T15:34:44.006Z", ["numpy", "somacore==1.0.8", "tiledb~=0.25.0"])
    index.release("1.6.0", "2024-01-01T00:00:00Z")
    index.release("1.8.0rc0", "2024-03-08T00:00:00Z")
    index.release("1.8.0", "2024-03-09T00:00:00Z", yanked=True)
    index.release("1.8.1", "2024-03-10T00:00:00Z", wheel=False)
    [found] = new_releases([], place / "wheels")
    assert (found.version, found.released) == ("1.7.3", "2024-03-07T15:34:44+00:00")
    # The newest that satisfies each requirement, pinned.
    assert {item.name: item.version for item in found.companions} == {"somacore": "1.0.8", "tiledb": "0.25.1"}
    assert [file.name for file in found.wheels] == [f"tiledbsoma-1.7.3-{HERE}.whl"]


def test_a_late_patch_of_an_old_line_does_not_rewrite_commits(three_releases, place):
    standing = releases_lock.load()
    three_releases.release("1.7.4", "2024-03-10T00:00:00Z")
    assert [item.version for item in new_releases(standing, place / "wheels")] == ["1.9.5"]


def test_a_release_with_wheels_that_the_stack_cannot_hold_is_refused(index, place):
    index.release("9.0.0", "2026-01-01T00:00:00Z", ["numpy>=2"])
    with pytest.raises(AlbError, match=r"tiledbsoma-9.*whl requires numpy>=2, the stack has numpy 1"):
        new_releases([], place / "wheels")


def test_the_stack_is_that_of_the_measured_python(under):
    under("3.11")
    reference = stack_pins()
    under("3.12")
    assert stack_pins() == reference
    under("3.13")
    assert stack_pins().keys() == reference.keys() and stack_pins()["numpy"] >= Version("2") > reference["numpy"]


def test_markers_and_extras_are_not_companions():
    lines = ["numpy", "pyarrow<13; platform_system == 'Darwin'", "pytest; extra == 'dev'", "somacore==1.0.8"]
    assert [need.name for need in unmet_requirements(lines, stack_pins(), "it")] == ["somacore"]


def test_what_is_no_requirement_is_named():
    with pytest.raises(AlbError, match=r"commit abc requires 'numpy >= ', which is no requirement"):
        unmet_requirements(["numpy >= "], stack_pins(), "commit abc")
