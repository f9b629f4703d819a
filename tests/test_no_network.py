"""The wall of conftest.py stands: no test reaches another machine."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ELSEWHERE = ("192.0.2.1", 9)  # TEST-NET-1 (RFC 5737): no machine has this address


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_a_connection_elsewhere_fails_at_once(method: str) -> None:
    """Connecting to 192.0.2.1 would time out after minutes; the wall fails the test before anything is sent."""
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1:9"):
        getattr(client, method)(ELSEWHERE)


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_the_wall_stands_in_child_processes(method: str) -> None:
    """A process that a test starts cannot reach another machine either, and can reach this one."""
    script = f"import socket; socket.socket().{method}({ELSEWHERE!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "connects to 192.0.2.1; tests run offline" in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = f"import socket; socket.socket().{method}({server.getsockname()!r})"
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_create_connection_and_ipv6_are_behind_the_wall() -> None:
    """The usual helper, and IPv6 (2001:db8::/32 is for documentation, RFC 3849), lead through the same wall."""
    with pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        socket.create_connection(ELSEWHERE, timeout=1)
    with socket.socket(socket.AF_INET6) as client, pytest.raises(pytest.fail.Exception, match="2001:db8::1"):
        client.connect(("2001:db8::1", 9))


def test_a_name_is_not_loopback() -> None:
    """A host name other than localhost is refused before anybody resolves it."""
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match=r"example\.org"):
        client.connect(("example.org", 80))


def test_no_handler_of_exceptions_hides_it() -> None:
    """Code that goes on after any Exception, as live tracking does, cannot swallow the failure."""
    assert not issubclass(pytest.fail.Exception, Exception)


def _echo_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(16))


def test_loopback_works() -> None:
    """A server on 127.0.0.1 answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_echo_once, args=(server,))
        thread.start()
        with socket.create_connection(server.getsockname(), timeout=5) as client:
            client.sendall(b"hello")
            assert client.recv(16) == b"hello"
        thread.join()


def test_unix_sockets_work(tmp_path: Path) -> None:
    """A socket in the file system never leaves the machine."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        thread = threading.Thread(target=_echo_once, args=(server,))
        thread.start()
        client.connect(str(tmp_path / "s"))
        client.sendall(b"hello")
        assert client.recv(16) == b"hello"
        thread.join()
