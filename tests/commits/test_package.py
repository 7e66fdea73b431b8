import pytest
import toy
from local_index import sdist_of
from toy import Repository, tree

from alb_core.base.errors import AlbError
from alb_core.commits.history.git import Objects
from alb_core.commits.history.package import Packages, of_distribution


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


def package(repository, commit="HEAD"):
    with Objects(repository.path) as objects:
        return Packages(objects).of(commit)


def test_a_distribution_and_the_tree_it_was_made_from_are_the_same_package(repository, tmp_path):
    repository.commit(tree())
    path = tmp_path / "tiledbsoma-1.7.3.tar.gz"
    path.write_bytes(sdist_of("1.7.3", toy.distribution(tree(), "1.7.3")))
    one, other = package(repository), of_distribution(path)
    assert one.key == other.key and set(one.python) == {"tiledbsoma/__init__.py", "tiledbsoma/io/__init__.py"}
    assert one.requires == ("numpy", "somacore==1.0.8") and one.requires_python == ">=3.9"


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("README.md", ""),
        ("apis/python/tests/test_toy.py", ""),
        ("apis/python/version.py", ""),
        ("apis/python/src/tiledbsoma/notes.md", ""),
        ("apis/python/src/scripts/loose.py", ""),
        ("libtiledbsoma/test/test.cc", ""),
        ("libtiledbsoma/doc/reader.uml", ""),
        ("scripts/show-versions.py", ""),
        ("apis/python/src/tiledbsoma/io/more.py", "python"),
        ("apis/python/src/tiledbsoma/module.cc", "native"),
        ("libtiledbsoma/src/header_without_suffix", "native"),
        ("libtiledbsoma/cmake/Modules/FindTileDB_EP.cmake", "native"),
        ("scripts/bld", "native"),
    ],
)
def test_what_counts(repository, path, changes):
    repository.commit(tree())
    before = package(repository)
    repository.commit({path: "# other\n"})
    after = package(repository)
    assert (before.native != after.native) == (changes == "native")
    assert (before.python != after.python) == (changes == "python")
    assert (before.key != after.key) == bool(changes)


def test_another_requirement_is_another_package_of_the_same_libraries(repository):
    one, two = (package(repository, repository.commit(tree(requires=[need]))) for need in ("a", "b"))
    assert one.native == two.native and one.key != two.key


def test_a_commit_that_is_not_there_and_a_tree_that_is_not_tiledbsoma(repository, tmp_path):
    first = repository.commit({"README.md": "else\n"})
    with pytest.raises(AlbError, match="holds no tiledbsoma: expected apis/python/src/tiledbsoma"):
        package(repository)
    with pytest.raises(AlbError, match=rf"has no commit {'0' * 40}, expected one"):
        package(repository, "0" * 40)
    repository.commit({"README.md": "x"})
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.path}", str(tmp_path / "shallow"))
    with Objects(tmp_path / "shallow") as objects, pytest.raises(AlbError, match="shallow clone: run `git fetch --uns"):
        Packages(objects).of(first)


def test_a_damaged_distribution_is_named(tmp_path):
    (tmp_path / "tiledbsoma-1.tar.gz").write_bytes(b"\x1f\x8b cut")
    with pytest.raises(AlbError, match=r"tiledbsoma-1\.tar\.gz is no source distribution"):
        of_distribution(tmp_path / "tiledbsoma-1.tar.gz")
