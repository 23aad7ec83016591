"""HTTP to one server, with limits that hold whatever the server does, and no secret in an error.

http.client speaks the protocol. What is added: every byte is due before one moment, an answer has a
largest size, certificates are always verified, a redirect is not followed, and passing failures are
tried again.
"""

from __future__ import annotations

import base64
import http.client
import io
import os
import random
import re
import socket
import ssl
import threading
import urllib.parse
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from . import clock
from .clock import Budget
from .errors import is_from_handler
from .json_values import parse_object
from .proxies import parse_address, proxy_for

# Tries for one request. With the waits below that is half a minute, and a cluster of Vault elects a
# leader in less.
ATTEMPTS = 8
# Seconds before the second try. They double from try to try, up to the longest.
FIRST_WAIT = 0.5
LONGEST_WAIT = 10.0
# Bytes of an answer, headers included. Vault's own limit for an entry is about 1 MiB.
LARGEST_ANSWER = 4 * 1024 * 1024

# Statuses below 500 that pass. A standby of Vault answers 412 until it has caught up, and 472 or
# 473 when it may not answer itself; 429 asks for patience.
_PASSING = (412, 429, 472, 473)
# OpenSSL's X509_V_ERR_*, from x509_vfy.h; the same since OpenSSL 1.1.
_NOT_YET_VALID = 9
_EXPIRED = 10
_OTHER_HOST = 62
_OTHER_ADDRESS = 64

_HUNG_UP = "the connection, or a proxy on the way, broke off"


class Request(NamedTuple):
    method: str
    target: str
    headers: Mapping[str, str]
    body: Optional[bytes] = None


class Answer(NamedTuple):
    """How a request ended. It is never raised: an exception could carry a header, and so a token.

    status      0 when no answer came, and then problem says why
    is_passing  whether another try may succeed, in wait seconds
    """

    status: int = 0
    problem: str = ""
    is_passing: bool = False
    wait: float = 0.0
    body: bytes = b""

    def below(self, *keys: str) -> Dict[str, Any]:
        """The JSON object below keys; empty when there is none."""
        found = parse_object(self.body)
        for key in keys:
            inner = found.get(key)
            found = inner if isinstance(inner, dict) else {}
        return found

    def mentions(self, words: str) -> bool:
        """Whether the body has words in it. A body is never quoted: it may echo the request."""
        return words in self.body.decode("utf-8", "replace").lower()


