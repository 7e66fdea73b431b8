"""A real browser without a network: what a page shows, what it asks for, what it complains of.

Chromium is told over a pipe (its DevTools protocol), so that nothing but the standard library is needed.
"""

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

OPTIONS = (
    "--headless=new",
    # A test may run as root, in a container with little shared memory, without a GPU.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--no-proxy-server",
    # No network: no name has an address, but for this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1400,1000",
    "--remote-debugging-pipe",
)


def installed():
    """Path of a browser; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A page in chromium: ``errors`` are the console's, ``requests`` the addresses that it asked for."""

    def __init__(self, profile):
        mine, theirs = os.pipe(), os.pipe()
        command = [installed(), *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            # Chromium reads from descriptor 3 and writes to 4.
            ["bash", "-c", f'exec "$@" 3<&{mine[0]} 4>&{theirs[1]}', "-", *command],
            pass_fds=(mine[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(mine[0])
        os.close(theirs[1])
        self.told, self.heard = os.fdopen(mine[1], "wb"), os.fdopen(theirs[0], "rb")
        self.number, self.answers, self.arrived = 0, {}, threading.Condition()
        self.session, self.errors, self.requests = None, [], []
        threading.Thread(target=self._listen, daemon=True).start()
        pages = self.tell("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in pages if target["type"] == "page")
        self.session = self.tell("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.told.close()

    def tell(self, method, **parameters):
        """Send a command and return its result."""
        self.number += 1
        number, message = self.number, {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.told.write(json.dumps(message).encode() + b"\0")
        self.told.flush()
        with self.arrived:
            assert self.arrived.wait_for(lambda: number in self.answers, timeout=60), f"no answer to {method}"
            answer = self.answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, url):
        """Open a page as if anew; what the one before asked for or complained of is forgotten."""
        self.tell("Page.navigate", url="about:blank")
        self.errors.clear()
        self.requests.clear()
        self.tell("Page.navigate", url=url)

    def evaluate(self, expression):
        """Return the value of an expression in the page."""
        result = self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, f"{expression}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def screenshot(self, path):
        """Write a picture of what is seen."""
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))

    def wait_for(self, expression, seconds=30):
        """Return an expression's value as soon as it is true; one that fails, as while a page loads, is not yet."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = self.evaluate(f"(() => {{ try {{ return {expression} }} catch (error) {{ return null }} }})()")
            if value:
                return value
            time.sleep(0.05)
        text = self.evaluate("document.body.innerText")
        raise AssertionError(f"never true: {expression}\nerrors: {self.errors}\npage: {text[:2000]}")

    def _listen(self):
        buffer = b""
        while piece := self.heard.read1(2**16):
            *messages, buffer = (buffer + piece).split(b"\0")
            for message in map(json.loads, messages):
                self._take(message)

    def _take(self, message):
        if "id" in message:
            with self.arrived:
                self.answers[message["id"]] = message
                self.arrived.notify_all()
            return
        method, told = message["method"], message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(told["exceptionDetails"].get("exception", {}).get("description", str(told)))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(argument.get("value")) for argument in told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")


@contextmanager
def served(directory):
    """Serve a directory on this machine; yields its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
