"""Stand-ins for Azure ML's identity endpoint and for Vault, on loopback, and what all tests share.

Only the standard library and the openssl command are needed. Without openssl the tests fail rather
than skip. Every secret of the stand-ins contains CANARY, and whatever the client prints, raises or
shows is searched for it.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import json
import logging
import os
import pathlib
import shutil
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
import traceback
import unittest
import urllib.parse
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable, Dict, List, NamedTuple, Tuple, Type, Union
from unittest import mock

import vault_credentials as vc
from vault_credentials import clock

CANARY = "CANARY-5f1c"
VALUE = f"value-{CANARY}"
VAULT_TOKEN = f"hvs.{CANARY}"
MSI_SECRET = f"msi-{CANARY}"
CLIENT_ID = "11111111-2222-3333-4444-555555555555"
OTHER_CLIENT_ID = "99999999-2222-3333-4444-555555555555"
AUDIENCE = "api://vault-ml"
PATH = "secret/data/mlvault/dev/ml_api_key"
OTHER_PATH = "secret/data/mlvault/dev/db"
LEASED_PATH = "database/creds/ml"
STATIC_PATH = "database/static-creds/ml"
WRITTEN_PATH = "pki/issue/ml"
LOGIN = "auth/jwt/login"
REVOKE = "auth/token/revoke-self"
RENEW = "sys/leases/renew"
# What a claim may be instead of a text that can be used.
NO_TEXTS: Tuple[Any, ...] = (None, "", 7, [], [CANARY], {"a": CANARY}, f"x\n{CANARY}")

FOLDER = pathlib.Path(__file__).resolve().parent


@functools.lru_cache(maxsize=None)
def certificates() -> pathlib.Path:
    """A folder that lives as long as the test run: ca.pem, other-ca.pem, and what ca.pem signed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vault-credentials-"))
    atexit.register(_remove, folder, os.getpid())

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
    for ca in ("ca", "other-ca"):
        subject = ("-subj", f"/CN={ca}", "-days", "2")
        openssl("req", "-x509", *new_key, f"{ca}.key", "-out", f"{ca}.pem", *subject)
    every_name = "IP:127.0.0.1,IP:::1,DNS:localhost,DNS:vault.test"
    for name, names, days in (
        ("server", every_name, "2"),
        ("elsewhere", "DNS:else.test", "2"),
        ("expired", every_name, "-1"),
    ):
        (folder / "ext").write_text(f"subjectAltName={names}\n")
        openssl("req", *new_key, f"{name}.key", "-out", "csr", "-subj", f"/CN={name}")
        signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        said = ("-extfile", "ext", "-days", days)
        openssl("x509", "-req", "-in", "csr", "-out", f"{name}.crt", *signed_by, *said)
    return folder


def make_jwt(**claims: Any) -> str:
    """A token in Entra's v1 shape; its signature is the canary. None leaves a claim out."""
    everything = {
        "aud": AUDIENCE,
        "iss": "https://sts.windows.net/tenant/",
        "oid": "the-principal",
        "tid": "the-tenant",
        "appid": CLIENT_ID,
        "private": CANARY,
        **claims,
    }
    stated = {name: value for name, value in everything.items() if value is not None}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "RS256"}, stated)
    ]
    return ".".join([*parts, CANARY])


def _remove(folder: pathlib.Path, owner: int) -> None:
    """Remove folder at the end of the process that made it, and not at that of a fork."""
    if os.getpid() == owner:
        shutil.rmtree(folder)


class Request(NamedTuple):
    method: str
    path: str
    query: Dict[str, str]
    headers: Dict[str, str]  # names in lower case
    body: bytes


class Answer(NamedTuple):
    status: int = 200
    body: Any = None  # a JSON value, or bytes that go out as they are
    headers: Tuple[Tuple[str, str], ...] = ()


class Listener(socketserver.ThreadingTCPServer):
    """A server on a port of loopback, with TLS when it has a certificate. It counts connections."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler: Any, certificate: str = "", port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.connections = 0
        self.port = self.server_address[1]
        self._open: List[Any] = []
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            folder = certificates()
            tls.load_cert_chain(folder / f"{certificate}.crt", folder / f"{certificate}.key")
            # The handshake waits for the thread of the connection.
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are what these tests are about."""

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        self._open.append(request)
        super().process_request(request, client_address)

    def close(self) -> None:
        """Stop, and hang up on everybody, as a server does that is restarted."""
        self.shutdown()
        self.server_close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.close()


