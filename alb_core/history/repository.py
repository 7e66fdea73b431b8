"""The release history as a git repository: one commit per release, the same hashes on every machine.

A commit is its release's source distribution, unpacked; its author, committer and both dates are fixed by the lock,
so its hash follows from the lock alone. ``git fast-import`` writes the objects: no filter, hook, signature or line
ending setting of the user's git takes part.
"""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from alb_core.errors import AlbError
from alb_core.history.lock import Release

#: The line of releases, kept apart from ``main`` so that a user may commit there.
RELEASES_REF = "refs/alb/releases"

_IDENTITY = "tiledb-soma releases <releases@tiledb-soma.invalid>"


def git(repository: Path, *arguments: str, stdin: bytes | None = None, strip: bool = True) -> str:
    """Run git in a repository and return its standard output, stripped unless told otherwise."""
    command = ["git", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise AlbError("git is not installed or not on PATH: install it") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {error.returncode}"]
        complaint = lines[-1].strip()
        if "safe.directory" in complaint:
            # git's last line is what to type, and its first one why.
            complaint = f"{lines[0]}: {complaint}"
        raise AlbError(f"git {arguments[0]} failed in {repository}: {complaint}") from error
    said = done.stdout.decode(errors="replace")
    return said.strip() if strip else said


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


def tip(repository: Path, name: str) -> str | None:
    """Return the commit that a name stands for, or None."""
    try:
        return git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except AlbError:
        return None


def tree_of(repository: Path, commit: str) -> str:
    """Return the git tree of a commit."""
    return git(repository, "rev-parse", "--verify", f"{commit}^{{tree}}")


def _stream(releases: Iterable[tuple[Release, Path]], parent: str | None) -> Iterator[bytes]:
    """Yield the releases, on top of ``parent``, in git's fast-import format (``git help fast-import``)."""
    for release, sdist in releases:
        when = f"{int(datetime.fromisoformat(release.released).timestamp())} +0000"
        message = f"Release {release.version}\n".encode()
        yield f"commit {RELEASES_REF}\n".encode()
        yield f"author {_IDENTITY} {when}\ncommitter {_IDENTITY} {when}\n".encode()
        yield b"data %d\n%s\n" % (len(message), message)
        if parent:
            # Later commits of the stream follow its own ref; only the first must be told where it goes on.
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
