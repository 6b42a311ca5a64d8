"""What both emulators share: a server of one thread a request, a log, and faults.

Faults are a list in a JSON file, read again at every request, so that a test can
change them while the emulator runs::

    [{"on": "process", "do": "429", "retry_after": "1", "times": 2}]

`on` is the kind of request (``token``, ``search``, ``process``, ``asset``, ``root``) or
the end of its path; `times` is how often (once by default, -1 for ever).
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HANG_S = 30


class Emulator(ThreadingHTTPServer):
    """A service on a free port of the loopback."""

    daemon_threads = True

    def __init__(
        self, handler: type["Handler"], folder: Path, log: Path, faults: Path
    ) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.folder = folder
        self.log_path = log
        self.faults_path = faults
        self.used: dict[str, int] = {}
        self.lock = threading.Lock()
        self.scenes = json.loads((folder / "scenes.json").read_text())

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def note(self, entry: dict[str, Any]) -> None:
        with self.lock, self.log_path.open("a") as file:
            file.write(json.dumps({"at": time.time(), **entry}) + "\n")

    def fault(self, kind: str, path: str) -> dict[str, Any] | None:
        """Give the first fault that is due."""
        with self.lock:
            if not self.faults_path.exists():
                return None
            # the same faults scripted again are due again
            written = self.faults_path.stat().st_mtime_ns
            for fault in json.loads(self.faults_path.read_text() or "[]"):
                if fault["on"] != kind and not path.endswith(fault["on"]):
                    continue
                key = f"{written} {json.dumps(fault, sort_keys=True)}"
                times = fault.get("times", 1)
                if times < 0 or self.used.get(key, 0) < times:
                    self.used[key] = self.used.get(key, 0) + 1
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits 40 ms
    server: Emulator
    kind_of: Callable[[str, str], str]

    def log_message(self, *_: object) -> None:
        pass

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(
        self,
        content: bytes | dict[str, Any],
        *,
        status: int = 200,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
        claim: int | None = None,
    ) -> None:
        """Answer; `claim` is a Content-Length that is not true."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if claim is None else claim))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if claim is not None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def answer_fault(self, fault: dict[str, Any], whole: bytes = b"") -> bool:
        """Do what a fault says; False if the request is to be answered after all."""
        match fault["do"]:
            case "429":
                wait = fault.get("retry_after")
                self.answer(
                    b'{"error":{"status":429,"reason":"Too Many Requests"}}',
                    status=429,
                    headers={} if wait is None else {"Retry-After": wait},
                )
            case "html":
                self.answer(
                    b"<html><body>Please sign in</body></html>", kind="text/html"
                )
            case "hang":
                time.sleep(fault.get("seconds", HANG_S))
                self.close_connection = True
            case "drip":
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                for _ in range(int(fault.get("seconds", HANG_S) / 0.1)):
                    self.wfile.write(b" ")
                    time.sleep(0.1)
                self.close_connection = True
            case "truncate":
                self.answer(whole[: len(whole) // 2] or b"{", claim=len(whole) + 100)
            case "redirect":
                self.answer(b"", status=302, headers={"Location": fault["to"]})
            case status if status.isdigit():
                text = fault.get("body", '{"error":{"message":"as scripted"}}')
                self.answer(text.encode(), status=int(status))
            case _:
                return False
        return True


def serve(handler: type[Handler]) -> None:
    """Run an emulator until its standard input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="holds scenes.json and pixels.npz")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--faults", type=Path, required=True)
    arguments = parser.parse_args()
    server = Emulator(handler, arguments.folder, arguments.log, arguments.faults)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.address, flush=True)  # noqa: T201 - what the starter waits for
    sys.stdin.read()  # ends with the process that started it, even if that is killed
    server.shutdown()
