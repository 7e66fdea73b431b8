"""Making datasets with the real writer: whole or not at all, once, and proven."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from command import ALB
from making import gone, leftovers, silent, writer_at
from slices import CONTENT, content

from alb_core.base.errors import AlbError
from alb_core.commits.history import releases_lock
from alb_core.datasets.find import list_datasets
from alb_core.datasets.manifest import MANIFEST_NAME, X_PATH, load, quick_check, write_manifest
from alb_core.datasets.spec import KNOWN, Spec
from alb_core.datasets.synthetic import make as make_module
from alb_core.datasets.synthetic.cells import Population
from alb_core.datasets.synthetic.make import ensure, make
from alb_core.datasets.synthetic.obs_var import RunningCounts, obs_table
from alb_core.datasets.verify import verify
from alb_core.datasets.writer.environment import writing_release

pytestmark = pytest.mark.e2e

TINY = Spec(cells=200, vars=300)


def alb(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*ALB, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_mini_is_what_it_must_be(writable: Path) -> None:
    """Size, density and bytes of the suite's own dataset, and the very cells."""
    manifest = make("mini", KNOWN["mini"], report=silent)
    assert manifest.nnz / manifest.n_obs == pytest.approx(2_770, rel=0.1)
    assert manifest.x_bytes / manifest.nnz == pytest.approx(2.0, rel=0.1)
    assert (manifest.nnz, manifest.x_sum, manifest.x_checksum) == (11_377_712, 779_327_084, "afc17fd9781b7200")
    assert verify("mini") == manifest


@pytest.mark.parametrize(
    "spec",
    [
        TINY,
        Spec(cells=200, vars=300, layout="soma"),
        Spec(cells=200, vars=300, fragments=200, seed=9),
        Spec(cells=5_000, vars=100, fragments=7, profile="census"),
        Spec(cells=1, vars=1),
    ],
    ids=str,
)
def test_made_is_verified(writable: Path, spec: Spec) -> None:
    lines: list[str] = []
    manifest = make("mine", spec, report=lines.append)
    assert len(lines) == 2
    assert lines[0].startswith("making mine in ")
    assert lines[1].startswith("made mine: ")
    assert manifest.writer["tiledbsoma"] == writing_release().version
    assert verify("mine") == manifest == load(writable / "soma" / "mine")
    assert len(list((writable / "soma" / "mine" / X_PATH / "__fragments").iterdir())) == spec.fragments
    assert leftovers(writable) == []


def test_made_again_is_the_same_content_and_made_twice_is_made_once(writable: Path) -> None:
    one = make("one", TINY, report=silent)
    other = make("other", Spec(cells=200, vars=300, fragments=3, layout="soma"), report=silent)
    assert content(one) == content(other)
    before = (writable / "soma" / "one" / MANIFEST_NAME).stat().st_mtime_ns
    lines: list[str] = []
    make("one", TINY, report=lines.append)
    assert lines[0].startswith("one is ready: ")
    assert (writable / "soma" / "one" / MANIFEST_NAME).stat().st_mtime_ns == before


def test_other_options_are_refused_until_replaced(writable: Path) -> None:
    first = make("mine", TINY, report=silent)
    other = Spec(cells=201, vars=300)
    with pytest.raises(AlbError, match=r"is there and has cells 200 \(not 201\): choose another name"):
        make("mine", other, report=silent)
    assert quick_check(writable / "soma" / "mine") == first
    assert make("mine", other, replace=True, report=silent).n_obs == 201
    assert leftovers(writable) == []


def x_file(data: Path, name: str) -> Path:
    (found,) = (data / "soma" / name / X_PATH / "__fragments").glob("*/a0.tdb")
    return found


def test_a_truncated_dataset_is_refused_and_repaired(writable: Path) -> None:
    make("mine", TINY, report=silent)
    file = x_file(writable, "mine")
    os.truncate(file, file.stat().st_size - 1)
    for refuse in (lambda: make("mine", TINY, report=silent), lambda: ensure("mine"), lambda: verify("mine")):
        with pytest.raises(AlbError, match="--replace makes it again"):
            refuse()
    assert [row.state[:7] for row in list_datasets() if row.name == "mine"] == ["refused"]
    make("mine", TINY, replace=True, report=silent)
    verify("mine")


def test_altered_bytes_are_found_by_verify(writable: Path) -> None:
    make("mine", TINY, report=silent)
    file = x_file(writable, "mine")
    written = file.read_bytes()
    for position in (30, -300):
        altered = bytearray(written)
        altered[position] ^= 0xFF
        file.write_bytes(altered)
        quick_check(writable / "soma" / "mine")
        with pytest.raises(AlbError, match=r"other bytes than were written: .* --replace makes it again"):
            verify("mine")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: (path / "ms" / "more").mkdir(), "has more directories"),
        (lambda path: linked(next((path / "obs").rglob("*.tdb"))), "has links"),
        (lambda path: edited(path / MANIFEST_NAME, "writer", {"tiledbsoma": "9.9"}), "that was changed"),
        (lambda path: edited(path / MANIFEST_NAME, "x_bytes", 1), "that was changed"),
    ],
)
def test_what_no_checksum_covers_is_found_by_verify(mine: Path, change, said: str) -> None:
    change(mine)
    with pytest.raises(AlbError, match=said):
        verify("mine")


def linked(file: Path) -> None:
    """Put a link to a file in its place."""
    aside = file.rename(file.parents[file.parts[::-1].index("mine")] / "aside")
    file.symlink_to(aside)