class Server:
    """One server, and one connection to it that is kept. One thread at a time may use it."""

    def __init__(
        self, host: str, port: Optional[int], tls: Optional[ssl.SSLContext], timeout: float
    ) -> None:
        """timeout is for one try of a request, in seconds. tls is None for plain http."""
        self._host = host
        self._port = port or (443 if tls else 80)
        self._tls = tls
        self._timeout = timeout
        self._kept: Optional[_Connection] = None

    def close(self) -> None:
        """Hang up. A later request connects again."""
        if self._kept:
            self._kept.hang_up()
        self._kept = None

    def send(self, budget: Budget, request: Request) -> Answer:
        """Send until an answer is final, or the budget's time or tries are used up."""
        answer = Answer(problem="the deadline passed before it was asked")
        attempt = 0
        while budget.left():
            is_kept = self._kept is not None
            answer = self._send_once(Budget(min(self._timeout, budget.left()), 1), request)
            if is_kept and answer.problem == _HUNG_UP:
                continue  # servers close connections that nobody uses: a new one tells
            attempt += 1
            if not answer.is_passing or attempt >= budget.attempts:
                break
            wait = max(answer.wait, _wait_before(attempt))
            if wait >= budget.left():
                break  # a compute node costs money, so it does not sleep towards a certain failure
            clock.sleep(wait)
        return answer

    def _send_once(self, time_limit: Budget, request: Request) -> Answer:
        connection = self._kept
        self._kept = None  # it comes back when its answer was read to the end
        try:
            if connection is None:
                connection = self._connect(time_limit)
            connection.begin(time_limit)
            connection.request(request.method, request.target, request.body, dict(request.headers))
            response = connection.getresponse()
            body = _read_to_the_end(response)
            if response.length:
                return Answer(problem="its answer was cut short", is_passing=True)
            if not response.will_close:
                self._kept = connection
            return _answer(response.status, response.headers.get("Retry-After", ""), body)
        except (OSError, http.client.HTTPException, ValueError, _TooLarge) as error:
            if is_from_handler(error):
                raise
            return _no_answer(error)
        finally:
            if connection is not None and connection is not self._kept:
                connection.hang_up()

    def _connect(self, time_limit: Budget) -> _Connection:
        host, port = self._host, self._port
        proxy = proxy_for(host, port) if self._tls else None
        if proxy:
            host, port = proxy.hostname or "", proxy.port or 80
        sock = _dial(host, port, time_limit)
        try:
            if proxy:
                self._open_tunnel(sock, proxy, time_limit)
            if self._tls:
                sock.settimeout(time_limit.due())
                sock = self._tls.wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise
        return _Connection(sock, time_limit)

    def _open_tunnel(
        self, sock: socket.socket, proxy: urllib.parse.SplitResult, time_limit: Budget
    ) -> None:
        """Ask the proxy for a way to the server. An IPv6 address stands in brackets."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        target = f"{host}:{self._port}"
        headers = {"Host": target}
        if proxy.username:
            user = urllib.parse.unquote(f"{proxy.username}:{proxy.password or ''}")
            encoded = base64.b64encode(user.encode()).decode()
            headers["Proxy-Authorization"] = f"Basic {encoded}"
        tunnel = _Connection(sock, time_limit)
        tunnel.request("CONNECT", target, headers=headers)
        if tunnel.getresponse().status != 200:
            raise http.client.HTTPException


class _TooLarge(Exception):
    """The answer is larger than any credential."""


class _Wire(io.RawIOBase):
    """A socket for http.client whose bytes are counted and all due before one moment.

    A socket's own timeout starts anew with each byte, so a server that drips would never meet it.
    """

    def __init__(self, sock: socket.socket, time_limit: Budget) -> None:
        self._socket = sock
        self.begin(time_limit)

    def begin(self, time_limit: Budget) -> None:
        """Start the count and the time for one answer."""
        self._time_limit = time_limit
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._time_limit.due())
        count = self._socket.recv_into(buffer)
        self._received += count
        if self._received > LARGEST_ANSWER:
            raise _TooLarge
        return count

    def sendall(self, data: Any) -> None:
        self._socket.settimeout(self._time_limit.due())
        self._socket.sendall(data)

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        """Do nothing: http.client closes before an answer is read. _Connection.hang_up() closes."""

    def hang_up(self) -> None:
        self._socket.close()


class _Connection(http.client.HTTPConnection):
    debuglevel = 0  # print nothing, even where http.client is told to debug
    auto_open = 0  # never connect again, which would be without TLS

    def __init__(self, sock: socket.socket, time_limit: Budget) -> None:
        super().__init__("named.by.the.headers", 80)
        self._wire = _Wire(sock, time_limit)
        self.sock: Any = self._wire

    def begin(self, time_limit: Budget) -> None:
        self._wire.begin(time_limit)

    def hang_up(self) -> None:
        self._wire.hang_up()


def _wait_before(attempt: int) -> float:
    """Seconds to wait after so many tries. Nodes that start together do not return together."""
    longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)


def _read_to_the_end(response: http.client.HTTPResponse) -> bytes:
    pieces: List[bytes] = []
    while True:
        piece = response.read(65536)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def _answer(status: int, retry_after: str, body: bytes) -> Answer:
    """An answer. Retry-After counts in seconds; its other form, a date, is not followed."""
    is_number = re.fullmatch("[0-9]{1,9}", retry_after)
    return Answer(
        status=status,
        is_passing=status in _PASSING or status >= 500,
        wait=float(retry_after) if is_number else 0.0,
        body=body,
    )


def _dial(host: str, port: int, time_limit: Budget) -> socket.socket:
    """Connect before the time is over, however long the name takes.

    Nothing ends a look-up of a name, so that is left to a thread. An address needs none.
    """
    if parse_address(host):
        sock = socket.create_connection((host, port), time_limit.due())
    else:
        sock = _Dialling(host, port, time_limit).result()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class _Dialling:
    """A connection that is being made by a thread, which may be left behind."""

    def __init__(self, host: str, port: int, time_limit: Budget) -> None:
        self._time_limit = time_limit
        self._address = (host, port)
        self._found: List[socket.socket] = []
        self._problem: Optional[Exception] = None
        self._is_given_up = False
        self._thread = threading.Thread(target=self._connect, daemon=True)

    def result(self) -> socket.socket:
        """The connection. Raises what making it raised, TimeoutError when the time is over."""
        self._thread.start()
        try:
            self._thread.join(self._time_limit.due())
            return self._found.pop()
        except IndexError:
            raise self._problem or TimeoutError from None
        finally:
            self._is_given_up = True

    def _connect(self) -> None:
        try:
            # A dead address leaves time for the next one of the same name.
            sock = socket.create_connection(self._address, self._time_limit.due() / 2)
        except Exception as error:
            self._problem = error
            return
        if self._is_given_up:
            sock.close()
        else:
            self._found.append(sock)


def _no_answer(error: Exception) -> Answer:
    """Why no answer came, from the error's type and codes alone: its text may quote a header."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Answer(problem=_certificate_problem(error.verify_code))
    if isinstance(error, _TooLarge):
        return Answer(problem="its answer is far larger than any credential")
    if isinstance(error, _BROKEN_OFF):
        return Answer(problem=_HUNG_UP, is_passing=True)
    if isinstance(error, (socket.timeout, TimeoutError)):
        return Answer(problem="it did not answer in time", is_passing=True)
    if isinstance(error, ssl.SSLError):
        no_tls = "it does not speak TLS there, or none that is still considered safe"
        return Answer(problem=no_tls)
    if isinstance(error, socket.gaierror):
        return Answer(problem="its host name cannot be resolved", is_passing=True)
    if isinstance(error, ConnectionRefusedError):
        return Answer(problem="the connection was refused", is_passing=True)
    if isinstance(error, OSError):
        why = os.strerror(error.errno or 0)
        return Answer(problem=f"the connection failed: {why}", is_passing=True)
    if isinstance(error, http.client.HTTPException):
        no_http = "it does not speak HTTP, or a proxy on the way refused"
        return Answer(problem=no_http, is_passing=True)
    return Answer(problem="its answer is malformed, or HTTPS_PROXY is")


_BROKEN_OFF = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


def _certificate_problem(code: int) -> str:
    if code in (_OTHER_HOST, _OTHER_ADDRESS):
        return "its certificate is for another host: use a name that it has"
    if code in (_NOT_YET_VALID, _EXPIRED):
        return "its certificate is expired or not yet valid: check both clocks"
    return "its certificate is not signed by a trusted CA: set VAULT_CACERT to that CA's PEM file"
