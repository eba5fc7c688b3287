"""The guard that keeps the suite and its children off the network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guard.sitecustomize import REFUSALS

# 192.0.2.0/24 is set aside for documentation: no machine has such an address.
ATTEMPTS = {
    "a connection": "socket.create_connection(('192.0.2.1', 9), 0.1)",
    "a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "a look-up": "socket.getaddrinfo('example.org', 80)",
    "an old look-up": "socket.gethostbyname('example.org')",
    "a class kept from before": "kept(socket.AF_INET).connect_ex(('192.0.2.1', 9))",
}
AT_HOME = """
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(("localhost", server.getsockname()[1]), 5).sendall(b"x")
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
one, other = socket.socketpair()
one.sendall(b"x")
with socket.socket(socket.AF_UNIX) as local:
    assert local.connect_ex("nobody-listens") != 0
"""


@pytest.fixture
def refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of refusals of this test's own: these are wanted."""
    monkeypatch.setenv(REFUSALS, str(tmp_path / "refusals"))
    return tmp_path / "refusals"


def child(code: str) -> subprocess.CompletedProcess[str]:
    code = f"import socket\nfrom _socket import socket as kept\n{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_child_that_reaches_out_fails(attempt: str, refusals: Path) -> None:
    ran = child(ATTEMPTS[attempt])
    assert ran.returncode != 0 and "NetworkRefusedError" in ran.stderr
    assert len(refusals.read_text().splitlines()) == 1


def test_an_attempt_that_a_child_swallows_is_on_record(refusals: Path) -> None:
    ran = child(f"try:\n    {ATTEMPTS['a look-up']}\nexcept Exception:\n    pass")
    assert ran.returncode == 0
    assert refusals.read_text() == "socket.getaddrinfo 'example.org'\n"


def test_a_child_may_talk_to_this_machine(refusals: Path) -> None:
    ran = child(AT_HOME)
    assert ran.returncode == 0, ran.stderr
    assert not refusals.exists()


def test_the_suite_itself_looks_nothing_up(refusals: Path) -> None:
    with pytest.raises(RuntimeError, match="the loopback interface only"):
        socket.getaddrinfo("example.org", 80)
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagram, pytest.raises(RuntimeError, match="the loopback interface only"):
        datagram.sendto(b"x", ("192.0.2.1", 9))


def test_a_refusal_fails_the_test_in_which_it_happened(refusals: Path) -> None:
    inner = refusals.parent / "test_inner.py"
    inner.write_text(
        "import socket\n\n\ndef test_swallows():\n    try:\n        socket.getaddrinfo('example.org', 80)\n"
        "    except Exception:\n        pass\n"
    )
    plugins = ["-p", "tests.conftest", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, *plugins, str(inner)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "1 passed, 1 error" in ran.stdout and "reached for" in ran.stdout