def edited(file: Path, name: str, value: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))


@pytest.fixture
def mine(writable: Path) -> Path:
    make("mine", TINY, report=silent)
    return writable / "soma" / "mine"


def test_a_manifest_that_says_otherwise_is_found_by_verify(writable: Path) -> None:
    file = writable / "soma" / "mine" / MANIFEST_NAME
    make("mine", TINY, report=silent)
    written = json.loads(file.read_text())
    for field in CONTENT:
        changed = written[field] + 1 if isinstance(written[field], int) else "f" * len(written[field])
        file.write_text(json.dumps({**written, field: changed}))
        with pytest.raises(AlbError, match=f"has {field} "):
            verify("mine")


def test_counts_that_the_cells_contradict_are_found_by_verify(writable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(population: Population, counted: RunningCounts) -> pa.Table:
        table = obs_table(population, counted)
        place = table.schema.get_field_index("raw_sum")
        return table.set_column(place, "raw_sum", pc.add(table["raw_sum"], 1))

    monkeypatch.setattr(make_module, "obs_table", wrong)
    make("mine", TINY, report=silent)
    with pytest.raises(AlbError, match="has a column raw_sum in obs that its cells contradict"):
        verify("mine")


def test_ensure_makes_a_known_dataset_that_is_missing(
    writable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {**KNOWN, "mini": TINY}
    for module in ("spec", "manifest", "synthetic.make"):
        monkeypatch.setattr(f"alb_core.datasets.{module}.KNOWN", known)
    path = ensure("mini")
    assert path == writable / "soma" / "mini"
    said = capsys.readouterr()
    assert said.out == ""
    assert "alb: making mini in " in said.err
    assert ensure("mini") == path
    assert capsys.readouterr().err == ""
    with pytest.raises(AlbError, match="no dataset is known as 'mine'"):
        ensure("mine")


def test_two_makers_make_one(writable: Path) -> None:
    command = ("data", "make", "mine", "--cells", "3000", "--vars", "3000")
    both = [alb(*command) for _ in range(2)]
    outcomes = [(maker.communicate(timeout=120), maker.returncode) for maker in both]
    assert [status for _, status in outcomes] == [0, 0]
    said = sorted(out for (out, _), _ in outcomes)
    assert said[0].startswith("making mine in ")
    assert said[1].startswith("mine is ready: ")
    assert sum("waiting for another process: making dataset mine" in err for (_, err), _ in outcomes) == 1
    verify("mine")


def started_writing(maker: subprocess.Popen[str], data: Path) -> int:
    return writer_at(maker, data, ".mine.partial-*/ms/RNA/X/raw/__fragments/*")


LARGE = ("data", "make", "mine", "--cells", "40000", "--vars", "20000")


def test_a_killed_maker_leaves_nothing_that_counts(writable: Path) -> None:
    maker = alb(*LARGE)
    writer = started_writing(maker, writable)
    maker.send_signal(signal.SIGKILL)
    maker.communicate()
    assert gone(writer), "the writer outlives its maker"
    assert not (writable / "soma" / "mine").exists()
    assert "mine" not in [row.name for row in list_datasets()]
    # The lock went with the process, and the next maker clears its remains away.
    make("mine", TINY, report=silent)
    verify("mine")
    assert leftovers(writable) == []


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_writer_is_one_clear_line(writable: Path, death: signal.Signals) -> None:
    maker = alb(*LARGE)
    os.kill(started_writing(maker, writable), death)
    _, err = maker.communicate(timeout=60)
    assert maker.returncode == 2
    assert err.count("\n") == 1
    assert f"it ended with signal {death.value}" in err
    assert leftovers(writable) == []
    assert not (writable / "soma" / "mine").exists()


def test_an_interrupted_replacement_keeps_the_old_dataset(writable: Path) -> None:
    first = make("mine", TINY, report=silent)
    maker = alb(*LARGE, "--replace")
    started_writing(maker, writable)
    maker.send_signal(signal.SIGINT)
    _, err = maker.communicate(timeout=60)
    assert (maker.returncode, err.strip()) == (130, "alb: interrupted")
    assert verify("mine") == first
    assert leftovers(writable) == []


def test_a_file_in_its_place_is_told(writable: Path) -> None:
    place = writable / "soma" / "mine"
    place.parent.mkdir()
    place.write_text("mine")
    for replace in (False, True):
        with pytest.raises(AlbError, match="move it away"):
            make("mine", TINY, replace=replace, report=silent)
    assert place.read_text() == "mine"


def test_one_that_a_newer_release_wrote_is_refused(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data / "soma" / "mine"
    path.mkdir(parents=True)
    newest = releases_lock.load()[-1]
    figures = {"n_obs": 1, "n_vars": 1, "nnz": 1, "x_sum": 1, "x_checksum": "", "obs_checksum": "", "var_checksum": ""}
    (path / "ms" / "RNA" / "X" / "raw").mkdir(parents=True)
    writer = {"tiledbsoma": newest.version}
    write_manifest(path, name="mine", kind="synthetic", spec=TINY.as_json(), writer=writer, **figures)
    with pytest.raises(AlbError, match=rf"mine was written by tiledbsoma {newest.version}.* --replace makes it again"):
        make_module.ensure("mine")
    monkeypatch.setattr(make_module, "writing_release", lambda: newest)
    assert make_module.ensure("mine") == path
