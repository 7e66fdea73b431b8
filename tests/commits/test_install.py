"""Builds of every kind, for real: a small C++ package, pip, virtual environments and a package index."""

import json
import multiprocessing
import shutil
import subprocess
import time
import zipfile

import psutil
import pytest
import toy
from toy import needs_compiler, tree
from wheels import wheel_of

from alb_core.base import certificate
from alb_core.base.errors import AlbError
from alb_core.base.files import sha256_of
from alb_core.base.paths import suite_root
from alb_core.commits.builds import cache, install, local_tiledb, source
from alb_core.commits.history import releases, releases_lock

PROVE = (
    "import tiledbsoma; from alb_core.base.certificate import require_commit as p; "
    "print(p()['kind'], tiledbsoma.__version__)"
)


@pytest.fixture
def commits(three_releases, place):
    """Commits of the release history."""
    releases.ensure()
    return {release.version: release.commit for release in releases_lock.load()}


def installed(environment, commit, tmp_path):
    """Build and install a commit as asv does; returns what a benchmark process of that commit can prove."""
    wheel = install.place_wheel(commit, tmp_path / "asv-cache" / commit, environment)
    install.install(commit, environment, wheel)
    done = proved(environment, commit)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def proved(environment, commit, **more):
    """What a benchmark process says that is to measure a commit."""
    suite = str(suite_root())
    variables = {"PYTHONPATH": suite, "ASV_COMMIT": commit, "ASV_ENV_DIR": str(environment), **more}
    python = environment / "bin" / "python"
    return subprocess.run([python, "-c", PROVE], env=variables, capture_output=True, text=True, check=False)


def test_one_wheel_is_placed_which_alone_can_be_installed(commits, environment, tmp_path):
    directory = tmp_path / "cache"
    install.place_wheel(commits["1.7.3"], directory, environment)
    wheel = install.place_wheel(commits["1.8.1"], directory, environment)
    assert list(directory.iterdir()) == [wheel]
    assert sha256_of(wheel) == releases_lock.load()[1].wheels[0].sha256
    (tmp_path / "old" / "lib" / "python3.8").mkdir(parents=True)
    with pytest.raises(AlbError, match=r"no environment of Python 3"):
        install.install(commits["1.8.1"], tmp_path / "old", wheel)
    wheel.write_bytes(wheel.read_bytes() + b"x")
    install.install(commits["1.8.1"], environment, wheel)
    assert sha256_of(wheel) == certificate.certificate(environment)["wheel_sha256"]


@pytest.mark.parametrize(("end", "whole"), [("exit 1", True), ("kill -9 $$", False)])
def test_an_environment_that_pip_was_killed_in_is_half_installed(environment, end, whole):
    install.install_stack(environment)
    assert install.is_whole(environment)
    (environment / "bin" / "python").unlink()
    (environment / "bin" / "python").write_text(f"#!/bin/sh\n{end}\n")
    (environment / "bin" / "python").chmod(0o755)
    with pytest.raises(AlbError, match="pip install failed"):
        install._pip(environment, "install", "toy")
    assert install.is_whole(environment) == whole
    if not whole:
        with pytest.raises(AlbError, match="half installed"):
            install.install("a" * 40, environment, environment / "toy.whl")
    # A stack that is begun is none.
    (install.suite_root() / "constraints.txt").write_text("# another\n")
    with pytest.raises(AlbError, match="pip install failed"):
        install.install_stack(environment)
    assert not install.is_whole(environment)


def test_environments_switch_between_releases_without_the_index(commits, environment, tmp_path, three_releases):
    wheels = {v: install.place_wheel(commits[v], tmp_path / v, environment) for v in commits}
    install.install(commits["1.7.3"], environment, wheels["1.7.3"])
    held = json.loads((environment / certificate.CERTIFICATE).read_text())
    assert (held["commit"], held["kind"], held["base"]) == (commits["1.7.3"], "release", "1.7.3")
    assert {key: held["packages"][key] for key in ("tiledbsoma", "somacore", "tiledb")} == {
        "tiledbsoma": "1.7.3",
        "somacore": "1.0.8",
        "tiledb": "0.25.1",
    }
    install.install(commits["1.8.1"], environment, wheels["1.8.1"])
    three_releases.close()
    install.install(commits["1.7.3"], environment, wheels["1.7.3"])
    assert json.loads((environment / certificate.CERTIFICATE).read_text()) == held


def test_what_another_release_pins_does_not_stay(commits, place, environment, tmp_path):
    releases.update()
    for release in (releases_lock.load()[0], releases_lock.load()[2]):
        wheel = install.place_wheel(release.commit, tmp_path / release.version, environment)
        install.install(release.commit, environment, wheel)
    packages = certificate.certificate(environment)["packages"]
    assert packages["somacore"] == "1.0.9" and "tiledb" not in packages


