import json
import subprocess

import pytest
from command import TESTS
from toy import Repository
from wheels import wheel_of

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.commits.builds import install as install_module
from alb_core.commits.builds import local_packages
from alb_core.commits.history import new_releases, releases, releases_lock

BACKEND = f"""import os, sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
from wheels import wheel_of
def build_wheel(directory, config_settings=None, metadata_directory=None):
    Path("trace-of-a-build").touch()
    version = os.environ["SETUPTOOLS_SCM_PRETEND_VERSION"]
    name = NAME + "-" + version + "-py3-none-any.whl"
    Path(directory, name).write_bytes(wheel_of(NAME, version, module=Path("here.py").read_text()))
    return name
"""


def files(name, home=""):
    module = name.replace("-", "_")
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    return {
        f"{home}pyproject.toml": f'{system}[project]\nname = "{name}"\ndynamic = ["version"]\n',
        f"{home}backend.py": f"NAME = {module!r}\n" + BACKEND,
        f"{home}here.py": "x = 1\n",
        ".gitignore": "ignored\n",
    }


@pytest.fixture
def census(tmp_path, monkeypatch):
    """A checkout of cellxgene-census, tagged, with the package where the real one has it; named as under work."""
    repository = Repository(tmp_path / "census")
    repository.commit(files("cellxgene-census", "api/python/cellxgene_census/"))
    repository.git("tag", "v1.16.2")
    monkeypatch.setenv("ALB_CELLXGENE_CENSUS", str(repository.path))
    monkeypatch.delenv("ALB_TILEDBSOMA_ML", raising=False)
    return repository


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """A checkout of TileDB-SOMA-ML without tags."""
    repository = Repository(tmp_path / "ml")
    repository.commit(files("tiledbsoma-ml"))
    monkeypatch.setenv("ALB_TILEDBSOMA_ML", str(repository.path))
    return repository


def install(environment, tmp_path):
    release = releases_lock.load()[-1]
    install_module.install(
        release.commit, environment, install_module.place_wheel(release.commit, tmp_path / "asv", environment)
    )
    return certificate.certificate(environment)


def test_checkouts_are_installed_as_they_stand_and_recorded(three_releases, environment, tmp_path, census, loader):
    releases.ensure()
    held = install(environment, tmp_path)
    commit = census.git("rev-parse", "HEAD")[:10]
    assert held["packages"]["cellxgene-census"] == f"1.16.2+g{commit}"
    assert held["packages"]["tiledbsoma-ml"] == f"0+g{loader.git('rev-parse', 'HEAD')[:10]}"
    (census.path / "api/python/cellxgene_census/here.py").write_text("x = 2\n")
    (loader.path / "ignored").write_text("")
    held = install(environment, tmp_path)
    assert held["packages"]["cellxgene-census"].startswith(f"1.16.2+g{commit}.dirty.d")
    assert "dirty" not in held["packages"]["tiledbsoma-ml"]
    python = environment / "bin" / "python"
    shown = subprocess.run([python, "-c", "import cellxgene_census as c; print(c.x)"], capture_output=True, text=True)
    assert shown.stdout == "2\n"
    # No build left its traces in a checkout.
    assert census.git("status", "--porcelain") == "M api/python/cellxgene_census/here.py"
    assert loader.git("status", "--porcelain") == ""


def test_what_is_no_longer_named_goes_and_is_na(three_releases, environment, tmp_path, census, monkeypatch):
    releases.ensure()
    assert install(environment, tmp_path)["packages"]["tiledbsoma-ml"] == "n/a"
    monkeypatch.delenv("ALB_CELLXGENE_CENSUS")
    held = install(environment, tmp_path)
    assert held["packages"]["cellxgene-census"] == "n/a" and held["checkouts"] == {}
    # Not by an import: the fixture's environment sees the packages of this one, too.
    assert not (install_module.site_packages(environment) / "cellxgene_census").exists()


def test_the_stacks_own_comes_back_where_a_checkout_goes(three_releases, environment, tmp_path, loader, monkeypatch):
    name = "tiledbsoma_ml-0.1.0-py3-none-any.whl"
    three_releases.add("tiledbsoma-ml", name, wheel_of("tiledbsoma_ml", "0.1.0"))
    (tmp_path / "suite" / "constraints.txt").write_text("tiledbsoma-ml==0.1.0\n")
    monkeypatch.setattr(new_releases, "suite_root", lambda: tmp_path / "suite")
    releases.ensure()
    assert install(environment, tmp_path)["packages"]["tiledbsoma-ml"].startswith("0+g")
    monkeypatch.delenv("ALB_TILEDBSOMA_ML")
    held = install(environment, tmp_path)
    recorded = held["packages"].get("tiledbsoma-ml"), held["packages"].get("tiledbsoma_ml")
    assert held["checkouts"] == {} and "0.1.0" in recorded
    shown = (install_module.site_packages(environment) / "tiledbsoma_ml" / "__init__.py").read_text()
    assert shown == "__version__ = '0.1.0'\n"


def test_a_changed_checkout_is_installed_again_though_the_commit_is_the_same(tmp_path, census):
    environment = tmp_path / "env"
    environment.mkdir()
    status = environment / "asv-install-status.json"
    [(project, home)] = local_packages.named_checkouts().items()
    certified = {"checkouts": {project.name: vars(local_packages.describe(project, home))}}
    (environment / certificate.CERTIFICATE).write_text(json.dumps(certified))
    status.touch()
    local_packages.refresh(environment)
    assert status.exists()
    (home / "here.py").write_text("x = 3\n")
    local_packages.refresh(environment)
    assert not status.exists()


def test_a_checkout_that_does_not_import_is_announced(three_releases, environment, tmp_path, census, capsys):
    releases.ensure()
    census.commit({"api/python/cellxgene_census/here.py": "import s3fs_of_tomorrow\n"})
    install(environment, tmp_path)
    said = "cellxgene-census does not import under the stack: ModuleNotFoundError: No module named 's3fs_of_tomorrow'"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["nowhere", "another package", "no git"])
def test_what_is_no_checkout_of_it_is_named(tmp_path, monkeypatch, kind):
    path = tmp_path / "it"
    if kind == "another package":
        Repository(path).commit(files("tiledbsoma-ml"))
    elif kind == "no git":
        path.mkdir()
        for name, text in files("cellxgene-census").items():
            (path / name).write_text(text)
    monkeypatch.setenv("ALB_CELLXGENE_CENSUS", str(path))
    said = "is no git checkout with a commit" if kind == "no git" else "is no checkout of cellxgene-census"
    with pytest.raises(AlbError, match=rf"ALB_CELLXGENE_CENSUS={path} {said}"):
        local_packages.named_checkouts()
