"""``mgsc view``: serves the page on this machine's loopback address, for this machine only."""

from __future__ import annotations

import os
import threading
import webbrowser
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mgsc.errors import UserError
from mgsc.experiments.report.find import open_results
from mgsc.experiments.report.page import build_page

HOST = "127.0.0.1"
LARGEST_PORT = 65535
PATHS = ("/", "/report.html")
MOST_CONNECTIONS = 32
"""Connections that are answered at once; a browser opens up to six."""


class PageServer(ThreadingHTTPServer):
    """Serves one page under one address, and nothing else.

    Args:
        port: port, 0 for any that is free.
    """

    daemon_threads = True
    # A port on which another program listens is in use, and said to be.
    allow_reuse_port = False

    def __init__(self, port: int) -> None:
        self.page = b""
        self._places = threading.Semaphore(MOST_CONNECTIONS)
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers in a new thread, or closes the connection where too many are open."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread was to be had
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers, and then frees a place for another connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of the page to requests that name this machine."""

    server: PageServer
    timeout = 30

    def do_GET(self) -> None:
        """Sends the page."""
        self._answer(has_body=True)

    def do_HEAD(self) -> None:
        """Sends what goes before the page."""
        self._answer(has_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the terminal shows the address."""

    def _answer(self, *, has_body: bool) -> None:
        port = self.server.server_port
        # Another site's page, led here by a name that resolves to this machine, would send its own name.
        hosts = [host.lower() for host in self.headers.get_all("Host", [])]
        if hosts not in ([f"{HOST}:{port}"], [f"localhost:{port}"]):
            self.send_error(421)
        elif self.path.partition("?")[0] not in PATHS:
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(self.server.page)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
            self.end_headers()
            if has_body:
                self.wfile.write(self.server.page)


def open_server(port: int) -> PageServer:
    """Binds a port.

    Args:
        port: port, 0 for any that is free.

    Returns:
        A server that does not answer yet; use it as a context manager.

    Raises:
        UserError: there is no such port, it is taken, or the process may not use it.
    """
    if not 0 <= port <= LARGEST_PORT:
        raise UserError(f"port is {port}: it must be in [0, {LARGEST_PORT}]; 0 takes any that is free")
    try:
        return PageServer(port)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(
            f"cannot use port {port} of {HOST} ({reason}): name another with --port, or 0 for any"
        ) from None


def view(directories: Sequence[str | os.PathLike[str]], port: int, *, has_browser: bool = True) -> None:
    """Serves the page of some results until interrupted, and prints its address.

    Args:
        directories: result folders, or folders that hold result folders.
        port: port, 0 for any that is free.
        has_browser: also open the page in the user's browser.

    Raises:
        UserError: there is no such result, or the port cannot be used.
    """
    with open_server(port) as server:
        server.page = build_page(open_results(directories))
        print(f"{server.address}   (only on this machine; end with Ctrl-C)", flush=True)
        if has_browser:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
