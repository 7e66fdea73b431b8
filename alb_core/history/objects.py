"""Objects of a git repository, read through one git process: trees by name, blobs by content."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType

from alb_core.errors import AlbError

#: git's mode of a directory in a tree.
DIRECTORY = "40000"


class Objects:
    """A reader of git objects; a context manager, because it keeps a git process.

    Every tree is read once, however many commits share it: that is what makes a thousand commits cheap.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._trees: dict[str, dict[str, tuple[str, str]]] = {}
        self._files: dict[str, dict[str, str]] = {}
        command = ["git", "-C", str(repository), "cat-file", "--batch"]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except FileNotFoundError as error:
            raise AlbError("git is not installed or not on PATH: install it") from error

    def __enter__(self) -> Objects:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def root(self, commit: str) -> dict[str, tuple[str, str]]:
        """Return the top tree of a commit: (mode, object name) by file or directory name."""
        name, content = self._read(f"{commit}^{{tree}}")
        if name not in self._trees:
            self._trees[name] = _parsed(content, len(name) // 2)
        return self._trees[name]

    def tree(self, name: str) -> dict[str, tuple[str, str]]:
        """Return a tree by its object name."""
        if name not in self._trees:
            _, content = self._read(name)
            self._trees[name] = _parsed(content, len(name) // 2)
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


def absent(repository: Path, name: str) -> str:
    """Return the message for a commit that a repository lacks; a shallow clone is named as the likely cause."""
    asked = ["git", "-C", str(repository), "rev-parse", "--is-shallow-repository"]
    shallow = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    if shallow == "true":
        return f"{repository} has no commit {name} and is a shallow clone: run `git fetch --unshallow` there"
    return f"{repository} has no commit {name}: `git log --all` there lists what it has"


def _parsed(content: bytes, size: int) -> dict[str, tuple[str, str]]:
    """Return the entries of git's tree format: mode, blank, name, NUL, object name of ``size`` bytes."""
    entries, at = {}, 0
    while at < len(content):
        blank, end = content.index(b" ", at), content.index(b"\0", at)
        name = content[blank + 1 : end].decode(errors="surrogateescape")
        entries[name] = (content[at:blank].decode(), content[end + 1 : end + 1 + size].hex())
        at = end + 1 + size
    return entries