@needs_compiler
def test_the_proof_holds_for_every_kind(toy_history, environment, tiledb, tmp_path, place, capsys):
    released, short = toy_history.release, lambda commit: f"1.7.3+g{commit[:10]}"
    assert installed(environment, released, tmp_path) == ["release", "1.7.3"]
    python = toy_history.commit(tree(python=toy.PYTHON + "x = 1\n"))
    assert installed(environment, python, tmp_path) == ["overlay", short(python)]
    readme = toy_history.commit({"README.md": "Other words.\n", "apis/python/tests/test_toy.py": ""})
    assert installed(environment, readme, tmp_path) == ["same", short(python)]
    native = toy_history.commit(tree(library="// Other words.\n" + toy.LIBRARY))
    assert installed(environment, native, tmp_path) == ["source", short(native)]
    held = certificate.certificate(environment)
    [wheel] = (tmp_path / "asv-cache" / native).glob("*.whl")
    assert (held["commit"], held["base"]) == (native, f"source build of {native}")
    assert held["wheel_sha256"] == sha256_of(wheel) and held["record_sha256"]
    over = toy_history.commit(tree(library="// Other words.\n" + toy.LIBRARY, python=toy.PYTHON + "x = 2\n"))
    assert installed(environment, over, tmp_path) == ["overlay", short(over)]
    assert certificate.certificate(environment)["base"] == f"source build of {native}"
    assert capsys.readouterr().err.count("from source") == 1
    [log] = (place / "wheels" / "builds").glob(f"*/{source.LOG}")
    assert "libtiledbsoma" in log.read_text()
    # Another commit's files in the environment are found out.
    done = proved(environment, native)
    assert f"asv asked for commit {native}, the environment holds tiledbsoma {short(over)}" in done.stderr


@needs_compiler
def test_a_tiledb_of_this_machine_is_part_of_what_is_built(
    toy_history, toy_release, environment, tiledb, tmp_path, monkeypatch
):
    for version, uploaded in (("1.0", "2024-01-01T00:00:00Z"), ("2.0", "2124-01-01T00:00:00Z")):
        toy_release.add("tool", f"tool-{version}-py3-none-any.whl", wheel_of("tool", version), uploaded)
    own = {"library": toy.LINKED, "pyproject": toy.PYPROJECT.replace("requires = []", 'requires = ["tool"]')}
    commit = toy_history.commit(tree(**own))
    python = toy_history.commit(tree(**own, python=toy.PYTHON + "x = 1\n"))
    assert installed(environment, commit, tmp_path)[0] == "source"
    # It is built with what there was when the commit was made.
    [made] = cache.cached_builds()
    log = made.path.with_name(source.LOG).read_text()
    assert "held to tool<=1.0" in log and "Successfully installed tool-1.0" in log
    [held] = (certificate.certificate(environment)["packages"][name] for name in [install.TILEDB])
    assert held == local_tiledb.identity() and held.startswith("2.30.0+")
    foreign = tmp_path / "libtiledb.so.2"
    shutil.copy(tiledb / "lib" / "libtiledb.so", foreign)
    away = tiledb.rename(tmp_path / "away")
    # It is in the wheel, and another one that comes in between is refused by name.
    assert proved(environment, commit).returncode == 0
    said = proved(environment, commit, LD_PRELOAD=str(foreign)).stderr.splitlines()[-1]
    own = install.site_packages(environment) / "tiledbsoma" / "libtiledb.so.2"
    assert f"has loaded {foreign}, expected {own}" in said
    away.rename(tiledb)
    # The same by another path is the same; what another one holds is another build, over it, too.
    monkeypatch.setenv("TILEDB_PATH", f"{tiledb}/")
    assert install.plan(commit).made and install.has_given_tiledb(environment)
    assert installed(environment, python, tmp_path)[0] == "overlay"
    other = toy.shared_library(tmp_path, "libtiledb.so", "int tiledb() { return 1; } int more;")
    (tiledb / "lib" / "libtiledb.so").write_bytes(other)
    assert not install.has_given_tiledb(environment)
    assert [(install.plan(each).kind, install.plan(each).made) for each in (commit, python)] == [("source", None)] * 2


@needs_compiler
def test_a_release_is_compiled_where_that_is_asked_for(toy_history, environment, tiledb, capsys):
    released, _, _ = install.make(toy_history.release, environment)
    python = toy_history.commit(tree(python=toy.PYTHON + "x = 1\n"))
    made = [install.make(commit, environment, from_source=True) for commit in (toy_history.release, python)]
    assert [found.base for found, _, _ in made] == [f"source build of {toy_history.release}"] * 2
    assert [install.make(commit, environment, from_source=True)[1] for commit in (toy_history.release, python)] == [
        wheel for _, wheel, _ in made
    ]
    assert capsys.readouterr().err.count("from source") == 1
    # Who does not ask gets the release's, as before.
    assert released.kind == install.make(toy_history.release, environment)[0].kind == "release"
    assert install.make(python, environment)[0].base == "1.7.3"
    assert install.plan(python, from_source=True).made is not None


