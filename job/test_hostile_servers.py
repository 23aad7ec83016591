"""Tests against servers and networks that misbehave: on purpose, by accident, or slowly."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import threading
import time
from typing import Any, Callable, Dict, List, Tuple
from unittest import mock

import stand_ins
import vault_credentials as vc
from stand_ins import (
    CANARY,
    LOGIN,
    NO_TEXTS,
    PATH,
    VALUE,
    Answer,
    FakeVault,
    Listener,
    Server,
    certificates,
)
from vault_credentials import transport
from vault_credentials.proxies import proxy_for

OK = b"HTTP/1.1 200 OK\r\n"
SECRET = {"data": {"data": {"api_key": VALUE}, "metadata": {"version": 1}}}


def read_request(connection: socket.socket) -> bytes:
    """The next request, which the client sends in one or two pieces."""
    request = b""
    while b"\r\n\r\n" not in request or (LOGIN.encode() in request and not request.endswith(b"}")):
        received = connection.recv(65536)
        if not received:
            raise ConnectionError
        request += received
    return request


def whole(body: Any) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OK + b"Content-Length: %d\r\n\r\n" % len(content) + content


def resolver(answer: Callable[[str, Any], Any]) -> Any:
    """A machine whose DNS asks answer: with a host, and what was found for loopback."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any, **named: Any) -> Any:
        return answer(host, real("127.0.0.1", *rest, **named))

    return mock.patch.object(socket, "getaddrinfo", getaddrinfo)


def unknown(host: str, found: Any) -> Any:
    if host.startswith("vault."):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return found


class TestCase(stand_ins.TestCase):
    def raw(self, serve: Callable[[socket.socket], None]) -> Listener:
        """A TCP server that hands each connection to a function, and then closes it."""
        server: Listener = self.closed(Listener(lambda connection, *_: serve(connection)))
        return server

    def hostile(self, place: str, attack: Callable[[socket.socket], None]) -> Listener:
        """Put a server that attacks at one place: the identity, the login or the read.

        It behaves before that.
        """

        def serve(connection: socket.socket) -> None:
            while True:
                head = read_request(connection)
                if place == "read" and LOGIN.encode() in head:
                    connection.sendall(
                        whole({"auth": {"client_token": f"hvs.{CANARY}", "token_type": "batch"}})
                    )
                else:
                    return attack(connection)

        server = self.raw(serve)
        variable = "MSI_ENDPOINT" if place == "identity" else "VAULT_ADDR"
        os.environ[variable] = f"http://127.0.0.1:{server.port}"
        return server


PLACES = ("identity", "login", "read")
BODY = json.dumps(
    {**SECRET, "access_token": f"a.{CANARY}.c", "auth": {"client_token": f"hvs.{CANARY}"}}
).encode()
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
# What may stand where a number is due.
DIGITS: Tuple[bytes, ...] = (
    b"\xb2",
    "١".encode(),
    b"9" * 5000,
    b"1" * 20,
    b"-1",
    b"+5",
    b"1_0",
    b"0x10",
    b"1e3",
    b"nan",
    b" ",
    b"\x00",
)


def not_http() -> List[bytes]:
    """What other protocols, and broken ones, begin with."""
    return [
        b"",
        b"\r\n\r\n",
        b"garbage " + CANARY.encode() + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ]


def status_lines() -> List[bytes]:
    """Status lines that are none, of other versions, too long, or of a status that is no answer."""
    answers = [b"HTTP/1.1" + rest + b"\r\n\r\n" for rest in (b"", b" OK", b" -200 OK", b" 000 OK")]
    answers.append(b"HTTP/1.1 " + b"9" * 20 + b" x\r\n\r\n")
    answers.append(b"HTTP/1.1 200 " + b"x" * 70000 + b"\r\n\r\n")
    for rest in (b"9.9 200 OK", b"0.9 200 OK", "1.1 ٢٠٠ OK".encode(), b"1.1 20 x"):
        answers.append(b"HTTP/" + rest + b"\r\n\r\n" + BODY)
    for status in (101, 102, 204, 304, 999):
        answers.append(b"HTTP/1.1 %d x\r\n\r\n" % status)
    return answers


def headers() -> List[bytes]:
    """Headers that are too long, too many, or none."""
    answers = [OK + b"A: " + b"x" * 70000 + b"\r\n\r\n"]
    answers.append(OK + b"".join(b"H%d: x\r\n" % number for number in range(500)) + b"\r\n")
    for line in (b"no colon", b": no name", b"\xff\xfe: \xff", b" folded: " + CANARY.encode()):
        answers.append(OK + line + b"\r\n\r\n")
    return answers


