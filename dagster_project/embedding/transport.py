"""One JSON request over the standard library: no redirects, no proxies, a total deadline, bounded retries."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import random
import socket
import ssl
import threading
import time
from urllib.parse import SplitResult, urlsplit

from dagster_project.errors import ObservatoryError

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT = 30.0
MAX_ANSWER_BYTES = 256 * 2**20
_OK = 200


class _Retry(Exception):  # noqa: N818
    """A failure that may pass: the reason, and how long the server asks to wait."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def post_json(
    url: str, body: dict[str, object], headers: dict[str, str], *, attempts: int = 6, seconds: float = 60.0
) -> object:
    """POST `body` and return the decoded answer.

    Retries what may pass (429, 5xx, resets, time-outs) with growing, jittered waits, honouring Retry-After
    up to 30 s; gives up at once on what will not (401, 404, ...). Raises ObservatoryError, which quotes neither
    request nor answer.
    """
    address = _checked(url)
    payload = json.dumps(body).encode()
    for attempt in range(1, attempts + 1):
        try:
            return _once(address, payload, headers, seconds)
        except _Retry as failure:
            if attempt == attempts:
                raise ObservatoryError(
                    f"the endpoint at {address.hostname} failed {attempts} times ({failure}); "
                    "start it or mend it, then run again"
                ) from None
            backoff = min(LONGEST_WAIT, 0.25 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311
            time.sleep(min(LONGEST_WAIT, failure.wait) if failure.wait is not None else backoff)
    raise ValueError("attempts must be at least 1")


def _checked(url: str) -> SplitResult:
    address = urlsplit(url)
    if address.scheme == "https" and address.hostname:
        return address
    if address.scheme == "http" and address.hostname and _is_loopback(address.hostname):
        return address
    raise ObservatoryError("the endpoint's address must start with https:// (http:// only on this machine)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _once(address: SplitResult, payload: bytes, headers: dict[str, str], seconds: float) -> object:
    connection = _connect(address, seconds)
    late = threading.Event()
    # A socket's own time-out starts anew with every byte that trickles in; this one does not.
    deadline: threading.Timer | None = None
    try:
        connection.connect()
        deadline = threading.Timer(seconds, _hang_up, (connection.sock, late))
        deadline.daemon = True
        deadline.start()
        path = address.path + (f"?{address.query}" if address.query else "")
        connection.request("POST", path, payload, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        if response.status in RETRIED:
            raise _Retry(f"status {response.status}", _seconds_asked(response.getheader("Retry-After")))
        if response.status != _OK:
            raise ObservatoryError(f"the endpoint at {address.hostname} refused: status {response.status}")
        return json.loads(_read(response))
    except (OSError, http.client.HTTPException, ValueError) as error:
        if late.is_set():
            raise _Retry(f"no whole answer within {seconds:g} s") from None
        reason = "the answer is not JSON" if isinstance(error, ValueError) else type(error).__name__
        raise _Retry(reason) from None
    finally:
        if deadline is not None:
            deadline.cancel()
        connection.close()


def _hang_up(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _connect(address: SplitResult, seconds: float) -> http.client.HTTPConnection:
    host = address.hostname or ""
    if address.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, address.port, timeout=seconds, context=context)
    return http.client.HTTPConnection(host, address.port, timeout=seconds)


def _read(response: http.client.HTTPResponse) -> bytes:
    content = response.read(MAX_ANSWER_BYTES + 1)
    if len(content) > MAX_ANSWER_BYTES:
        raise ObservatoryError("the endpoint's answer is larger than 256 MB; lower the batch size")
    return content


def _seconds_asked(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