@needs_compiler
def test_an_overlay_that_is_damaged_is_made_again_the_same(toy_history, environment, tmp_path, capsys):
    commit = toy_history.commit(tree(python=toy.PYTHON + "x = 1\n"))
    one = install.place_wheel(commit, tmp_path / "one", environment)
    [kept] = cache.cached_builds()
    kept.path.write_bytes(kept.path.read_bytes()[:-1])
    time.sleep(2.1)  # A zip file counts in steps of two seconds.
    two = install.place_wheel(commit, tmp_path / "two", environment)
    assert one.name == two.name and one.read_bytes() == two.read_bytes()
    assert "has not the sha256 that it was made with" in capsys.readouterr().err


@needs_compiler
def test_the_commits_own_requirements_are_installed(toy_history, environment, tmp_path, toy_release):
    commit = toy_history.commit(tree(requires=("numpy", "somacore==1.0.9")))
    assert installed(environment, commit, tmp_path)[0] == "overlay"
    held = certificate.certificate(environment)
    assert held["packages"]["somacore"] == held["companions"]["somacore"] == "1.0.9"
    [wheel] = (tmp_path / "asv-cache" / commit).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"tiledbsoma-1.7.3+g{commit[:10]}.dist-info/METADATA").decode()
    lines = metadata.splitlines()
    assert "Requires-Dist: somacore==1.0.9" in lines and "Requires-Python: >=3.9" in lines
    assert 'Requires-Dist: pytest; extra == "dev"' in lines and metadata.endswith("\nToy.\n")
    # What no release pins came from the index once; afterwards nothing is asked.
    toy_release.close()
    assert installed(environment, commit, tmp_path)[0] == "overlay"


@needs_compiler
def test_a_symbol_that_the_libraries_lack_makes_it_a_source_build(toy_history, environment, tmp_path, monkeypatch):
    monkeypatch.delenv("TILEDB_PATH", raising=False)
    commit = toy_history.commit(tree(python=toy.PYTHON + "library.a_symbol_to_come()\n"))
    assert install.plan(commit).kind == "overlay"
    with pytest.raises(AlbError, match=r"a_symbol_to_come.*TileDB \(missing: set TILEDB_PATH"):
        install.place_wheel(commit, tmp_path / "one", environment)
    found = install.plan(commit)
    assert found.kind == "source" and not found.possible
    assert "1.7.3's libraries fail its trial read (AttributeError:" in found.why
    assert not list((tmp_path / "one").glob("*"))


@needs_compiler
def test_a_build_that_fails_names_the_error_and_keeps_its_log(toy_history, environment, tiledb, tmp_path, place):
    wrong = tree(library="int answer( { return 42; }\n", bld='echo x >> "$TILEDB_PATH/count"\n' + toy.BLD)
    commit = toy_history.commit(wrong)
    with pytest.raises(
        AlbError, match=rf"source build of {commit} failed: .*answer\.cc.*error: .*; its log is "
    ) as told:
        install.place_wheel(commit, tmp_path / "one", environment)
    [log] = (place / "wheels" / "builds").glob("*.failed.log")
    assert str(told.value).endswith(str(log)) and "error:" in log.read_text()
    assert not cache.cached_builds() and not list(log.parent.glob("*/.tree-*"))
    # It is not built again, until its log is removed: by hand, or with what was used least recently.
    with pytest.raises(AlbError, match=r"does not compile: .*answer\.cc.*error: .*remove its log"):
        install.place_wheel(commit, tmp_path / "one", environment)
    assert (tiledb / "count").read_text() == "x\n"
    assert log in cache.prune(0)
    assert install.plan(commit).possible


