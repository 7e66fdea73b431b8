import json
from pathlib import Path

import pytest
from asv.results import Results
from recorded import BASE, MACHINE, blank

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.rounds import asv_patches


def environment(root, commit, packages):
    path = root / "env" / commit[:4]
    path.mkdir(parents=True)
    (path / certificate.CERTIFICATE).write_text(json.dumps({"commit": commit, "packages": packages}))


def saved(root):
    [path] = (root / "results").glob("m/*.json")
    return json.loads(path.read_text())


def test_results_carry_the_versions_of_their_commit(tmp_path):
    environment(tmp_path, BASE, {"numpy": "1.26.4", "tiledbsoma": "2.3.0"})
    environment(tmp_path, "d" * 40, {"numpy": "0"})
    results = blank(BASE)
    results._requirements["pip+x"] = "1"
    with asv_patches.versions_saved(tmp_path / "env"):
        results.save(str(tmp_path / "results"))
    content = saved(tmp_path)
    assert content["requirements"] == {"pip+x": "1", "numpy": "1.26.4", "tiledbsoma": "2.3.0"}
    # As graph parameters they would split each graph at every release.
    assert content["params"] == {"machine": MACHINE, "python": "3.11"}
    assert Results.load(str(next((tmp_path / "results").glob("m/*.json")))).commit_hash == BASE


def test_a_commit_that_was_not_installed_has_none(tmp_path):
    environment(tmp_path, "d" * 40, {"numpy": "0"})
    (tmp_path / "env" / "broken").mkdir()
    (tmp_path / "env" / "broken" / certificate.CERTIFICATE).write_text("{")
    with asv_patches.versions_saved(tmp_path / "env"):
        blank(BASE).save(str(tmp_path / "results"))
    assert saved(tmp_path)["requirements"] == {}


def test_a_write_that_is_cut_short_keeps_what_was_there(tmp_path, monkeypatch):
    asv_patches.install()
    with asv_patches.versions_saved(tmp_path / "env"):
        blank(BASE).save(str(tmp_path / "results"))
        [path] = (tmp_path / "results").glob("m/*.json")
        before = path.read_bytes()

        def cut(path, *rest, **named):
            Path(path).write_text("{")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(asv_patches, "_WRITE_JSON", cut)
        with pytest.raises(AlbError, match="No space left on device"):
            blank(BASE).save(str(tmp_path / "results"))
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