def lengths() -> List[bytes]:
    """Bodies that are longer, shorter or coded otherwise than their headers say."""
    answers = [
        OK + b"Content-Length: %d\r\n\r\n" % length + BODY for length in (999999, 10**14, 1)
    ]
    too_large = b"x" * (transport.LARGEST_ANSWER + 10)
    answers += [
        OK + b"Content-Length: 10\r\nContent-Length: 20\r\n\r\n" + BODY,
        OK + b"Content-Length: 8388608\r\n\r\n" + too_large,
        OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ]
    for digits in DIGITS:
        answers.append(OK + b"Content-Length: " + digits + b"\r\n\r\n" + BODY)
    return answers


def retry_after() -> List[bytes]:
    """Answers that ask for patience in numbers that are none."""
    values = [*DIGITS, b"Fri, 99 Jan 99999999999 99:99:99 GMT"]
    empty = b"\r\nContent-Length: 0\r\n\r\n"
    return [
        b"HTTP/1.1 %d x\r\nRetry-After: " % status + value + empty
        for status in (429, 503)
        for value in values
    ]


def chunks() -> List[bytes]:
    """Chunks whose sizes are wrong, endless or no numbers."""
    answers = [CHUNKED + digits + b"\r\n" + BODY + b"\r\n0\r\n\r\n" for digits in DIGITS]
    for size in (b"f" * 5000, b"f" * 16, b"5;" + b"x" * 70000, b"1\r\na" * 10, b"5\r\na"):
        answers.append(CHUNKED + size + b"\r\n" + BODY)
    return answers


def not_json() -> List[bytes]:
    """Bodies that are no JSON object, or one that no parser takes."""
    bodies = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"\xff",
        b"\xfe\xff",
        b"\x00" * 99,
        b"{}" * 9,
    ]
    bodies += [b"[" * 100000, b'{"a":' * 100000, b'{"data": 1' + b"0" * 5000 + b"}", b'"\\ud800"']
    return [whole(body) for body in bodies]


def wrong_types() -> List[bytes]:
    """JSON objects with something else where a text or an object is due."""
    values: List[Any] = [*NO_TEXTS, True, 1e308, CANARY, {}]
    values += [{"client_token": [CANARY]}, {"data": CANARY}]
    answers = [whole({"access_token": each, "auth": each, "data": each}) for each in values]
    auth = {"client_token": "t\u00e9", "lease_duration": "x"}
    for data, metadata in (
        (None, {}),
        (None, {"version": 1}),
        ([CANARY], {"version": 1}),
        (CANARY, {"version": {}}),
    ):
        answers.append(whole({"data": {"data": data, "metadata": metadata}, "auth": auth}))
    return answers


ANSWERS: List[bytes] = [
    *not_http(),
    *status_lines(),
    *headers(),
    *lengths(),
    *retry_after(),
    *chunks(),
    *not_json(),
    *wrong_types(),
]


class HostileAnswerTest(TestCase):
    """Whatever a server sends, the client ends with an error of its own, or reads what there is."""

    def attempt(self, name: str) -> bool:
        """Read. True for an error of the client's own kinds, with no canary and no cause."""
        try:
            vc.read_credentials()
        except Exception as error:
            with self.subTest(name):
                self.assertIsInstance(error, vc.CredentialsError)
                self.assertNotIn(CANARY, f"{error} {stand_ins.frames_of_client(error)}")
                self.assertEqual(
                    (error.__cause__, error.__context__, "\n" in str(error)), (None, None, False)
                )
            return True
        return False

    def test_every_hostile_answer_at_every_place_ends_in_an_error_of_its_own(self) -> None:
        os.environ.update(VAULT_TIMEOUT="2", VAULT_DEADLINE="5")
        refused = 0
        with mock.patch.object(transport, "ATTEMPTS", 2):
            for place in PLACES:
                with mock.patch.dict(os.environ):
                    current = [b""]
                    self.hostile(place, lambda connection: connection.sendall(current[0]))
                    for number, answer in enumerate(ANSWERS):
                        current[0] = answer
                        refused += self.attempt(f"{place} {number} {answer[:60]!r}")
        self.assertGreater(refused, len(ANSWERS) * len(PLACES) * 0.8)

    def test_answers_that_are_damaged_at_random(self) -> None:
        chance, current = random.Random(7), [b""]
        with mock.patch.object(transport, "ATTEMPTS", 1):
            self.hostile("read", lambda connection: connection.sendall(current[0]))
            for number in range(300):
                damaged = bytearray(whole(SECRET))
                for _ in range(chance.randint(1, 4)):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                if number % 3 == 0:
                    damaged = damaged[: chance.randint(1, len(damaged))]
                current[0] = bytes(damaged)
                self.attempt(f"seed 7, number {number}")


