"""What the configuration of a checkout would start is not started by looking at it."""

import subprocess

import pytest
from asv.repo import NoSuchNameError

from alb_core.base.errors import AlbError
from alb_core.commits.history import active
from alb_core.commits.history.git import Objects, git, tip
from alb_core.rounds.asv_environment import GitObjects

USER = ("-c", "user.name=a", "-c", "user.email=a@b")


def by_user(root, *words):
    return subprocess.run(
        ["git", "-C", root, *USER, *words], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    ).stdout


@pytest.fixture
def checkout(tmp_path):
    """A repository with a commit, a changed file, and a program that leaves a file where it is run."""
    root = tmp_path / "checkout"
    root.mkdir()
    by_user(root, "init", "-q", "-b", "main")
    (root / "a.txt").write_text("a")
    (root / ".gitattributes").write_text("*.txt filter=mine\n")
    by_user(root, "add", "-A")
    by_user(root, "commit", "-q", "-m", "one")
    (root / "a.txt").write_text("b")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\ntimeout 1 cat\n")
    program.chmod(0o755)
    return root


def filtered(root, program):
    for part in ("clean", "smudge"):
        by_user(root, "config", f"filter.mine.{part}", program)
    by_user(root, "config", "filter.mine.required", "true")


def monitored(root, program):
    by_user(root, "config", "core.fsmonitor", program)


def hooked(root, program):
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        (root / ".git" / "hooks").mkdir(exist_ok=True)
        (root / ".git" / "hooks" / name).symlink_to(program)


def fetching(root, program):
    """An object is missing, and would be fetched by a program."""
    for words in (("remote.origin.url", f"ext::{program}"), ("protocol.ext.allow", "always")):
        by_user(root, "config", *words)
    for words in (("remote.origin.promisor", "true"), ("core.repositoryformatversion", "1")):
        by_user(root, "config", *words)
    by_user(root, "config", "extensions.partialClone", "origin")
    name = by_user(root, "rev-parse", "HEAD:a.txt").strip()
    (root / ".git" / "objects" / name[:2] / name[2:]).unlink()


@pytest.mark.parametrize(
    ("prepare", "live"),
    [
        (filtered, ("status", "--porcelain")),
        (monitored, ("status", "--porcelain")),
        (hooked, ("checkout", "--quiet", "HEAD")),
        (fetching, ("cat-file", "-p", "HEAD:a.txt")),
    ],
)
def test_looking_at_a_checkout_starts_nothing_of_its_own(checkout, prepare, live):
    started = checkout.parent / "started"
    prepare(checkout, str(checkout.parent / "program"))
    active.uncommitted(checkout)
    head = tip(checkout, "HEAD")
    with Objects(checkout) as objects:
        objects.root(head)
        if prepare is fetching:
            with pytest.raises(AlbError):
                objects.blob(f"{head}:a.txt")
    if prepare is not fetching:
        git(checkout, "archive", "--format=tar", "--output=../a.tar", head)
    git(checkout, "checkout", "--quiet", "--detach", "HEAD")
    repository = GitObjects(str(checkout), "none")
    repository.get_date(head)
    repository.get_tags()
    assert not started.exists()
    # Else this test tests nothing: to a git that is asked without care, it is live.
    by_user(checkout, *live)
    assert started.exists()


def test_git_of_another_repository_that_runs_this_process_is_left_out(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert tip(checkout, "HEAD") is not None
    assert GitObjects(str(checkout), "none").get_branch_commits("main") == [tip(checkout, "main")]


@pytest.mark.parametrize(
    "word", ["", "--help", "-n", "HEAD..HEAD", "^HEAD", "HEAD^!", "HEAD^@", "HEAD:a.txt", "nosuch"]
)
def test_what_is_not_one_commit_stands_for_none(checkout, word):
    by_user(checkout, *USER, "commit", "-q", "-a", "-m", "two")
    assert tip(checkout, word) is None
    with pytest.raises(NoSuchNameError):
        GitObjects(str(checkout), "none").get_hash_from_name(word or "-")
    assert tip(checkout, "HEAD~1") != tip(checkout, "HEAD")