@needs_compiler
def test_a_build_that_compiles_and_cannot_read_is_no_build(toy_history, environment, tiledb, tmp_path):
    commit = toy_history.commit(tree(library='extern "C" int answer() { return 41; }\n', bld=toy.COUNTING))
    for _ in range(2):
        with pytest.raises(AlbError, match="fails its trial read: AssertionError"):
            install.place_wheel(commit, tmp_path / "one", environment)
    assert not cache.cached_builds()
    # What is compiled is kept; with the next use of the cache it may go.
    assert (tiledb / "count").read_text() == "x\n"
    assert [path.name for path in cache.prune(0) if path.name.endswith(cache.COMPILED)]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PATH": "git-only"}, r"20 compiler \(missing: c\+\+.*cmake \(missing:.*TileDB \(missing: set TILEDB_PATH"),
        ({"CXX": "no-such-compiler"}, r"compiler \(missing: CXX=no-such-compiler is not on PATH\)"),
        ({"TILEDB_PATH": "/nowhere"}, r"TileDB \(missing: TILEDB_PATH=/nowhere has no include/tiledb\)"),
        ({"TILEDBSOMA_PATH": "/nowhere"}, r"TILEDBSOMA_PATH \(missing: .* not the commit's: unset it; .*--head-env"),
    ],
)
def test_what_a_source_build_lacks_is_named_at_once(
    three_releases, place, environment, tmp_path, monkeypatch, variables, said
):
    repository = toy.Repository(place / "tiledb-soma")
    commit = repository.commit(tree())
    for name in ("TILEDB_PATH", "TILEDBSOMA_PATH", "CXX"):
        monkeypatch.delenv(name, raising=False)
    tools = tmp_path / "git-only"
    tools.mkdir()
    (tools / "git").symlink_to(install.shutil.which("git"))
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tools) if value == "git-only" else value)
    with pytest.raises(AlbError, match=said):
        install.place_wheel(commit, tmp_path / "one", environment)


@needs_compiler
def test_where_tiledb_would_come_from_is_looked_at(three_releases, place, environment, tmp_path, monkeypatch, tiledb):
    find = 'SET(DOWNLOAD_URL "http://127.0.0.1:1/tiledb.tar.gz")\n'
    files = {**tree(), "libtiledbsoma/cmake/Modules/FindTileDB_EP.cmake": find}
    commit = toy.Repository(place / "tiledb-soma").commit(files)
    with pytest.raises(AlbError, match=rf"TILEDB_PATH={tiledb} has no lib/cmake/TileDB/TileDBConfig\.cmake"):
        install.place_wheel(commit, tmp_path / "one", environment)
    (tiledb / "lib" / "cmake" / "TileDB").mkdir(parents=True)
    (tiledb / "lib" / "cmake" / "TileDB" / "TileDBConfig.cmake").touch()
    assert install.plan(commit).possible
    monkeypatch.delenv("TILEDB_PATH")
    with pytest.raises(AlbError, match=r"downloads it from 127\.0\.0\.1, which cannot be reached.*TILEDB_PATH"):
        install.place_wheel(commit, tmp_path / "one", environment)
    assert install.plan(commit).kind == "source"


@needs_compiler
def test_two_processes_build_a_commit_once(toy_history, environment, tiledb, tmp_path):
    commit = toy_history.commit(tree(library=toy.LIBRARY + "// own\n", bld=toy.COUNTING))
    context = multiprocessing.get_context("fork")
    places = [(commit, tmp_path / name, environment) for name in ("one", "two")]
    workers = [context.Process(target=install.place_wheel, args=place) for place in places]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert (tiledb / "count").read_text() == "x\n"
    one, two = (next((tmp_path / name).glob("*.whl")) for name in ("one", "two"))
    assert sha256_of(one) == sha256_of(two)


@needs_compiler
def test_a_kill_while_a_wheel_is_written_leaves_nothing_that_counts(toy_history, environment, tiledb, tmp_path, place):
    waiting = 'if [ ! -e "$TILEDB_PATH/go" ]; then touch "$TILEDB_PATH/waiting"; sleep 60; fi\n'
    commit = toy_history.commit(tree(library=toy.LIBRARY + "// own\n", bld=toy.BLD + waiting))
    worker = multiprocessing.get_context("fork").Process(
        target=install.place_wheel, args=(commit, tmp_path / "one", environment)
    )
    worker.start()
    while not (tiledb / "waiting").exists():
        time.sleep(0.05)
        assert worker.is_alive()
    building = psutil.Process(worker.pid).children(recursive=True)
    worker.kill()
    worker.join()
    # pip, its build process, the build script and what that waits for.
    assert len(building) > 3 and len(psutil.wait_procs(building, timeout=20)[0]) == len(building)
    root = place / "wheels" / "builds"
    assert list(root.glob(".*.partial-*")) and not cache.cached_builds()
    (tiledb / "go").touch()
    install.place_wheel(commit, tmp_path / "two", environment)
    [made] = cache.cached_builds()
    assert made.commit == commit and cache.verified(made) and not list(root.glob(".*.partial-*"))


def test_a_requirement_that_the_stack_cannot_hold_is_named(three_releases, place, environment, tmp_path):
    repository = toy.Repository(place / "tiledb-soma")
    commit = repository.commit(tree(requires=("numpy>=99",)))
    assert "requires numpy>=99, the stack has numpy" in install.plan(commit).why
    with pytest.raises(AlbError, match="numpy>=99"):
        install.place_wheel(commit, tmp_path / "one", environment)
