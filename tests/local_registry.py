"""An npm registry on this machine: tarballs by name and version."""

import io
import tarfile

from local_server import LocalServer

from alb_core.site.npm import NpmPackage, integrity_of


class LocalRegistry(LocalServer):
    """Serves packages below ``url``."""

    def __init__(self):
        self.tarballs = {}
        super().__init__()
        # Below a path, as a mirror's often is, and with the slash that npm writes.
        self.url = f"{self.address}/npm/"

    def content(self, path):
        return (self.tarballs[path], "application/octet-stream") if path in self.tarballs else None

    def add(self, name, version, files, licence=""):
        """Publish a package; returns it with the hash of its tarball."""
        content = tarball_of(files)
        package = NpmPackage(name, version, integrity_of(content), licence)
        self.tarballs[self.path_of(package)] = content
        return package

    @staticmethod
    def path_of(package):
        return f"/npm/{package.name}/-/{package.tarball}"


def tarball_of(files):
    """Bytes of an npm package."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return raw.getvalue()
