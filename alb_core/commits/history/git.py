"""Git repositories: commands, objects, and the release history as commits.

Each release is one commit: its source distribution, unpacked. The lock of releases fixes its author, committer and
dates, so its hash is the same on every machine. ``git fast-import`` writes the objects: no filter, hook, signature or
line ending setting of the user's git takes part.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

from alb_core.base.errors import AlbError
from alb_core.base.processes import CannotStartError, Program, run
from alb_core.commits.history.releases_lock import Release

#: The line of releases, kept apart from ``main`` so that a user may commit there.
RELEASES_REF = "refs/alb/releases"

#: git's mode of a directory in a tree.
DIRECTORY = "40000"

_HASH = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")

_IDENTITY = "tiledb-soma releases <releases@tiledb-soma.invalid>"


#: What a repository's own configuration may not start: monitors, hooks, checks of signatures.
#: What git tidies up after a fetch or a merge would be ended with it, were it left to go on behind.
_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "log.showSignature": "false",
    "merge.verifySignatures": "false",
    "gc.autoDetach": "false",
}

#: For commands that fetch nothing, unless objects are missing: then over https, and no program gives a password.
_AT_HOME = {"credential.helper": "", "core.askPass": ""}
_FETCHING = ("clone", "fetch")

#: Commands that read or write files through the filters of a repository, such as that of git-lfs.
_FILTERING = ("status", "checkout", "reset", "merge", "archive", "sparse-checkout")

#: Options of ``git status``: a submodule has a configuration of its own, which nothing of the above reaches.
STATUS = ("--porcelain", "-z", "--ignore-submodules=all")

#: Variables by which a git that runs this process, as in a hook, would lead ours to its own repository.
_OF_ANOTHER_GIT = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|PREFIX|"
    r"EXTERNAL_DIFF|GRAFT_FILE|SHALLOW_FILE|REPLACE_REF_BASE|INTERNAL_.*)"
)


def options(repository: Path, arguments: Sequence[str]) -> list[str]:
    """Options with which git starts no program that a repository's own configuration names, as far as git can.

    Asking git for its configuration starts none.
    """
    command = next((word for word in arguments if not word.startswith("-")), "")
    settings = dict(_SETTINGS) if command in _FETCHING else {**_SETTINGS, **_AT_HOME}
    if command in _FILTERING:
        asked = ["git", "-C", str(repository), "config", "--name-only", "-z", "--get-regexp", r"^filter\."]
        for name in {key.rpartition(".")[0] for key in run(asked, env=variables(command)).text.split("\0") if key}:
            if "=" in name:
                raise AlbError(
                    f"{repository} has a filter with '=' in its name, {name!r}: remove it, git cannot skip it"
                )
            settings |= {f"{name}.{part}": "" for part in ("clean", "smudge", "process")}
            settings[f"{name}.required"] = "false"
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def variables(command: str, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables for git: without those of another git, and with those that let it start less."""
    kept = {name: value for name, value in given.items() if not _OF_ANOTHER_GIT.fullmatch(name)}
    return kept if command in _FETCHING else {**kept, "GIT_ALLOW_PROTOCOL": "https"}


def git(repository: Path, *arguments: str, stdin: bytes | None = None, strip: bool = True) -> str:
    """Run git in a repository and return its standard output, stripped unless told otherwise."""
    try:
        command = ["git", "-C", str(repository), *options(repository, arguments), *arguments]
        done = run(command, given=stdin, env=variables(arguments[0]))
    except CannotStartError as error:
        raise AlbError("git is not installed or not on PATH: install it") from error
    if done.status:
        complaint = done.reason
        if "safe.directory" in complaint:
            # git's last line says what to type, and its first one why.
            complaint = f"{done.errors.strip().splitlines()[0]}: {complaint}"
        raise AlbError(f"git {arguments[0]} failed in {repository}: {complaint}")
    return done.text.strip() if strip else done.text


def tip(repository: Path, name: str) -> str | None:
    """Return the one commit that a name stands for, or None: a range, an option and nothing at all stand for none."""
    if not name or name.startswith("-"):
        return None
    try:
        found = git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except AlbError:
        return None
    return found if _HASH.fullmatch(found) else None


def commit_of(repository: Path, name: str) -> str:
    """Return the commit that a user's word stands for."""
    found = tip(repository, name)
    if found is None:
        raise AlbError(absent(repository, name))
    return found


def absent(repository: Path, name: str) -> str:
    """Return the message for a commit that a repository lacks; a shallow clone is named as the likely cause."""
    if git(repository, "rev-parse", "--is-shallow-repository") == "true":
        return f"{repository} has no commit {name} and is a shallow clone: run `git fetch --unshallow` there"
    return f"{repository} has no commit {name}, expected one, by branch, tag or hash: `git log --all` lists what it has"


