from datetime import UTC, datetime

import pytest
import toy
from wheels import wheel_of

from alb_core.commits.builds import constraints

THEN = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def added(index):
    """Add wheels to the index: versions and when they came; what each needs."""
    constraints._say_once.cache_clear()

    def add(project, uploads, requires=(), **more):
        metadata = "".join(["Metadata-Version: 2.1\n", *(f"Requires-Dist: {line}\n" for line in requires)]).encode()
        for version, uploaded in uploads.items():
            name = f"{project}-{version}-py3-none-any.whl"
            index.add(project, name, wheel_of(project, version), uploaded, metadata=metadata, **more)

    return add


def test_the_newest_that_was_there_and_fits_with_what_it_needs_itself(added):
    added(
        "tool", {"1.0": "2023-01-01T00:00:00Z", "1.5": "2024-05-01T00:00:00Z", "2.0": "2024-07-01T00:00:00Z"}, ["part"]
    )
    added("tool", {"1.6rc1": "2024-05-02T00:00:00Z"})
    added("tool", {"1.7": "2024-05-02T00:00:00Z"}, yanked=True)
    added("part", {"3": "2024-01-01T00:00:00Z", "4": "2025-01-01T00:00:00Z"}, ["no-such; extra == 'other'"])
    assert constraints.at(["tool[more]>=1.0"], THEN) == ["part<=3", "tool<=1.5"]
    assert constraints.at(["tool<1.5"], THEN) == ["part<=3", "tool<=1.0"]
    # One that came later is the commit's own business.
    assert constraints.at(["tool>=2"], THEN) == []


@pytest.mark.parametrize("missing", ["times", "index"])
def test_where_nothing_says_when_it_came_nothing_is_held(added, index, capsys, missing):
    added("tool", {"1.0": None})
    if missing == "index":
        index.close()
    assert [constraints.at(["tool"], THEN) for _ in range(2)] == [[], []]
    assert capsys.readouterr().err.count("takes the newest versions") == 1


def test_a_new_commit_over_an_old_main_takes_what_that_main_took(tmp_path, monkeypatch):
    repository = toy.Repository(tmp_path / "repository")

    def commit(branch, year):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{year}-03-01T00:00:00Z")
        if branch != "main":
            repository.git("switch", "-q", "-c", branch)
        return repository.commit({branch: str(year)})

    old, own = commit("main", 2024), commit("own", 2026)
    assert [constraints.began(repository.path, each).year for each in (old, own)] == [2024, 2024]
    # Without a main, it is the commit's own date.
    repository.git("branch", "-q", "-D", "main")
    assert constraints.began(repository.path, own).year == 2026
