"""No Python process of the suite reaches out: an audit hook refuses every address but loopback and local sockets.

Python imports a module of this name as it starts, so every child with this folder on its path is guarded, and so is
whoever imports it. pytest-socket replaces a class in one process; the hook sees each connection, datagram and look-up
that Python makes, whoever holds the class, and cannot be taken off. Not seen: sockets that a native library opens itself.
"""

from __future__ import annotations

import ipaddress
import os
import sys

REFUSALS = "SUITE_REFUSALS"
"""Variable with the path of a file that gets a line per refusal: a library may swallow the error."""
ADDRESSED = {"socket.connect", "socket.sendto", "socket.sendmsg"}
LOOKED_UP = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}


class NetworkRefusedError(RuntimeError):
    """A test, or a child of one, tried to reach another machine."""


def refuse_network(event: str, arguments: tuple) -> None:
    """Audit hook. Raises NetworkRefusedError where a socket event is about another machine."""
    if event in ADDRESSED:
        target = arguments[1]
    elif event in LOOKED_UP:
        target = arguments[0]
    else:
        return
    # The address of a local socket is a path; a connected socket sends without an address.
    if event in ADDRESSED and not isinstance(target, tuple):
        return
    host = target[0] if isinstance(target, tuple) else target
    if not _stays_here(host):
        _record(f"{event} {host!r}")
        raise NetworkRefusedError(f"{event} to {host!r}: the suite reaches the loopback interface only")


def _stays_here(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(name)).is_loopback
    except ValueError:
        return False


def _record(line: str) -> None:
    if path := os.environ.get(REFUSALS):
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 pathlib is not loaded this early
            file.write(line + "\n")


sys.addaudithook(refuse_network)
