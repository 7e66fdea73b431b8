"""The manifest and the quick check, on directories that stand in for experiments: no writer is needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alb_core.base.errors import AlbError
from alb_core.datasets.manifest import (
    MANIFEST_NAME,
    MANIFEST_VERSION,
    Manifest,
    bytes_digest,
    fingerprint,
    load,
    quick_check,
    save,
    size_on_disk,
)
from alb_core.datasets.spec import Spec


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    for name in ("obs/__fragments/a.tdb", "ms/RNA/X/raw/__fragments/b.tdb", "__group"):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    files, digest = fingerprint(path)
    manifest = Manifest(
        name="mine",
        kind="synthetic",
        spec=Spec(cells=5, vars=6).as_json(),
        writer={"tiledbsoma": "1.7.3"},
        n_obs=5,
        n_vars=6,
        nnz=7,
        x_sum=8,
        x_checksum="0" * 16,
        obs_checksum="1" * 64,
        var_checksum="2" * 64,
        x_bytes=9,
        files=files,
        files_digest=digest,
        bytes_digest=bytes_digest(path),
    )
    save(path, manifest)
    return path


def edit(dataset: Path, **fields: object) -> None:
    file = dataset / MANIFEST_NAME
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_a_whole_dataset_passes(dataset: Path) -> None:
    manifest = quick_check(dataset)
    assert (manifest.n_obs, manifest.files) == (5, 3)
    assert load(dataset) == manifest


def truncated(path: Path) -> None:
    (path / "obs/__fragments/a.tdb").write_bytes(b"")


def half_a_manifest(path: Path) -> None:
    file = path / MANIFEST_NAME
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncated, "files of other names or sizes"),
        (lambda path: (path / "ms/RNA/X/raw/__fragments/b.tdb").unlink(), "has 2 files, its manifest says 3"),
        (lambda path: (path / "obs" / "more").write_bytes(b""), "has 4 files, its manifest says 3"),
        (lambda path: (path / "__group").rename(path / "__other"), "files of other names or sizes"),
        (lambda path: (path / MANIFEST_NAME).unlink(), "was never complete"),
        (half_a_manifest, "cannot be read"),
        (lambda path: edit(path, manifest_version=MANIFEST_VERSION + 1), "manifest_version is 2, expected 1"),
        (lambda path: edit(path, more=1), "has the unknown fields more"),
        (lambda path: edit(path, nnz="7"), "nnz is '7', expected int"),
        (lambda path: edit(path, name="yours"), "was made as 'yours'"),
    ],
)
def test_a_damaged_dataset_is_refused_with_its_repair(
    dataset: Path, damage: Callable[[Path], object], words: str
) -> None:
    damage(dataset)
    with pytest.raises(AlbError) as caught:
        quick_check(dataset)
    message = str(caught.value)
    assert words in message
    assert "alb data make mine --cells" in message
    assert message.endswith("--replace makes it again")
    assert "\n" not in message


def test_the_repair_has_the_options_it_was_made_with(dataset: Path, tmp_path: Path) -> None:
    truncated(dataset)
    with pytest.raises(AlbError, match="make mine --cells 5 --vars 6 --profile slice-2:7 --layout census"):
        quick_check(dataset)
    with pytest.raises(AlbError, match=r"no dataset at .*mini: alb data make mini makes it"):
        quick_check(tmp_path / "mini")


def test_a_known_name_stands_for_its_own_specification(dataset: Path) -> None:
    edit(dataset, name="mini")
    moved = dataset.rename(dataset.with_name("mini"))
    with pytest.raises(AlbError, match="other options than that name stands for: alb data make mini --replace"):
        quick_check(moved)


def test_bytes_altered_in_place_show_in_their_digest_alone(dataset: Path) -> None:
    before = bytes_digest(dataset)
    (dataset / "__group").write_bytes(b"__porug")
    assert fingerprint(dataset) == (3, quick_check(dataset).files_digest)
    assert bytes_digest(dataset) != before
    assert size_on_disk(dataset / "obs") == len("obs/__fragments/a.tdb")
