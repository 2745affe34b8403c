"""Rebuild whenever a source file is saved, and show the page in a browser meanwhile.

The page is served to this machine alone, and reloads itself when it has changed: a word that was saved in a
template is on it in about a second. The report is built after it. What follows goes to snakemake; without
it, all cores are used. One line says what was rebuilt and how long it took; an error is shown with its
file and line, and the last good report stays as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from workings import terminal
from workings.commands import hold_in_a_report, snakemake
from workings.messages import InputError

SOURCES = ("Snakefile", "config", "analysis", "templates", "report", "profiles", "data", "workings")
MADE = (".pdf", ".html", ".pyc")
PAUSE = 0.2  # seconds between two looks
BEAT = 15  # seconds after which a silent browser is asked whether it is still there
PORT = 8765


def seen() -> dict[str, tuple[int, int]]:
    """The date and size of every source file, by its path."""
    found = {}
    for source in map(Path, SOURCES):
        for path in [source] if source.is_file() else source.rglob("*"):
            if path.is_file() and path.suffix not in MADE and path.name[0] != ".":
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    status = path.stat()
                    found[str(path)] = (status.st_mtime_ns, status.st_size)
    return found


def told(status: int, output: str, seconds: float) -> str:
    """The line, or the lines of an error, in the output of a build."""
    if status != 0:
        return terminal.cause(output).removeprefix("workings: ")
    own = [line for line in output.splitlines() if line.startswith("workings: ")]
    done = own[-1].removeprefix("workings: ") if own else "nothing to rebuild"
    return f"{done} [{seconds:.1f} s]"


class Server(ThreadingHTTPServer):
    """The page, for this machine alone, and a stream of what changed in it."""

    daemon_threads = True
    page = (
        "<!doctype html><meta http-equiv=refresh content=1><title>Workings</title>"
        "<p>The report is being built."
    )
    streams: set[queue.Queue]

    def __init__(self, port: int) -> None:
        self.streams = set()
        try:
            super().__init__(("127.0.0.1", port), _Response)
        except OSError:  # somebody else has it
            super().__init__(("127.0.0.1", 0), _Response)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def show(self, page: str, section: str = "") -> None:
        """Show another page, at this section of it."""
        if page != self.page:
            self.page = page
            for stream in list(self.streams):
                stream.put(section)


class _Response(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        port = self.server.server_port
        if self.headers.get("Host") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            self.send_error(403)  # a page from elsewhere that calls this machine by its own name
        elif self.path == "/":
            self._send("text/html; charset=utf-8", self.server.page.encode("utf-8"))
        elif self.path == "/events":
            self._stream()
        else:
            self.send_error(404)

    def _send(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        stream: queue.Queue[str] = queue.Queue()
        self.server.streams.add(stream)
        with contextlib.suppress(OSError):
            while True:
                try:
                    self.wfile.write(f"data: {stream.get(timeout=BEAT)}\n\n".encode())
                except queue.Empty:
                    self.wfile.write(b": still here\n\n")
                self.wfile.flush()
        self.server.streams.discard(stream)

    def log_message(self, *_: object) -> None:
        """Nothing: the terminal tells what was built."""


class Watch:
    """Looks at the sources; shows what a saved word changes, then builds."""

    def __init__(self, options: list[str], port: int, folder: Path) -> None:
        # What sets a page takes a while to import, and nothing waits for it here.
        from workings.page.web.preview import Preview

        self.options, self.server, self.preview = options, Server(port), Preview(folder)
        self.before: dict = {}
        self.builds, self.build = ThreadPoolExecutor(1), None  # beside the watching, one at a time
        self.started = 0.0
        self.waiting = False  # whether something was saved that no build has seen

    def look(self) -> Iterator[str]:
        """One look; the lines to say."""
        now = seen()
        if now != self.before:
            changed = [
                path for path in {**self.before, **now} if self.before.get(path) != now.get(path)
            ]
            first, self.before, self.waiting = not self.before, now, True
            if not first:
                yield from self._shown(changed)
        if self.build and self.build.done():
            status, output = self.build.result()
            self.build, wrong = None, []
            if status == 0 and not self.waiting:
                self.preview.take_over()
                wrong = self._set("")
            yield from [told(status, output, time.monotonic() - self.started), *wrong]
        if self.waiting and not self.build:
            self.waiting, self.started = False, time.monotonic()
            self.build = self.builds.submit(snakemake, self.options)

    def _shown(self, changed: list[str]) -> Iterator[str]:
        started = time.monotonic()
        try:
            sections = self.preview.fill(changed)
        except InputError:
            return  # the build that follows says it
        if sections is not None and not self._set(sections[0] if sections else ""):
            yield f"the page is up to date [{time.monotonic() - started:.1f} s]"

    def _set(self, section: str) -> list[str]:
        """Show the page as it is now, at this section; what is wrong with it."""
        try:
            if self.preview.page:
                self.server.show(self.preview.html(), section)
        except InputError as error:
            return [str(error)]
        return []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=PORT, help=f"of the page's address ({PORT})")
    parser.set_defaults(options=[])  # what else is given goes to snakemake


def run(given: argparse.Namespace) -> int:
    hold_in_a_report()
    options = given.options or ["--cores", str(os.cpu_count() or 1)]
    with tempfile.TemporaryDirectory(prefix="workings-") as folder:
        watch = Watch(options, given.port, Path(folder))
        address = f"http://127.0.0.1:{watch.server.server_port}"
        print(
            f"workings: watching, and showing the page at {address}; Control-C ends it", flush=True
        )
        try:
            while True:
                for line in watch.look():
                    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
                time.sleep(PAUSE)
        except KeyboardInterrupt:
            return 0
