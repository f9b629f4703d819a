"""The wall against the network in processes that tests start: only this machine can be connected to."""

import ipaddress
import socket

_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


def _check(self: socket.socket, address: object) -> None:
    if self.family == socket.AF_UNIX or not isinstance(address, tuple):
        return
    host = str(address[0])
    try:
        inside = host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:  # a name, which a resolver elsewhere would have to know
        inside = False
    if not inside:
        raise OSError(f"a process of a test connects to {host}; tests run offline")


def _guarded_connect(self: socket.socket, address: object) -> None:
    _check(self, address)
    _connect(self, address)  # type: ignore[arg-type]


def _guarded_connect_ex(self: socket.socket, address: object) -> int:
    _check(self, address)
    return _connect_ex(self, address)  # type: ignore[arg-type]


socket.socket.connect, socket.socket.connect_ex = _guarded_connect, _guarded_connect_ex  # type: ignore[method-assign]