class TimeLimitTest(TestCase):
    """Within the limit and one second it is over, whatever the other side drips or repeats."""

    PATTERNS = {  # what is sent at once, and what then drips
        "silence": (b"", b""),
        "status line": (b"HTTP/1.1 200 ", b"x"),
        "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "header names": (OK, b"x"),
        "headers": (OK, b"a: b\r\n"),
        "body": (OK + b"Content-Length: 100000\r\n\r\n", b" "),
        "body without an end": (OK + b"\r\n", b" "),
        "chunk size": (CHUNKED, b"0"),
        "chunk extension": (CHUNKED + b"1;", b"x"),
        "chunks": (CHUNKED, b"1\r\n \r\n"),
        "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n"),
    }

    def assert_over(self, limit: float, read: Callable[[], Any]) -> None:
        begun = time.monotonic()
        self.refused(vc.UnreachableError, read=read)
        self.assertLess(time.monotonic() - begun, limit + 1)

    def drips(self, pattern: Any, pause: float) -> Callable[[socket.socket], None]:
        def drip(connection: socket.socket) -> None:
            connection.sendall(pattern[0])
            until = time.monotonic() + 5
            while time.monotonic() < until:
                connection.sendall(pattern[1])
                time.sleep(pause)

        return drip

    def test_each_limit_holds_against_each_drip_at_each_place(self) -> None:
        for limits in (
            {"VAULT_TIMEOUT": "0.2", "VAULT_DEADLINE": "9"},
            {"VAULT_TIMEOUT": "9", "VAULT_DEADLINE": "0.2"},
        ):
            for place in PLACES:
                for name, pattern in self.PATTERNS.items():
                    with self.subTest(name, place=place, **limits), mock.patch.dict(
                        os.environ, limits
                    ):
                        with mock.patch.object(transport, "ATTEMPTS", 1):
                            self.hostile(place, self.drips(pattern, 0.02))
                            self.assert_over(0.3, vc.read_credentials)

    def test_a_flood_ends_as_a_drip_does(self) -> None:
        os.environ["VAULT_DEADLINE"] = "0.3"
        for name in ("100 Continue", "chunks", "trailers", "headers", "body without an end"):
            with self.subTest(name), mock.patch.dict(os.environ):
                pattern = self.PATTERNS[name]
                self.hostile("read", self.drips((pattern[0], pattern[1] * 1000), 0))
                self.assert_over(0.3, vc.read_credentials)

    def test_a_tls_handshake_and_a_proxy_that_drip_end_in_time(self) -> None:
        os.environ["VAULT_DEADLINE"] = "0.3"
        # a handshake record of 16 kB, which never becomes whole
        record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
        for pattern in (
            (b"", b""),
            (record, b"\x00"),
            self.PATTERNS["headers"],
            self.PATTERNS["100 Continue"],
        ):
            server = self.raw(self.drips(pattern, 0.02))
            for address, proxy in (
                (f"https://127.0.0.1:{server.port}", ""),
                ("https://vault.test", f"127.0.0.1:{server.port}"),
            ):
                with self.subTest(pattern, proxy=proxy), mock.patch.dict(
                    os.environ, VAULT_ADDR=address, HTTPS_PROXY=proxy
                ):
                    self.assert_over(0.3, vc.read_credentials)

    def test_a_name_that_takes_long_ends_in_time(self) -> None:
        os.environ.update(VAULT_ADDR="https://vault.test", VAULT_DEADLINE="0.3")

        def slow(host: str, found: Any) -> Any:
            if host == "vault.test":
                time.sleep(3)
            return found

        with resolver(slow):
            self.assert_over(0.3, vc.read_credentials)

    def test_a_dead_address_leaves_time_for_the_next(self) -> None:
        dead = self.closed(socket.create_server(("127.0.0.1", 0), backlog=0))
        # Its queue is full after one.
        for filler in [self.closed(socket.socket()) for _ in range(4)]:
            filler.setblocking(False)
            filler.connect_ex(dead.getsockname())
        os.environ.update(VAULT_ADDR=f"https://localhost:{self.vault.port}", VAULT_TIMEOUT="1")

        def two_addresses(host: str, found: Any) -> Any:
            if host != "localhost":
                return found
            return [(*found[0][:4], dead.getsockname()), *found]

        with resolver(two_addresses):
            self.assertEqual(vc.read_credentials()["ml_api_key"]["api_key"], VALUE)