class Objects:
    """Reads git objects through one git process, which ends with the context.

    Every tree is read once, however many commits share it, so a thousand commits are cheap.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._trees: dict[str, dict[str, tuple[str, str]]] = {}
        self._files: dict[str, dict[str, str]] = {}
        words = ["cat-file", "--batch"]
        command = ["git", "-C", str(repository), *options(repository, words), *words]
        try:
            self._process = Program(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=variables(words[0]))
        except CannotStartError as error:
            raise AlbError("git is not installed or not on PATH: install it") from error

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._process.__exit__(*exception)

    def root(self, commit: str) -> dict[str, tuple[str, str]]:
        """Return the top tree of a commit: (mode, object name) by file or directory name."""
        return self.tree(f"{commit}^{{tree}}")

    def tree(self, name: str) -> dict[str, tuple[str, str]]:
        """Return a tree by its object name."""
        if name not in self._trees:
            found, content = self._read(name)
            self._trees[name] = _parsed(content, len(found) // 2)
        return self._trees[name]

    def blob(self, name: str) -> bytes:
        """Return the content of a file by its object name."""
        return self._read(name)[1]

    def find(self, root: dict[str, tuple[str, str]], path: str) -> tuple[str, str] | None:
        """Return (mode, object name) of a path below a tree, or None."""
        *directories, last = path.split("/")
        for directory in directories:
            mode, name = root.get(directory, ("", ""))
            if mode != DIRECTORY:
                return None
            root = self.tree(name)
        return root.get(last)

    def files(self, tree: str) -> dict[str, str]:
        """Return every file below a tree: object name by path; links to elsewhere count as files."""
        if tree not in self._files:
            found = {}
            for entry, (mode, name) in self.tree(tree).items():
                if mode == DIRECTORY:
                    found.update({f"{entry}/{path}": blob for path, blob in self.files(name).items()})
                else:
                    found[entry] = name
            self._files[tree] = found
        return self._files[tree]

    def _read(self, name: str) -> tuple[str, bytes]:
        """Ask git for one object; returns its name and content."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(f"{name}\n".encode())
            self._process.stdin.flush()
            header = self._process.stdout.readline().decode().split()
            if len(header) == 3 and header[2].isdigit():
                content = self._process.stdout.read(int(header[2]) + 1)
                if len(content) == int(header[2]) + 1:
                    return header[0], content[:-1]
        except OSError as error:
            raise AlbError(f"git cat-file ended early in {self._repository}: is it a git repository?") from error
        raise AlbError(absent(self._repository, name.removesuffix("^{tree}")))


def _parsed(content: bytes, size: int) -> dict[str, tuple[str, str]]:
    """Return the entries of git's tree format: mode, blank, name, NUL, object name of ``size`` bytes."""
    entries, at = {}, 0
    while at < len(content):
        blank, end = content.index(b" ", at), content.index(b"\0", at)
        name = content[blank + 1 : end].decode(errors="surrogateescape")
        entries[name] = (content[at:blank].decode(), content[end + 1 : end + 1 + size].hex())
        at = end + 1 + size
    return entries


def create(stage: Path, releases: Iterable[tuple[Release, Path]]) -> None:
    """Make the release history in an empty directory, on branch ``main``, checked out, tagged by version."""
    # Stated, because a user's git may default to another object format or branch.
    git(stage, "init", "--quiet", "--object-format=sha1", "--initial-branch=main")
    append(stage, releases)
    git(stage, "reset", "--quiet", "--hard", RELEASES_REF)


def append(repository: Path, releases: Iterable[tuple[Release, Path]]) -> None:
    """Add releases at the end of :data:`RELEASES_REF`, with their tags; no branch and no file is touched."""
    stream = b"".join(_stream(releases, tip(repository, RELEASES_REF)))
    git(repository, "fast-import", "--quiet", "--done", stdin=stream)


def _stream(releases: Iterable[tuple[Release, Path]], parent: str | None) -> Iterator[bytes]:
    """Yield the releases, on top of ``parent``, in git's fast-import format (``git help fast-import``)."""
    for release, sdist in releases:
        when = f"{int(datetime.fromisoformat(release.released).timestamp())} +0000"
        message = f"Release {release.version}\n".encode()
        yield f"commit {RELEASES_REF}\n".encode()
        yield f"author {_IDENTITY} {when}\ncommitter {_IDENTITY} {when}\n".encode()
        yield b"data %d\n%s\n" % (len(message), message)
        if parent:
            # Later commits of the stream follow its ref; only the first needs its parent named.
            yield f"from {parent}\n".encode()
            parent = None
        yield b"deleteall\n"
        for mode, name, content in _members(sdist):
            yield f"M {mode} inline {_quoted(name)}\n".encode()
            yield b"data %d\n%s\n" % (len(content), content)
        yield f"\nreset refs/tags/{release.version}\nfrom {RELEASES_REF}\n\n".encode()
    yield b"done\n"


def _members(sdist: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield (git mode, path below the archive's top directory, content) of each file, by path."""
    with tarfile.open(sdist, "r:gz") as archive:
        for member in sorted(archive.getmembers(), key=lambda item: item.name):
            _, _, name = member.name.partition("/")
            if member.isdir() or not name:
                continue
            if member.issym():
                yield "120000", name, member.linkname.encode()
                continue
            file = archive.extractfile(member)
            if file is None:
                raise AlbError(f"{sdist}: {member.name} is neither a file nor a link")
            yield "100755" if member.mode & 0o100 else "100644", name, file.read()


def _quoted(name: str) -> str:
    """Return a path as fast-import wants it where it has special characters."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
