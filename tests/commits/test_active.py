import subprocess

import pytest
from toy import Repository, tree

from alb_core.base.errors import AlbError
from alb_core.commits.history import active, releases, releases_lock
from alb_core.commits.history.git import git


@pytest.fixture
def own(tmp_path):
    """A user's working checkout."""
    repository = Repository(tmp_path / "own")
    repository.commit(tree())
    return repository


def state(path):
    """Everything of a repository that a reader must not change."""
    index = (path / ".git" / "index").read_bytes()
    return git(path, "for-each-ref"), git(path, "rev-parse", "HEAD"), index, sorted((path / ".git").iterdir())


def test_histories_do_not_overwrite_one_another(three_releases, place, own, tmp_path):
    root = place / "tiledb-soma"
    assert releases.use() == root and active.show().kind == active.RELEASES
    git(root, "branch", "mine")
    active.clone(str(own.path))
    assert active.show().kind == active.CLONE and root.resolve() == place / "histories" / "clone"
    git(root, "branch", "mine-too")
    active.use(own.path)
    assert active.show().kind == active.OWN and root.resolve() == own.path
    releases.use()
    assert git(root, "rev-parse", "mine") == releases_lock.load()[-1].commit
    active.clone(None)
    assert git(root, "rev-parse", "mine-too") and git(root, "config", "remote.origin.url") == str(own.path)


def test_a_release_history_made_in_place_is_adopted(three_releases, place, own, capsys):
    root = place / "tiledb-soma"
    releases.use()
    made = root.resolve()
    root.unlink()
    made.rename(root)
    (root / "notes").write_text("mine")
    assert releases.use() == root and not root.is_symlink()
    active.use(own.path)
    assert "lies in" in capsys.readouterr().err
    releases.use()
    assert (root / "notes").read_text() == "mine" and root.resolve() == made


def test_two_release_histories_are_not_mixed(three_releases, place, own):
    root = place / "tiledb-soma"
    releases.use()
    made = root.resolve()
    root.unlink()
    subprocess.run(["cp", "-r", made, root], check=True)
    with pytest.raises(AlbError, match="are both histories of the releases"):
        active.use(own.path)
    assert made.is_dir() and not root.is_symlink()


def test_a_repository_of_the_users_in_the_place_itself_stays(three_releases, place, own):
    place.mkdir(exist_ok=True)
    own.path.rename(place / "tiledb-soma")
    for change in (releases.use, lambda: active.clone(str(place / "tiledb-soma"))):
        with pytest.raises(AlbError, match="is a repository of your own: move it elsewhere"):
            change()
    active.use(place / "tiledb-soma")
    assert not (place / "tiledb-soma").is_symlink() and active.show().kind == active.OWN


def test_a_working_checkout_is_used_from_below_and_untouched(place, own):
    (own.path / "README.md").write_text("not committed\n")
    (own.path / "apis" / "python" / "src" / "tiledbsoma" / "new.py").write_text("x = 1\n")
    own.git("mv", "scripts/bld", "scripts/build it")
    before = state(own.path)
    active.use(own.path / "apis" / "python")
    shown = active.show()
    assert shown.path == own.path and shown.head == shown.main == own.git("rev-parse", "HEAD")
    assert set(shown.uncommitted) == {"README.md", "scripts/build it", "apis/python/src/tiledbsoma/new.py"}
    assert state(own.path) == before


def test_a_worktree_and_a_bare_repository_are_used_too(place, own, tmp_path):
    own.git("worktree", "add", "-q", "-b", "feature", str(tmp_path / "tree"))
    active.use(tmp_path / "tree")
    assert (active.show().branch, active.show().uncommitted) == ("feature", ())
    own.git("clone", "-q", "--bare", str(own.path), str(tmp_path / "bare.git"))
    active.use(tmp_path / "bare.git")
    assert active.show().main == own.git("rev-parse", "main") and active.show().uncommitted == ()


def test_a_clone_has_main_and_follows_it(place, own, capsys):
    active.clone(str(own.path))
    clone = place / "tiledb-soma"
    newest = own.commit({"README.md": "newer\n"})
    active.clone(str(own.path))
    assert active.show().main == active.show().head == newest and active.show().uncommitted == ()
    (clone / "libtiledbsoma" / "CMakeLists.txt").write_text("mine\n")
    newer = own.commit({"README.md": "newest\n"})
    active.clone(None)
    assert active.show().main == newest and "uncommitted changes; its main stays" in capsys.readouterr().err
    git(clone, "-c", "user.name=n", "-c", "user.email=e@f", "commit", "-qam", "mine")
    active.clone(None)
    assert "commits of its own and stays" in capsys.readouterr().err
    git(clone, "switch", "-qc", "feature")
    git(clone, "branch", "-f", "main", newest)
    active.clone(None)
    assert git(clone, "rev-parse", "main") == newer


def test_a_clone_of_a_repository_without_main_gets_one_and_another_repository_is_refused(place, own, tmp_path):
    own.git("branch", "-m", "trunk")
    active.clone(str(own.path))
    assert active.show().main == own.git("rev-parse", "trunk")
    other = Repository(tmp_path / "other")
    other.commit(tree())
    with pytest.raises(AlbError, match=rf"is a clone of {own.path}: move it away, then clone {other.path}"):
        active.clone(str(other.path))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("nothing", "is no directory"),
        ("directory", "is no git repository, expected one of tiledb-soma"),
        ("empty repository", "has no commit yet"),
        ("other repository", "is not tiledb-soma: commit HEAD holds no tiledbsoma"),
    ],
)
def test_what_is_not_tiledb_soma_is_refused_and_nothing_changes(place, tmp_path, kind, said):
    path = tmp_path / "it"
    if kind == "directory":
        path.mkdir()
    elif "repository" in kind:
        repository = Repository(path)
        if kind == "other repository":
            repository.commit({"README.md": "else\n"})
    with pytest.raises(AlbError, match=said):
        active.use(path)
    assert not (place / "tiledb-soma").is_symlink()
    if kind == "other repository":
        with pytest.raises(AlbError, match=said):
            active.clone(str(path))
        assert not active.clone_path().exists() and not list((place / "histories").glob(".clone.partial*"))


def test_a_clone_that_cannot_be_had_leaves_nothing(place):
    with pytest.raises(AlbError, match="git clone failed"):
        active.clone("http://127.0.0.1:1/repository.git")
    assert not active.clone_path().exists() and not (place / "tiledb-soma").is_symlink()


def test_a_password_of_an_address_is_shown_nowhere(place, capsys):
    with pytest.raises(AlbError) as told:
        active.clone("http://user:secret@127.0.0.1:9/soma")
    assert "127.0.0.1:9/soma" in str(told.value) and "cloning http://127.0.0.1:9" in (said := capsys.readouterr().err)
    assert "secret" not in str(told.value) + said and told.value.__cause__ is None
