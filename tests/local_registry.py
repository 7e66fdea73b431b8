"""An npm registry on this machine: tarballs by name and version."""

import io
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from alb_core.site.npm import NpmPackage, integrity_of


class LocalRegistry:
    """Serves packages below ``url``; half-way through each, ``slow`` seconds pass, and it ends there if ``cut``."""

    def __init__(self):
        self.tarballs, self.requests, self.slow = {}, [], 0.0
        self.cut = False
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                registry.requests.append(self.path)
                content = registry.tarballs.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = len(content) // 2
                self.wfile.write(content[:half])
                self.wfile.flush()
                time.sleep(registry.slow)
                if not registry.cut:
                    self.wfile.write(content[half:])

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # Below a path, as a mirror's often is, and with the slash that npm writes.
        self.url = f"http://127.0.0.1:{self.server.server_port}/npm/"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

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