class RetryTest(TestCase):
    def test_passing_failures_are_retried_wherever_they_happen(self) -> None:
        for path in (LOGIN, PATH):
            self.vault.requests.clear()
            # a standby of Vault answers 412, 472 or 473
            statuses = (500, 502, 503, 429, 412, 472, 473)
            self.vault.scripted[path] = [Answer(status) for status in statuses]
            self.assertEqual(vc.read_credentials()["ml_api_key"]["api_key"], VALUE)
            self.assertEqual(len(self.vault.asked(path)), 8)

    def test_waits_double_and_are_jittered_up_to_a_limit(self) -> None:
        self.vault.scripted[LOGIN] = [Answer(500)] * 99
        self.refused(vc.UnreachableError, "kept answering 500")
        self.assertEqual(len(self.vault.requests), transport.ATTEMPTS)
        for attempt, wait in enumerate(self.clock.waits):
            longest = min(transport.LONGEST_WAIT, transport.FIRST_WAIT * 2**attempt)
            self.assertTrue(longest / 2 <= wait <= longest, self.clock.waits)

    def test_the_server_says_how_long_to_wait_and_what_would_pass_the_deadline_is_not_begun(
        self,
    ) -> None:
        answers = [
            Answer(429, headers=(("Retry-After", value),)) for value in ("30", "soon", "-5", "600")
        ]
        self.vault.scripted[LOGIN] = [*answers]
        self.refused(vc.UnreachableError, "429, too many requests")
        self.assertEqual((self.clock.waits[0], len(self.clock.waits)), (30, 3))
        self.assertTrue(all(wait <= transport.LONGEST_WAIT for wait in self.clock.waits[1:]))

    def test_what_lasts_is_named(self) -> None:
        for answer, words in (
            (
                Answer(503, {"errors": ["Vault is sealed"]}),
                "is sealed: ask its operators to unseal it",
            ),
            (Answer(307, headers=(("Location", f"https://x/{CANARY}"),)), "redirects (status 307)"),
            (Answer(301), "redirects (status 301)"),
        ):
            self.vault.scripted[LOGIN] = [answer] * 99
            self.refused(vc.UnreachableError, words)

    def test_an_unreachable_host_is_retried_and_explained(self) -> None:
        for name, words in (
            ("VAULT_ADDR", "cannot reach Vault"),
            ("MSI_ENDPOINT", "managed identity endpoint"),
        ):
            self.clock.waits.clear()
            with socket.socket() as free, mock.patch.dict(os.environ):
                free.bind(("127.0.0.1", 0))
                os.environ[name] = f"http://127.0.0.1:{free.getsockname()[1]}"
                self.refused(vc.UnreachableError, words, "connection was refused")
            self.assertEqual(len(self.clock.waits), transport.ATTEMPTS - 1)

    def test_a_name_that_does_not_resolve_is_explained_and_after_the_deadline_nothing_is_asked(
        self,
    ) -> None:
        os.environ["VAULT_ADDR"] = "https://vault.invalid"
        with resolver(unknown):
            self.refused(vc.UnreachableError, "cannot be resolved")
        self.identity.requests.clear()
        os.environ["VAULT_DEADLINE"] = "0.000001"
        self.refused(vc.UnreachableError, "deadline passed")
        self.assertEqual(self.identity.requests, [])

    def test_an_answer_that_is_cut_short_is_asked_for_again_and_an_endless_one_cut_off(
        self,
    ) -> None:
        answers = [
            OK + b"Content-Length: 999\r\n\r\n{",
            whole(SECRET),
            OK + b"\r\n" + b"x" * (transport.LARGEST_ANSWER + 10),
        ]
        self.hostile("read", lambda connection: connection.sendall(answers.pop(0)))
        self.assertEqual(vc.read_credentials()["ml_api_key"]["api_key"], VALUE)
        self.refused(vc.UnreachableError, "far larger than any credential")


class TLSTest(TestCase):
    def test_a_certificate_that_cannot_be_verified_is_refused_at_once(self) -> None:
        other_ca = str(certificates() / "other-ca.pem")
        rows: List[Tuple[str, Dict[str, str], str]] = [
            ("server", {"VAULT_CACERT": other_ca}, "not signed by a trusted CA"),
            ("server", {"VAULT_CACERT": ""}, "not signed by a trusted CA"),
            (
                "server",
                {"VAULT_CACERT": other_ca, "VAULT_SKIP_VERIFY": "true"},
                "not signed by a trusted CA",
            ),
            ("elsewhere", {}, "for another host"),
            ("expired", {}, "expired or not yet valid"),
            ("", {}, "does not speak TLS"),
        ]
        for certificate, variables, words in rows:
            with self.subTest(words, **variables), mock.patch.dict(os.environ, variables):
                vault = self.closed(FakeVault(certificate))
                os.environ["VAULT_ADDR"] = f"https://127.0.0.1:{vault.port}"
                self.refused(vc.UnreachableError, words)
                self.assertEqual((vault.requests, self.clock.waits), ([], []))


