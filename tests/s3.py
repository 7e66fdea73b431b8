"""S3 for tests: moto's server in a process of its own, and a proxy in front of it that has faults on demand.

Run as a script, this is that server: it prints its port and ends when its input does.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REGION = "us-east-1"

#: What a process needs to speak to the server, whatever its user has set up for the real one.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class S3:
    """An S3 server of this machine."""

    host: str
    port: int

    @property
    def endpoint(self) -> str:
        """Host and port, as ``vfs.s3.endpoint_override`` takes them."""
        return f"{self.host}:{self.port}"

    @property
    def tiledb(self) -> dict[str, str]:
        """Options of TileDB that reach it."""
        return {
            "vfs.s3.endpoint_override": self.endpoint,
            "vfs.s3.scheme": "http",
            "vfs.s3.use_virtual_addressing": "false",
            "vfs.s3.region": REGION,
        }

    @property
    def words(self) -> list[str]:
        """The same as words of a command."""
        return [word for key, value in self.tiledb.items() for word in ("--tiledb", f"{key}={value}")]

    def client(self) -> Any:
        """A boto3 client."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.endpoint}",
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def upload(self, directory: Path, bucket: str, prefix: str, *, public: bool = True) -> str:
        """Copy a directory into a bucket, made where missing; returns its URI.

        What is not public answers signed requests alone.
        """
        client = self.client()
        client.create_bucket(Bucket=bucket)
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(directory).as_posix()}"
                acl = "public-read" if public else "private"
                client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ACL=acl)
        return f"s3://{bucket}/{prefix}"


@contextmanager
def served() -> Iterator[S3]:
    """An empty S3, for as long as the block takes."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield S3("127.0.0.1", int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()


#: Looks at a request (its method and path) and answers it, or lets it pass by returning False.
Fault = Callable[["_Handler"], bool]


@dataclass
class Proxy:
    """A proxy before an S3 server. ``fault`` has the first word on every request."""

    behind: S3
    s3: S3 = field(init=False)
    fault: Fault | None = None
    #: Requests so far, as ``GET /bucket/key``.
    seen: list[str] = field(default_factory=list)

    def fails(self, fault: Fault, *, of: str, times: int | None = None, after: int = 0) -> None:
        """Let requests that have ``of`` in their path meet a fault: ``times`` of them (all, if None), the first
        ``after`` left alone.
        """
        met = [0]
        last = None if times is None else after + times

        def meets(handler: _Handler) -> bool:
            if of not in handler.path:
                return False
            met[0] += 1
            return after < met[0] and (last is None or met[0] <= last) and fault(handler)

        self.fault = meets

    def heal(self) -> None:
        """Have no more faults."""
        self.fault = None


def answers(status: int, code: str) -> Fault:
    """Fault: an S3 error, as ``answers(500, "InternalError")``."""

    def fault(handler: _Handler) -> bool:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        handler.reply(status, {"Content-Type": "application/xml"}, body if handler.command != "HEAD" else b"")
        return True

    return fault


def drops(handler: _Handler) -> bool:
    """Fault: the connection ends in the middle of the answer."""
    status, headers, body = handler.fetched()
    handler.reply(status, headers, body, end=len(body) // 2)
    handler.close_connection = True
    return True


def stalls(seconds: float) -> Fault:
    """Fault: an answer that comes late."""

    def fault(handler: _Handler) -> bool:
        del handler
        time.sleep(seconds)
        return False

    return fault


@contextmanager
def proxied(s3: S3) -> Iterator[Proxy]:
    """A proxy before a server, for as long as the block takes."""
    proxy = Proxy(s3)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.s3 = S3("127.0.0.1", server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone: some faults are meant to make them go."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """Passes a request on, unless the proxy has a fault for it."""

    protocol_version = "HTTP/1.1"
    # Headers and body in two packets would wait for the client's acknowledgement, 40 ms each time.
    wbufsize = -1
    disable_nagle_algorithm = True
    proxy: Proxy

    def _pass_on(self) -> None:
        self.proxy.seen.append(f"{self.command} {self.path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.proxy.fault is None or not self.proxy.fault(self):
            self.reply(*self.fetched())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    def fetched(self) -> tuple[int, dict[str, str], bytes]:
        """Return the true answer: status, headers and body."""
        connection = http.client.HTTPConnection(self.proxy.behind.host, self.proxy.behind.port, timeout=60)
        try:
            connection.request(self.command, self.path, self.body or None, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def reply(self, status: int, headers: Mapping[str, str], body: bytes, end: int | None = None) -> None:
        """Send an answer, or its body up to ``end`` alone."""
        self.send_response_only(status)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        for name, value in headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        self.wfile.write(body[:end])

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def _serve() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    _serve()
