"""A package index on this machine: the real protocol (PEP 691 with upload times), made-up projects."""

import hashlib
import io
import json
import tarfile

from local_server import LocalServer
from packaging.tags import cpython_tags
from wheels import wheel_of

from alb_core.base.pythons import measured

#: Tags of a wheel that fits this machine.
HERE = f"{measured().tag}-{measured().tag}-{next(iter(cpython_tags(measured()))).platform}"

JSON = "application/vnd.pypi.simple.v1+json"


class LocalIndex(LocalServer):
    """Serves files by project; ``url`` is its index-url."""

    def __init__(self):
        self.projects, self.metadata = {}, {}
        super().__init__()
        self.url = f"{self.address}/simple/"

    def content(self, path):
        _, kind, name, *_ = path.split("/")
        if kind == "simple" and name in self.projects:
            return self.page(name).encode(), JSON
        return (self.files()[name], "application/octet-stream") if name in self.files() else None

    def add(self, project, name, content, uploaded="2024-01-01T00:00:00Z", yanked=False, digest=None, metadata=None):
        entry = {
            "filename": name,
            "url": f"/files/{name}",
            "hashes": {"sha256": digest or hashlib.sha256(content).hexdigest()},
            "upload-time": uploaded,
            "yanked": yanked,
        }
        if uploaded is None:
            del entry["upload-time"]
        if metadata is not None:
            entry["core-metadata"] = True
            self.metadata[f"{name}.metadata"] = metadata
        self.projects.setdefault(project, []).append((entry, content))
        return entry["hashes"]["sha256"]

    def page(self, project):
        files = [entry for entry, _ in self.projects[project]]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files, "versions": []})

    def files(self):
        return self.metadata | {
            entry["filename"]: content for files in self.projects.values() for entry, content in files
        }

    def release(self, version, uploaded, requires=("numpy",), yanked=False, wheel=True, files=None, content=None):
        """Add a release of tiledbsoma: a source distribution (of ``files``) and a wheel (with ``content``)."""
        files = files or {
            "src/a.py": f"version = '{version}'\n",
            "src/tiledbsoma/__init__.py": f"__version__ = {version!r}\n",
            "setup.py": f"from setuptools import setup\n\nsetup(install_requires={list(requires)!r})\n",
            "PKG-INFO": f"Version: {version}\n",
        }
        self.add("tiledbsoma", f"tiledbsoma-{version}.tar.gz", sdist_of(version, files), uploaded, yanked)
        if wheel:
            content = content or wheel_of("tiledbsoma", version, requires)
            self.add("tiledbsoma", f"tiledbsoma-{version}-{HERE}.whl", content, uploaded, yanked)


def sdist_of(version, files, executable=()):
    """Bytes of a source distribution of tiledbsoma."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"tiledbsoma-{version}/{name}")
            member.size = len(text.encode())
            member.mode = 0o755 if name in executable else 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return raw.getvalue()