class ProxyTest(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.proxy = self.closed(Server(lambda request: Answer(403, CANARY)))
        os.environ.update(HTTP_PROXY=self.proxy.url, HTTPS_PROXY=self.proxy.url)

    def test_vault_is_asked_for_through_the_proxy_and_the_identity_is_not(self) -> None:
        os.environ.update(
            VAULT_ADDR="https://vault.test:8200",
            HTTPS_PROXY=f"http://u%40:{CANARY}@127.0.0.1:{self.proxy.port}",
        )
        self.refused(vc.UnreachableError, "a proxy on the way refused")
        self.assertEqual(len(self.identity.requests), 1)
        request = self.proxy.requests[0]
        self.assertEqual((request.method, request.headers["host"]), ("CONNECT", "vault.test:8200"))
        self.assertTrue(request.headers["proxy-authorization"].startswith("Basic dUA6Q0FOQVJZ"))

    def test_this_machine_and_hosts_outside_the_proxy_go_direct(self) -> None:
        vc.read_credentials()
        os.environ.update(NO_PROXY="vault.test", VAULT_ADDR="https://vault.test:8200")
        with resolver(unknown):
            self.refused(vc.UnreachableError, "cannot be resolved")
        self.assertEqual(self.proxy.requests, [])
        os.environ.update(HTTPS_PROXY="http://proxy:port", NO_PROXY="")
        self.refused(vc.UnreachableError, "HTTPS_PROXY is")

    def test_an_ipv6_address_stands_in_brackets(self) -> None:
        os.environ["VAULT_ADDR"] = "https://[2001:db8::10]:8200"
        self.refused(vc.UnreachableError, "a proxy on the way refused")
        request = self.proxy.requests[0]
        self.assertEqual((request.path, request.headers["host"]), ("[2001:db8::10]:8200",) * 2)

    def test_no_proxy_is_read_as_vaults_own_clients_read_it(self) -> None:
        for no_proxy, host, is_direct in (
            ("10.0.0.0/8", "10.1.2.3", True),
            ("10.0.0.0/8", "11.1.2.3", False),
            ("10.0.0.0/8", "vault.test", False),
            ("10.1.2.3", "10.1.2.3", True),
            ("10.1.2.3", "10.1.2.30", False),
            ("2001:db8::/32", "2001:db8::10", True),
            ("fd00::/8", "2001:db8::10", False),
            ("2001:DB8::10", "2001:db8::10", True),
            ("[2001:db8::10]:8200", "2001:db8::10", True),
            ("[2001:db8::10]:443", "2001:db8::10", False),
            ("x.test, vault.test", "vault.test", True),
            ("test", "vault.test", True),
            (".test", "vault.test", True),
            ("lt.test", "vault.test", False),
            ("vault.test:8200", "vault.test", True),
            ("vault.test:443", "vault.test", False),
            ("*", "vault.test", True),
            ("10.0.0.0/99,vault/test,,", "10.1.2.3", False),
        ):
            with self.subTest(no_proxy=no_proxy, host=host):
                os.environ["NO_PROXY"] = no_proxy
                self.assertEqual(proxy_for(host, 8200) is None, is_direct)

    def test_a_variable_in_small_letters_goes_before_one_in_capitals(self) -> None:
        os.environ.update(https_proxy="http://small.test:1", no_proxy="a.test", NO_PROXY="b.test")
        proxy = proxy_for("b.test", 443)
        assert proxy is not None
        self.assertEqual(proxy.hostname, "small.test")

    def test_a_tunnel_is_verified_to_its_far_end(self) -> None:
        def copy(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                for data in iter(lambda: source.recv(65536), b""):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def tunnel(client: socket.socket) -> None:
            read_request(client)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self.vault.port)) as server:
                threading.Thread(target=copy, args=(server, client), daemon=True).start()
                copy(client, server)

        os.environ.update(
            HTTPS_PROXY=f"127.0.0.1:{self.raw(tunnel).port}", VAULT_ADDR="https://vault.test:8200"
        )
        self.assertEqual(vc.read_credentials()["ml_api_key"]["api_key"], VALUE)
        os.environ["VAULT_ADDR"] = "https://other.test:8200"
        self.refused(vc.UnreachableError, "for another host")
