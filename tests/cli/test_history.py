"""`alb history` as typed, over a small repository."""

import re

import pytest
from command import typed
from toy import LIBRARY, PYTHON, Repository, tree

from alb_core.commits.history import releases_lock


@pytest.fixture
def place(data, tmp_path, monkeypatch):
    """A data directory, no releases, and no local copy of TileDB."""
    for name in ("TILEDB_PATH", "TILEDBSOMA_PATH", "ALB_WHEEL_CACHE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "releases.json"
    monkeypatch.setattr(releases_lock, "lock_path", lambda: path)
    # A lock without any is refused; these tests are of what needs none.
    monkeypatch.setattr(releases_lock, "load", lambda: [])
    return data


@pytest.fixture
def own(tmp_path):
    """A checkout: C++, README, Python."""
    repository = Repository(tmp_path / "own")
    repository.commits = [
        repository.commit(tree(library=LIBRARY + "// own\n")),
        repository.commit({"README.md": "x"}),
        repository.commit(tree(library=LIBRARY + "// own\n", python=PYTHON + "x = 1\n")),
    ]
    return repository


@pytest.fixture
def alb(place, capsys):
    """Type `alb history ...`; returns its exit status, output and complaints."""

    def alb(*words):
        capsys.readouterr()
        return typed("history", *words), *capsys.readouterr()

    return alb


def test_show_says_which_history_is_in_use(alb, own):
    (own.path / "README.md").write_text("not committed\n")
    assert alb("use", str(own.path))[0] == 0
    status, out, _ = alb("show")
    assert status == 0 and out.splitlines() == [
        f"history  {own.path} (your own repository, only read)",
        f"main     {own.commits[-1]}",
        f"HEAD     {own.commits[-1]} (main, 3 commits)",
        "         not committed, so not measured: README.md",
    ]


def test_show_says_that_main_is_missing_and_that_it_is_a_clone(alb, own, place):
    own.git("branch", "-m", "trunk")
    assert "main     none: `asv continuous main HEAD` needs a branch" in alb("use", str(own.path))[1]
    status, out, _ = alb("clone", str(own.path))
    assert status == 0 and f"{place / 'histories' / 'clone'} (clone)" in out


def test_plan_is_a_line_for_each_commit(alb, own):
    alb("use", str(own.path))
    status, out, _ = alb("plan", "HEAD~2^!")
    assert status == 0 and out.startswith(own.commits[0][:10])
    status, out, _ = alb("plan", "main")
    assert [line.split()[1] for line in out.splitlines()] == ["source"]
    own.git("tag", "start", own.commits[0])
    status, out, _ = alb("plan", "start..main")
    assert [line.split()[:2] for line in out.splitlines()] == [
        [own.commits[1][:10], "source"],
        [own.commits[2][:10], "overlay"],
    ]
    assert alb("plan", "--count", "start..main")[1] == "0 release, 0 same, 1 overlay, 1 source, 2 commits\n"


def test_what_the_machine_lacks_is_said_once_with_its_command(alb, own, tmp_path, monkeypatch):
    import alb_core.cli.history as command
    from alb_core.commits.builds.needs import Need

    managers = {"apt": "apt install c", "dnf": "dnf install c", "pip": "pip install c"}
    lacking = [Need("git", True, "here"), Need("c", False, "no c", managers), Need("d", False, "set D", {"brew": "b"})]
    monkeypatch.setattr(command.needs, "needs", lambda *_: lacking)
    monkeypatch.setattr(command, "measuring_needs", lambda: [Need("valgrind", False, "slower", {"dnf": "dnf v"})])
    monkeypatch.setattr(command, "_managers", lambda: ["dnf"])
    alb("use", str(own.path))
    own.git("switch", "-q", "main")
    own.commit(tree(library=LIBRARY + "// other\n"))
    status, out, err = alb("plan", "--needs", "HEAD~3..HEAD")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "missing  c (2 source builds): no c",
        "         dnf install c",
        "missing  d (2 source builds): set D",
        "missing  valgrind: slower",
        "         dnf v",
    ]
    # Of another system all are said.
    monkeypatch.setattr(command, "_managers", list)
    assert "         b" in alb("plan", "--needs", "HEAD")[1].splitlines()
    lacking[1:] = []
    monkeypatch.setattr(command, "measuring_needs", list)
    assert alb("plan", "--needs", "HEAD")[1] == "nothing is missing to build and measure 1 commits\n"


def test_commits_are_full_hashes_and_new_ones_those_since_the_last_result(alb, own, tmp_path, monkeypatch):
    import alb_core.cli.history as command

    alb("use", str(own.path))
    assert alb("commits", f"{own.commits[0]}..main")[:2] == (0, f"{own.commits[2]}\n")
    results = tmp_path / "results"
    monkeypatch.setattr(command, "results_root", lambda: results)
    status, out, err = alb("commits", "NEW", "--machine", "m")
    assert (status, out) == (0, f"{own.commits[2]}\n") and "no results of machine m" in err
    (results / "m").mkdir(parents=True)
    (results / "m" / "machine.json").write_text("{}")
    (results / "m" / f"{own.commits[0][:8]}-x.json").write_text(f'{{"commit_hash": "{own.commits[0]}"}}')
    (results / "m" / "00000000-x.json").write_text(f'{{"commit_hash": "{"0" * 40}"}}')
    assert alb("commits", "NEW", "--machine", "m")[1] == f"{own.commits[2]}\n"
    (results / "m" / "bbbbbbbb-x.json").write_text(f'{{"commit_hash": "{own.commits[2]}"}}')
    assert alb("commits", "NEW", "--machine", "m")[:2] == (0, "")


def test_prune_says_what_went(alb, place):
    (place / "wheels").mkdir(parents=True)
    wheel = place / "wheels" / "a-1-py3-none-any.whl"
    wheel.write_bytes(b"x")
    assert re.fullmatch(r"0 removed; the cache holds 0\.00 GiB, limit 10 GiB\n", alb("prune")[1])
    for size in ("-1", "nan", "inf", "much"):
        assert alb("prune", f"--to={size}")[0] == 2 and wheel.exists()
    assert alb("prune", "--to", "0")[1].splitlines() == [str(wheel), "1 removed; the cache holds 0.00 GiB, limit 0 GiB"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("plan nowhere", "has no commit nowhere"),
        ("plan nowhere..HEAD", "expected a range such as main~20..main"),
        ("commits nowhere", "has no commit nowhere"),
        ("use /nowhere", "/nowhere is no directory"),
        ("clone http://127.0.0.1:1/x.git", "git clone failed"),
    ],
)
def test_bad_input_is_one_line(alb, own, words, said):
    alb("use", str(own.path))
    status, _, err = alb(*words.split())
    line = err.splitlines()[-1]
    assert status == 2 and line.startswith("alb: ") and said in line and "Traceback" not in err


@pytest.mark.parametrize("words", ["plan", "commits main", "show"])
def test_without_a_history_it_says_how_to_make_one(place, refused, words):
    assert "alb history releases` or `alb history clone" in refused("history", *words.split())
