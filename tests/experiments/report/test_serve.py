"""The page is served on loopback, to who asks by that name, and nothing else is."""

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from tests.experiments.synthetic import PAIR, fill, manifest, small

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments.report.serve import HOST, open_server

PAGE = "<!doctype html>é".encode()


@contextmanager
def serving():
    with open_server(0) as server:
        server.page = PAGE
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(port, path, method="GET", host=None):
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_serves_the_page_and_only_the_page() -> None:
    with serving() as server:
        port = server.server_port
        assert server.address == f"http://127.0.0.1:{port}/"
        assert server.socket.getsockname()[0] == "127.0.0.1"
        for path in ("/", "/report.html", "/?again"):
            assert ask(port, path) == (200, PAGE)
        assert ask(port, "/", "HEAD") == (200, b"")
        assert ask(port, "/", host=f"localhost:{port}") == (200, PAGE)
        for path in ("/etc/passwd", "/../manifest.json", "/favicon.ico"):
            assert ask(port, path)[0] == 404
        assert ask(port, "/", "POST")[0] == 501


def test_issue_names_are_read_as_browsers_write_them_and_only_once() -> None:
    with serving() as server:
        port = server.server_port
        assert ask(port, "/", host=f"LOCALHOST:{port}") == (200, PAGE)
        with socket.create_connection((HOST, port), timeout=10) as connection:
            names = f"Host: localhost:{port}\r\nHost: example.org\r\n"
            connection.sendall(f"GET / HTTP/1.0\r\n{names}\r\n".encode())
            assert connection.recv(100).split()[1] == b"421"


def test_issue_the_page_cannot_be_framed() -> None:
    with serving() as server:
        connection = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
        connection.request("GET", "/")
        headers = connection.getresponse().headers
        connection.close()
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert headers["X-Frame-Options"] == "DENY"


def test_issue_idle_connections_get_no_more_threads_than_there_are_places(monkeypatch) -> None:
    monkeypatch.setattr("mgsc.experiments.report.serve.MOST_CONNECTIONS", 3)
    with serving() as server:
        before = set(threading.enumerate())  # some of them may end meanwhile

        def connect():
            return socket.create_connection((HOST, server.server_port), timeout=10)

        with connect(), connect(), connect():
            with connect() as late:
                assert late.recv(1) == b""  # hung up
            assert len(set(threading.enumerate()) - before) == 3
        for _ in range(1000):
            if set(threading.enumerate()) <= before:
                break
            time.sleep(0.01)
        assert ask(server.server_port, "/") == (200, PAGE)


def test_another_sites_name_gets_nothing() -> None:
    with serving() as server:
        status, body = ask(server.server_port, "/", host="elsewhere.example")
        assert status == 421
        assert PAGE not in body


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist(port, capsys, tmp_path) -> None:
    assert cli.main(["view", str(tmp_path), "--no-browser", f"--port={port}"]) == 2
    assert capsys.readouterr().err == f"mgsc: port is {port}: it must be in [0, 65535]; 0 takes any that is free\n"


def test_a_port_in_use(tmp_path, capsys) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"cannot use port {port} .*--port"):
            open_server(port)
        assert cli.main(["view", str(tmp_path), "--no-browser", "--port", str(port)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_view_prints_its_address_serves_and_ends_quietly(tmp_path) -> None:
    fill(tmp_path / "run", small(), replace(manifest(PAIR, 2), provenance={"backend": "cpu"}))
    # Whoever starts the tests in the background has them, and so this process, ignore the signal.
    script = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script += "from mgsc.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "view", str(tmp_path), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:")
        status, body = ask(int(line.split("/")[2].split(":")[1]), "/")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""
    assert status == 200
    assert b'id="contents"' in body
