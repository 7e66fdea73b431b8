import pytest
import toy
from toy import Repository, needs_compiler, tree

from alb_core.base.errors import AlbError
from alb_core.commits.builds import install
from alb_core.commits.builds.plan import Planner, commits_of
from alb_core.commits.history import package, releases, releases_lock

pytestmark = needs_compiler


def kinds(root, words):
    with Planner(root) as planner:
        return [plan.kind for plan in planner.plan_all(commits_of(root, words))]


@pytest.fixture
def story(toy_history):
    """Seven commits: as released, README, Python, README, C++, Python, C++ back."""
    own = toy.LIBRARY + "// own\n"
    toy_history.commit({"README.md": "b"})
    toy_history.commit(tree(python=toy.PYTHON + "x = 1\n"))
    toy_history.commit({"README.md": "c"})
    toy_history.commit(tree(python=toy.PYTHON + "x = 1\n", library=own))
    toy_history.commit(tree(python=toy.PYTHON + "x = 2\n", library=own))
    toy_history.commit(tree(python=toy.PYTHON + "x = 2\n"))
    return toy_history


def test_a_range_is_planned_in_the_order_in_which_it_is_built(story):
    expected = ["release", "release", "overlay", "same", "source", "overlay", "overlay"]
    assert kinds(story.path, "HEAD main") == expected
    assert kinds(story.path, f"{story.release}..HEAD") == expected[1:]
    assert kinds(story.path, "HEAD^") == kinds(story.path, "HEAD^^!") == ["source"]
    # Ancestry and tags do not matter.
    story.git("switch", "-q", "--orphan", "alone")
    story.commit(tree())
    story.git("tag", "9.9.9")
    assert kinds(story.path, "9.9.9") == ["release"]


def test_it_is_the_same_in_the_release_history(toy_release, place):
    root = releases.ensure()
    assert kinds(root, "1.7.3") == ["release"]
    git = Repository.git.__get__(type("Here", (), {"path": root})())
    (root / "src" / "tiledbsoma" / "__init__.py").write_text("x = 1\n")
    git("commit", "-qam", "mine")
    assert kinds(root, "HEAD") == ["overlay"]
    (root / "dist_links" / "libtiledbsoma" / "src" / "answer.cc").write_text("int x;\n")
    git("commit", "-qam", "mine")
    assert kinds(root, "HEAD") == ["source"]


def test_reasons_name_what_is_compared_and_what_is_here(story, monkeypatch):
    for name in ("TILEDB_PATH", "TILEDBSOMA_PATH"):
        monkeypatch.delenv(name, raising=False)
    with Planner(story.path) as planner:
        _, _, overlay, same, source, over, _ = planner.plan_all(commits_of(story.path, f"{story.release}^!")) + (
            planner.plan_all(commits_of(story.path, f"{story.release}..HEAD"))
        )
    assert "native sources are those of 1.7.3; Python files that differ: 1" in overlay.why
    assert same.why == f"its package equals that of {overlay.commit[:10]}, which comes before it here"
    assert "no release's; needs a C++20 compiler (here), Python's headers (here), make (here), cmake" in source.why
    assert "TileDB (missing: " in source.why
    assert not source.possible and over.possible
    assert f"those of {source.commit[:10]}, which is compiled before it here" in over.why


def test_a_requirement_of_no_release_is_announced(toy_history):
    toy_history.commit(tree(requires=("numpy", "somacore==1.0.9")))
    [plan] = (planner := Planner(toy_history.path)).plan_all(commits_of(toy_history.path, "HEAD"))
    planner.__exit__(None, None, None)
    assert plan.kind == "overlay" and plan.why.endswith("; somacore==1.0.9 of no release, asked of the index")


def test_without_the_index_what_is_cached_works_and_the_plan_says_what_is_not(toy_history, toy_release, place, capsys):
    toy_release.close()
    commit = toy_history.commit(tree(python=toy.PYTHON + "x = 1\n"))
    assert "wheel to be fetched" not in install.plan(commit).why
    [wheel] = (place / "wheels").glob("tiledbsoma-1.7.3-*.whl")
    wheel.unlink()
    assert "those of 1.7.3, wheel to be fetched" in install.plan(commit).why
    for path in [*(place / "wheels" / "fingerprints").iterdir(), *(place / "wheels").glob("*.tar.gz")]:
        path.unlink()
    capsys.readouterr()
    found = install.plan(commit)
    assert found.kind == "source" and "(not compared with 1.7.3: neither cached nor to be had)" in found.why
    assert "what is cached still works" in capsys.readouterr().err


def test_a_fingerprint_is_kept_and_a_damaged_one_made_again(toy_release, place):
    known, _ = package.of_releases(releases_lock.load())
    [kept] = (place / "wheels" / "fingerprints").iterdir()
    before = kept.read_bytes()
    [sdist] = (place / "wheels").glob("*.tar.gz")
    content = sdist.read_bytes()
    sdist.unlink()
    assert package.of_releases(releases_lock.load()) == (known, [])
    sdist.write_bytes(content)
    kept.write_text("{")
    assert package.of_releases(releases_lock.load()) == (known, []) and kept.read_bytes() == before


def test_a_release_that_the_index_lost_does_not_hide_the_others(three_releases, place, capsys):
    for path in (place / "wheels").glob("*.tar.gz"):
        path.unlink()
    three_releases.projects["tiledbsoma"] = [
        item for item in three_releases.projects["tiledbsoma"] if item[0]["filename"] != "tiledbsoma-1.7.3.tar.gz"
    ]
    known, unknown = package.of_releases(releases_lock.load())
    assert unknown == ["1.7.3"] and list(known) == ["1.8.1"]
    assert "no longer has tiledbsoma-1.7.3.tar.gz: put a copy" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["nowhere", "nowhere..HEAD", "", "--all"])
def test_a_range_that_git_does_not_know(story, words):
    with pytest.raises(AlbError, match=r"nowhere|is no range"):
        commits_of(story.path, words)