class Server(Listener):
    """An HTTP server that records requests, and answers with a function."""

    def __init__(
        self, answer: Callable[[Request], Answer], certificate: str = "", port: int = 0
    ) -> None:
        self.requests: List[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                reply = answer(self.received())
                body = reply.body
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                with contextlib.suppress(OSError):  # the client may have hung up: its right
                    self.send_response(reply.status)
                    for name, value in (*reply.headers, ("Content-Length", str(len(body)))):
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            def received(self) -> Request:
                url = urllib.parse.urlsplit(self.path)
                length = int(self.headers.get("Content-Length", 0))
                request = Request(
                    method=self.command,
                    path=urllib.parse.unquote(url.path),
                    query=dict(urllib.parse.parse_qsl(url.query)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                )
                outer.requests.append(request)
                return request

            def do_CONNECT(self) -> None:
                # A proxy's target is no path: [::1]:8200 would be taken apart.
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append(Request("CONNECT", self.path, {}, headers, b""))
                reply = answer(outer.requests[-1])
                self.send_response(reply.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = handle_any

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(Handler, certificate, port)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"


class FakeIdentityEndpoint(Server):
    """Azure ML's managed identity endpoint. answers, when given, come first."""

    def __init__(self) -> None:
        self.token: Any = make_jwt()
        self.answers: List[Answer] = []
        super().__init__(self.answer)

    def answer(self, request: Request) -> Answer:
        if self.answers:
            return self.answers.pop(0)
        secret = request.headers.get("secret") or request.headers.get("x-identity-header")
        if secret != MSI_SECRET:
            return Answer(401, {"message": f"wrong secret {secret}"})
        body = {"access_token": self.token, "expires_on": "1900000000", "token_type": "Bearer"}
        return Answer(body=body)


class FakeVault(Server):
    """Vault's calls, as far as a client makes them.

    scripted holds answers, or functions that give one, that come first, by path below /v1/.
    """

    def __init__(self, certificate: str = "server", port: int = 0) -> None:
        self.secrets: Dict[str, Dict[str, Any]] = {PATH: {"api_key": VALUE, "endpoint": VALUE}}
        self.versions: Dict[str, Any] = {}
        self.scripted: Dict[str, List[Union[Answer, Callable[[], Answer]]]] = {}
        self.token_type = "batch"
        self.token_ttl: Any = 900
        self.lease: Any = 3600
        self.leases = 0
        self.rotates_in = 600
        self.live: List[str] = []
        super().__init__(self.answer, certificate, port)

    def answer(self, request: Request) -> Answer:
        path = request.path[len("/v1/") :]
        if self.scripted.get(path):
            scripted = self.scripted[path].pop(0)
            return scripted if isinstance(scripted, Answer) else scripted()
        if path == LOGIN:
            return self.log_in()
        if request.headers.get("x-vault-token") not in self.live:
            return Answer(403, {"errors": ["permission denied", "invalid token"]})
        if path == REVOKE:
            return Answer(204, b"")
        if path == RENEW:
            return self.renew(request)
        if path == LEASED_PATH:
            return self.lend(path)
        if path == STATIC_PATH:
            return self.static()
        if path == WRITTEN_PATH:
            return self.issue(request)
        if path not in self.secrets:
            return Answer(404, {"errors": []})
        metadata = {"version": self.versions.get(path, 1)}
        data = {"data": self.secrets[path], "metadata": metadata}
        return Answer(body={"data": data, "lease_id": ""})

    def log_in(self) -> Answer:
        self.live.append(f"{VAULT_TOKEN}-{len(self.asked(LOGIN))}")
        auth = {
            "client_token": self.live[-1],
            "token_type": self.token_type,
            "lease_duration": self.token_ttl,
        }
        return Answer(body={"auth": auth})

    def lend(self, path: str) -> Answer:
        self.leases += 1
        lease = {"lease_id": f"{path}/{self.leases}", "lease_duration": self.lease}
        data = {"username": f"v-job-{self.leases}", "password": VALUE}
        return Answer(body={**lease, "renewable": True, "data": data})

    def renew(self, request: Request) -> Answer:
        """Prolong a lease. A lease that Vault never gave, or has withdrawn, is not found."""
        lease_id = json.loads(request.body)["lease_id"]
        lent = [f"{LEASED_PATH}/{number}" for number in range(1, self.leases + 1)]
        if request.method != "PUT" or lease_id not in lent:
            return Answer(400, {"errors": ["lease not found"]})
        lease = {"lease_id": lease_id, "lease_duration": self.lease, "renewable": True}
        return Answer(body={**lease, "data": None})

    def static(self) -> Answer:
        """A static role, as the database engine answers."""
        data = {
            "username": "ml",
            "password": VALUE,
            "last_vault_rotation": "2030-01-01T00:00:00Z",
            "rotation_period": 600,
            "ttl": self.rotates_in,
        }
        return Answer(body={"data": data, "lease_id": "", "lease_duration": 0})

    def issue(self, request: Request) -> Answer:
        """A path that only takes writes, as pki/issue does."""
        if request.method == "GET":
            return Answer(405, {"errors": ["unsupported operation"]})
        asked = json.loads(request.body)
        if "common_name" not in asked:
            return Answer(400, {"errors": ["the common_name field is required"]})
        data = {"certificate": asked["common_name"], "private_key": VALUE, "serial_number": "7"}
        return Answer(body={"data": data, "lease_id": "", "lease_duration": 0})

    def asked(self, path: str) -> List[Request]:
        return [request for request in list(self.requests) if request.path == f"/v1/{path}"]


class Clock:
    """Time for the client alone: the real one and what the test adds. A sleep takes no time."""

    def __init__(self) -> None:
        self.added = 0.0
        self.calendar_is_off = 0.0  # seconds by which somebody set the calendar's clock
        self.waits: List[float] = []

    def now(self) -> float:
        return time.monotonic() + self.added

    def utc(self) -> datetime:
        off = timedelta(seconds=self.added + self.calendar_is_off)
        return datetime.now(timezone.utc) + off

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def environment(vault: FakeVault, identity: FakeIdentityEndpoint) -> Dict[str, str]:
    """What a job on a compute node finds, and nothing else."""
    return {
        "PATH": os.environ["PATH"],
        "VAULT_ADDR": vault.url,
        "VAULT_LOGIN_PATH": LOGIN,
        "VAULT_ROLE": "mlvault-dev",
        "VAULT_AUDIENCE": AUDIENCE,
        "VAULT_CREDENTIALS": json.dumps({"ml_api_key": PATH}),
        "VAULT_CACERT": str(certificates() / "ca.pem"),
        "MSI_ENDPOINT": f"{identity.url}/MSI/token",
        "MSI_SECRET": MSI_SECRET,
        "DEFAULT_IDENTITY_CLIENT_ID": CLIENT_ID,
    }


class TestCase(unittest.TestCase):
    """A fresh pair of stand-ins, the environment of a job that fits them, and a clock."""

    def setUp(self) -> None:
        self.identity: FakeIdentityEndpoint = self.closed(FakeIdentityEndpoint())
        self.vault: FakeVault = self.closed(FakeVault())
        self.clock = Clock()
        quiet = logging.NullHandler()
        logging.getLogger("vault_credentials").addHandler(quiet)
        self.addCleanup(logging.getLogger("vault_credentials").removeHandler, quiet)
        job = environment(self.vault, self.identity)
        self.use(mock.patch.dict(os.environ, job, clear=True))
        self.use(
            mock.patch.multiple(
                clock, now=self.clock.now, utc=self.clock.utc, sleep=self.clock.sleep
            )
        )

    def use(self, patch: Any) -> None:
        """Apply a patch until the end of the test."""
        patch.start()
        self.addCleanup(patch.stop)

    def closed(self, thing: Any) -> Any:
        """thing, which is closed after the test."""
        self.addCleanup(thing.close)
        return thing

    def client(self, **options: Any) -> vc.VaultCredentials:
        """A client without a thread, so that a test decides what happens when."""
        options.setdefault("background", False)
        vault: vc.VaultCredentials = self.closed(vc.VaultCredentials(**options))
        return vault

    def name(self, **sources: Any) -> None:
        """Name the credentials of the job: name=path."""
        os.environ["VAULT_CREDENTIALS"] = json.dumps(sources)

    def hundred(self) -> None:
        """Have a hundred credentials."""
        paths = {f"c{number}": f"secret/data/many/c{number}" for number in range(100)}
        self.vault.secrets.update((path, {"k": VALUE}) for path in paths.values())
        self.name(**paths)

    def another_asks(self, vault: vc.VaultCredentials) -> None:
        """Let another thread be asking Vault until the end of the test."""
        flight = vault._keeper._begin(["ml_api_key"], False, clock.now())
        self.addCleanup(vault._keeper._end, flight)

    def is_away(self, path: str = PATH, answer: Answer = Answer(503)) -> None:
        """Let Vault be away for whoever reads at path."""
        self.vault.scripted[path] = [answer] * 9999

    def is_back(self) -> None:
        self.vault.scripted.clear()

    def refused(
        self,
        kind: Type[BaseException],
        *words: str,
        read: Callable[[], Any] = vc.read_credentials,
    ) -> None:
        """Expect kind, with each of words in its one line and no canary where trackers look.

        That is in the error, in its causes, and in the variables of the client's frames.
        """
        with self.assertRaises(kind) as caught:
            try:
                read()
            except BaseException as raised:
                # Looked at here, because unittest clears the frames of the errors that it catches.
                self.assertEqual(lines_with_canary(frames_of_client(raised)), [])
                raise
        error = caught.exception
        self.assertIs(type(error), kind, error)
        for word in words:
            self.assertIn(word, str(error))
        self.assertNotIn("\n", str(error))
        self.assertNotIn(CANARY, f"{error} {error!r} {error.args}")
        self.assertEqual((error.__cause__, error.__context__), (None, None))


def lines_with_canary(text: str) -> List[str]:
    return [line for line in text.splitlines() if CANARY in line]


def frames_of_client(error: BaseException) -> str:
    """The part of error's traceback from the client's first frame on, with all variables."""
    package = str(FOLDER / "vault_credentials") + os.sep
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith(package):
        trace = trace.tb_next
    assert trace is not None, "the client is not in the traceback"
    shown = traceback.TracebackException(type(error), error, trace, capture_locals=True)
    return "".join(shown.format())
