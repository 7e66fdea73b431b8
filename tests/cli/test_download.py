"""``alb download`` as it is typed: what it refuses, with nothing changed. Downloads are in tests/datasets."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from census import ONE, OTHER, Census, serve_versions
from command import typed
from s3 import S3

from alb_core.datasets.spec import CENSUS_VERSION, COLLECTION, CensusSlice

Refused = Callable[..., str]


@pytest.fixture
def refused(refused: Refused) -> Refused:
    return partial(refused, "download")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("-s 3 -e 3", "--end is 3, expected more than --start, which is 3"),
        ("-s -1", "--start is -1, expected 0 or more"),
        ("-e two", "'two' is not a valid integer"),
        ("-v 0", "--n-vars is 0, expected 1 to"),
        ("-u a -V b", "--census-version and --census-uri are both given"),
        ("-e 1 -n ../mine", "cannot name a dataset"),
        ("-n mini", "mini is the name of a synthetic dataset"),
        ("-n soma", "is the place of something else: -n gives the dataset another name"),
        ("-n duo", "is the place of something else: -n gives the dataset another name"),
        ("--layout zarr", "'zarr' is not one of"),
        ("--tiledb vfs.s3.scheme", "--tiledb 'vfs.s3.scheme': expected KEY=VALUE"),
        ("-u s3://", "s3:// names no bucket, expected s3://BUCKET/PATH"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(arguments: str, words: str, data: Path, refused: Refused) -> None:
    assert words in refused(*arguments.split())
    assert not data.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            f"-c {ONE} -s 1 -e 4",
            f"datasets 1 to 4 are asked for, expected 0 <= start < end <= 3: collection {ONE}",
        ),
        ("-e 1 -c none", f"has no collection none, expected one of {ONE}, {OTHER}"),
        (f"-e 1 -c {ONE} --organism rattus", "no organism 'rattus', expected one of homo_sapiens, mus_musculus"),
        (f"-s 1 -e 2 -c {ONE} --organism mus_musculus", "no mus_musculus cells in the source datasets d2"),
        (f"-e 1 -c {ONE} --tiledb vfs.s3.scheme=ftp", "Invalid S3 scheme"),
    ],
)
def test_what_this_census_has_not_is_told(
    arguments: str, words: str, data: Path, census: Census, refused: Refused
) -> None:
    assert words in refused("-u", census.uri, *arguments.split())
    assert not data.exists()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere", "no Census at "),
        ("census_info", "is no Census: it has no census_info in "),
        ("census_data/homo_sapiens", "cannot read "),
        ("census_data/homo_sapiens/obs", "cannot read "),
        ("__group", "cannot read "),
    ],
)
def test_a_place_without_a_census_is_told(place: str, words: str, data: Path, census: Census, refused: Refused) -> None:
    said = refused("-e", "1", "-u", f"{census.uri}/{place}")
    assert words in said
    assert place in said
    assert not data.exists()


@pytest.mark.parametrize("uri", ["s3://no-such-bucket-here/census", "s3://census-bucket/nothing"])
def test_s3_without_a_census_is_told(uri: str, data: Path, s3_server: S3, s3_census: str, refused: Refused) -> None:
    assert f"cannot read {uri}: " in refused("-e", "1", "-u", uri, *s3_server.words)
    assert not data.exists()


def test_s3_without_credentials_is_told(
    data: Path, s3_server: S3, census: Census, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    uri = s3_server.upload(census.path / "__group", "locked-bucket", "census/__group", public=False)
    uri = uri.removesuffix("/__group")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    signed = ("--tiledb", "vfs.s3.no_sign_request=false")
    said = refused("-e", "1", "-u", uri, *s3_server.words, *signed)
    assert f"cannot read {uri}: " in said
    assert "with the credentials of the environment, as AWS_ACCESS_KEY_ID" in said
    assert not data.exists()


def test_no_network_is_told(data: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    # A port that nobody listens on.
    for name in ("RELEASE", "MIRRORS"):
        constant = f"cellxgene_census._release_directory.CELL_CENSUS_{name}_DIRECTORY_URL"
        monkeypatch.setattr(constant, "http://127.0.0.1:9/directory.json")
    said = refused("-e", "1")
    assert "cannot look up Census versions: " in said
    assert said.endswith("; -u opens a Census by its URI\n")


def test_an_unknown_version_is_told_in_the_words_of_the_census(
    data: Path, s3_server: S3, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    serve_versions(s3_server, monkeypatch)
    said = refused("-e", "1", "-V", "2021-13-32")
    assert 'The "2021-13-32" Census version is not valid. Use get_census_version_directory()' in said
    assert not data.exists()


@pytest.mark.parametrize("force", [(), ("-f",)])
@pytest.mark.parametrize("kind", ["directory", "file", "link", "experiment", "other manifest"])
def test_what_is_not_ours_stays(
    kind: str, force: tuple[str, ...], data: Path, census: Census, tmp_path: Path, refused: Refused
) -> None:
    data.mkdir()
    place = data / "mine"
    if kind == "file":
        place.write_text("mine")
    elif kind == "link":
        place.symlink_to(census.path)
    else:
        place.mkdir()
        (place / "precious").write_text("mine")
    if kind == "other manifest":
        (place / "manifest.json").write_text('{"name": "mine", "version": 3}')
    before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    said = refused("-u", census.uri, "-c", ONE, "-e", "1", "-n", "mine", *force)
    assert f"{place} is there and no dataset of alb's: move it away, or give another name with -n" in said
    assert sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_a_root_that_is_a_file_is_told(data: Path, census: Census, refused: Refused) -> None:
    data.parent.joinpath("file").write_text("mine")
    said = refused("-u", census.uri, "-c", ONE, "-d", str(data.parent / "file"))
    assert "is a file, expected the directory for the dataset" in said


def test_defaults_are_those_of_the_field_and_options_ask_for_the_same_slice_again() -> None:
    assert (COLLECTION, CENSUS_VERSION) == ("283d65eb-dd53-496d-adb7-7570c7caa443", "2023-12-15")
    asked = CensusSlice(2, 7)
    assert (asked.n_vars, asked.organism, asked.layout) == (20_000, "homo_sapiens", "census")
    asked = CensusSlice(1, 4, True, "c", 50, "mus_musculus", None, "/with a space", "soma")
    assert asked.options() == "-s 1 -e 4 -S -c c -v 50 --organism mus_musculus --layout soma -u '/with a space'"


@pytest.mark.e2e
def test_download_list_verify(
    writable: Path, census: Census, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(census.path.parent)
    capsys.readouterr()
    assert typed("download", "-u", census.path.name, "-c", ONE, "-s", "1", "-S") == 0
    said = capsys.readouterr()
    assert said.err == "", "no progress bar in a pipe"
    lines = said.out.splitlines()
    place = writable / "census-benchmark_s1:3"
    assert lines[0].startswith(f"downloading census-benchmark_s1:3 to {place}: 2 source datasets, 700 cells x 120 vars")
    assert lines[1].startswith("downloaded census-benchmark_s1:3: ")
    assert lines[2] == f"0 MiB\t{place}"
    assert lines[3] == f"next: alb read-chunks {place}"
    assert lines[4].split() == ["alb", "data-loader", "-b", "'131072", "/", "[1,2048]'", str(place)]
    spec = json.loads((place / "manifest.json").read_text())["spec"]
    assert spec["dataset_ids"] == ["d3", "d1"], "by cell count"
    assert spec["census_uri"] == census.uri, "absolute"
