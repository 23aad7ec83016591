"""Tests of vault_credentials against a stand-in for Azure ML's identity endpoint and one for Vault, on loopback.

    python3 -m unittest discover -s job

Only the standard library and the openssl command are needed; without openssl the tests fail rather than skip. Every
secret of the stand-ins contains CANARY, and whatever the client prints, raises or shows is searched for it.
"""

from __future__ import annotations

import atexit, base64, contextlib, functools, http.client, io, json, os, pathlib, pprint, shutil, signal  # noqa: E401
import socketserver, ssl, subprocess, sys, tempfile, threading, time, traceback, unittest, urllib.parse  # noqa: E401
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable, Dict, List, NamedTuple, Tuple, Type, Union
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import vault_credentials as vc  # noqa: E402  the path above makes it importable from anywhere

CANARY = "CANARY-5f1c"
VALUE = f"value-{CANARY}"
VAULT_TOKEN = f"hvs.{CANARY}"
MSI_SECRET = f"msi-{CANARY}"
CLIENT_ID = "11111111-2222-3333-4444-555555555555"
OTHER_CLIENT_ID = "99999999-2222-3333-4444-555555555555"
AUDIENCE = "api://vault-ml"
PATH, OTHER_PATH, LEASED_PATH = "secret/data/mlvault/dev/ml_api_key", "secret/data/mlvault/dev/db", "database/creds/ml"
LOGIN, REVOKE = "auth/jwt/login", "auth/token/revoke-self"
# What a claim may be instead of a text that can be used.
NO_TEXTS: Tuple[Any, ...] = (None, "", 7, [], [CANARY], {"a": CANARY}, f"x\n{CANARY}")


@functools.lru_cache(maxsize=None)
def certificates() -> pathlib.Path:
    """A directory of certificates that lives as long as the test run: ca.pem, other-ca.pem, and what ca.pem signed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vault-credentials-"))
    atexit.register(shutil.rmtree, folder)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
    for ca in ("ca", "other-ca"):
        openssl("req", "-x509", *new_key, f"{ca}.key", "-out", f"{ca}.pem", "-subj", f"/CN={ca}", "-days", "2")
    everything = "IP:127.0.0.1,DNS:localhost,DNS:vault.test"
    for name, names, days in (("server", everything, "2"), ("elsewhere", "DNS:else.test", "2"), ("expired", everything, "-1")):
        (folder / "ext").write_text(f"subjectAltName={names}\n")
        openssl("req", *new_key, f"{name}.key", "-out", "csr", "-subj", f"/CN={name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "ext", "-days", days)
        openssl("x509", "-req", "-in", "csr", "-out", f"{name}.crt", *signing)
    return folder


def make_jwt(**claims: Any) -> str:
    """A token in Entra's v1 shape, unsigned: its signature is the canary. A claim that is None is left out."""
    everything = {"aud": AUDIENCE, "iss": "https://sts.windows.net/tenant/", "oid": "the-principal", "tid": "the-tenant"}
    everything.update({"appid": CLIENT_ID, "private": CANARY, **claims})
    claims = {name: value for name, value in everything.items() if value is not None}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims))
    return ".".join([*(part.decode().rstrip("=") for part in parts), CANARY])


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
    """A server on a free port of loopback, with TLS when it has a certificate. It counts its connections."""

    daemon_threads, request_queue_size = True, 64
    handle_error = lambda *_: None  # noqa: E731

    def __init__(self, handler: Any, certificate: str = "") -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.connections, self.port = 0, self.server_address[1]
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificates() / f"{certificate}.crt", certificates() / f"{certificate}.key")
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def process_request(self, *arguments: Any) -> None:
        self.connections += 1
        super().process_request(*arguments)

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Server(Listener):
    """An HTTP server that records requests, and answers with a function."""

    def __init__(self, answer: Callable[[Request], Answer], certificate: str = "") -> None:
        self.requests: List[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                url, length = urllib.parse.urlsplit(self.path), int(self.headers.get("Content-Length", 0))
                path, query = urllib.parse.unquote(url.path), dict(urllib.parse.parse_qsl(url.query))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append(Request(self.command, path, query, headers, self.rfile.read(length)))
                reply = answer(outer.requests[-1])
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                with contextlib.suppress(OSError):  # the client may have hung up, which is its right
                    self.send_response(reply.status)
                    for name, value in (*reply.headers, ("Content-Length", str(len(body)))):
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            do_GET = do_POST = do_CONNECT = handle_any
            log_message = lambda *_: None  # noqa: E731

        super().__init__(Handler, certificate)
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
        return Answer(body={"access_token": self.token, "expires_on": "1900000000", "token_type": "Bearer"})


class FakeVault(Server):
    """Vault's three calls. scripted holds answers that come first, per path below /v1/."""

    def __init__(self, certificate: str = "server") -> None:
        self.secrets: Dict[str, Dict[str, Any]] = {PATH: {"api_key": VALUE, "endpoint": VALUE}}
        self.versions: Dict[str, Any] = {}
        # Answers, or functions that give one.
        self.scripted: Dict[str, List[Union[Answer, Callable[[], Answer]]]] = {}
        self.token_type, self.leases = "batch", 0
        self.token_ttl: Any = 900
        self.lease: Any = 3600
        self.live: List[str] = []
        super().__init__(self.answer, certificate)

    def answer(self, request: Request) -> Answer:
        path = request.path[len("/v1/") :]
        if self.scripted.get(path):
            scripted = self.scripted[path].pop(0)
            return scripted if isinstance(scripted, Answer) else scripted()
        if path == LOGIN:
            self.live.append(f"{VAULT_TOKEN}-{len(self.asked(LOGIN))}")
            auth = {"client_token": self.live[-1], "token_type": self.token_type, "lease_duration": self.token_ttl}
            return Answer(body={"auth": auth})
        if request.headers.get("x-vault-token") not in self.live:
            return Answer(403, {"errors": ["permission denied", "invalid token"]})
        if path == REVOKE:
            return Answer(204, b"")
        if path == LEASED_PATH:
            self.leases += 1
            lease = {"lease_id": f"{path}/{self.leases}", "lease_duration": self.lease, "renewable": True}
            return Answer(body={**lease, "data": {"username": f"v-job-{self.leases}", "password": VALUE}})
        if path not in self.secrets:
            return Answer(404, {"errors": []})
        metadata = {"version": self.versions.get(path, 1)}
        return Answer(body={"data": {"data": self.secrets[path], "metadata": metadata}, "lease_id": ""})

    def asked(self, path: str) -> List[Request]:
        return [request for request in self.requests if request.path == f"/v1/{path}"]


class Clock:
    """Time for the client alone: the real one and what the test adds; a sleep is recorded and takes no time."""

    def __init__(self) -> None:
        self.added = 0.0
        self.waits: List[float] = []
        self.sleep = self.waits.append

    def monotonic(self) -> float: return time.monotonic() + self.added
    def now(self, zone: timezone) -> datetime: return datetime.now(zone) + timedelta(seconds=self.added)


class TestCase(unittest.TestCase):
    """A fresh pair of stand-ins, the environment of a job that fits them and nothing else, and a clock."""

    def setUp(self) -> None:
        self.identity, self.vault, self.clock = self.closed(FakeIdentityEndpoint()), self.closed(FakeVault()), Clock()
        job = {
            "PATH": os.environ["PATH"],
            "VAULT_ADDR": self.vault.url,
            "VAULT_LOGIN_PATH": LOGIN,
            "VAULT_ROLE": "mlvault-dev",
            "VAULT_AUDIENCE": AUDIENCE,
            "VAULT_CREDENTIALS": json.dumps({"ml_api_key": PATH}),
            "VAULT_CACERT": str(certificates() / "ca.pem"),
            "MSI_ENDPOINT": f"{self.identity.url}/MSI/token",
            "MSI_SECRET": MSI_SECRET,
            "DEFAULT_IDENTITY_CLIENT_ID": CLIENT_ID,
        }
        clock = mock.patch.multiple(vc, time=self.clock, datetime=self.clock)
        patches: List[Any] = [clock, mock.patch.dict(os.environ, job, clear=True)]
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def closed(self, thing: Any) -> Any:
        """thing, which is closed after the test."""
        self.addCleanup(thing.close)
        return thing

    def client(self, **options: Any) -> vc.VaultCredentials:
        return self.closed(vc.VaultCredentials(**options))  # type: ignore[no-any-return]

    def name(self, **paths: str) -> None:
        os.environ["VAULT_CREDENTIALS"] = json.dumps(paths)

    def hundred(self) -> None:
        paths = {f"c{number}": f"secret/data/many/c{number}" for number in range(100)}
        self.vault.secrets.update((path, {"k": VALUE}) for path in paths.values())
        self.name(**paths)

    def refused(self, kind: Type[BaseException], *words: str, read: Callable[[], Any] = vc.read_credentials) -> None:
        """Expect kind with each of words in its one line, and no canary in it, its causes or its frames' variables."""
        with self.assertRaises(kind) as caught:
            try:
                read()
            except BaseException as raised:
                # Looked at here, because unittest clears the frames of the exceptions that it catches.
                self.assertEqual([line for line in frames_of_client(raised).splitlines() if CANARY in line], [])
                raise
        error = caught.exception
        self.assertIs(type(error), kind, error)
        for word in words:
            self.assertIn(word, str(error))
        self.assertNotIn("\n", str(error))
        self.assertNotIn(CANARY, f"{error} {error!r} {error.args}")
        self.assertEqual((error.__cause__, error.__context__), (None, None))


def frames_of_client(error: BaseException) -> str:
    """The part of error's traceback that runs in vault_credentials.py or below, with the variables of each frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != vc.__file__:
        trace = trace.tb_next
    assert trace is not None, "the client is not in the traceback"
    return "".join(traceback.TracebackException(type(error), error, trace, capture_locals=True).format())


class ReadingTest(TestCase):
    def test_a_job_gets_its_credentials_by_name(self) -> None:
        credentials = vc.read_credentials()
        self.assertEqual(dict(credentials["ml_api_key"]), {"api_key": VALUE, "endpoint": VALUE})
        self.assertEqual((list(credentials), len(credentials["ml_api_key"])), (["ml_api_key"], 2))
        (login,) = self.vault.asked(LOGIN)
        self.assertEqual(login.method, "POST")
        self.assertEqual(json.loads(login.body), {"role": "mlvault-dev", "jwt": self.identity.token})
        self.assertNotIn("x-vault-token", login.headers)

    def test_a_job_can_read_some_and_nothing_else_is_asked_for(self) -> None:
        self.name(ml_api_key=PATH, db=OTHER_PATH)
        self.assertEqual(list(vc.read_credentials("ml_api_key")), ["ml_api_key"])
        self.assertEqual(self.vault.asked(OTHER_PATH), [])
        self.vault.requests.clear()
        self.refused(vc.SettingsError, "no credential 'x'", read=lambda: vc.read_credentials("x"))
        self.assertEqual(self.vault.requests, [])

    def test_a_credential_says_its_version_and_path_and_one_without_a_version_is_read_alike(self) -> None:
        kinds: List[Any] = [({"data": {"k": VALUE}, "metadata": {"version": stated}}, version) for stated, version in (
            (7, 7), (None, None), ("7", None), (True, None), (-1, None), (1.5, None))]
        for data, version in [*kinds, ({"k": VALUE}, None)]:
            self.vault.scripted[PATH] = [Answer(200, {"data": data, "lease_id": "", "lease_duration": 2764800})]
            credential = vc.read_credentials()["ml_api_key"]
            self.assertEqual((credential.version, credential.path, credential.expires_at), (version, PATH, None))
            self.assertEqual(dict(credential), {"k": VALUE})

    def test_the_identity_is_asked_as_azure_ml_wants_it_and_newer_hosts_by_their_own_protocol(self) -> None:
        os.environ.update(IDENTITY_ENDPOINT=f"{self.identity.url}/token?x=1", IDENTITY_HEADER=MSI_SECRET)
        vc.read_credentials()
        del os.environ["MSI_ENDPOINT"]
        vc.read_credentials()
        first, second = self.identity.requests
        self.assertEqual((first.path, first.headers["secret"]), ("/MSI/token", MSI_SECRET))
        self.assertEqual(first.query, {"api-version": "2017-09-01", "resource": AUDIENCE, "clientid": CLIENT_ID})
        wanted = {"x": "1", "api-version": "2019-08-01", "resource": AUDIENCE, "client_id": CLIENT_ID}
        self.assertEqual((second.query, second.headers["x-identity-header"]), (wanted, MSI_SECRET))

    def test_an_explicit_client_id_goes_before_the_default_one_and_kubernetes_compute_says_none(self) -> None:
        self.identity.token = make_jwt(appid=None, azp=OTHER_CLIENT_ID.upper())  # as v2 tokens name it
        for explicit, asked in ((OTHER_CLIENT_ID, OTHER_CLIENT_ID), ("none", None)):
            os.environ["AZURE_CLIENT_ID"] = explicit
            vc.read_credentials()
            self.assertEqual(self.identity.requests[-1].query.get("clientid"), asked)

    def test_a_path_is_quoted_part_by_part(self) -> None:
        values = {"port": 5432, "hosts": ["a", "b"], "empty": "", "ü": None}  # which may be any JSON
        self.vault.secrets["secret/data/a b/c?version=1"] = values
        self.name(c="secret/data/a b/c?version=1")
        self.assertEqual(dict(vc.read_credentials()["c"]), values)

    def test_the_namespace_goes_with_every_call_and_only_where_there_is_one(self) -> None:
        vc.read_credentials()
        self.assertTrue(all("x-vault-namespace" not in request.headers for request in self.vault.requests))
        self.vault.requests.clear()
        os.environ["VAULT_NAMESPACE"] = "admin/ml"
        vc.read_credentials()
        self.assertEqual({request.headers.get("x-vault-namespace") for request in self.vault.requests}, {"admin/ml"})

    def test_plain_http_to_this_machine_is_allowed(self) -> None:
        vault = self.closed(FakeVault(certificate=""))
        for host in ("127.0.0.1", "localhost"):
            os.environ["VAULT_ADDR"] = f"http://{host}:{vault.port}/"
            self.assertEqual(vc.read_credentials()["ml_api_key"]["api_key"], VALUE)

    def test_a_hundred_credentials_cost_one_login_and_two_connections(self) -> None:
        self.hundred()
        self.assertEqual(len(vc.read_credentials()), 100)
        self.assertEqual(len(self.vault.asked(LOGIN)), 1)
        self.assertLessEqual(self.vault.connections + self.identity.connections, 2)

    def test_a_service_token_is_revoked_after_the_last_read_a_refused_one_too_and_a_batch_token_is_not(self) -> None:
        vc.read_credentials()
        self.assertEqual(self.vault.asked(REVOKE), [])
        self.vault.token_type = "service"
        for answer in (Answer(400), Answer(403), Answer(503)):  # a failure to revoke is none, and is tried once
            self.vault.scripted[REVOKE] = [answer] * 2
            vc.read_credentials()
            last = self.vault.requests[-1]
            self.assertEqual((last.method, last.path), ("POST", f"/v1/{REVOKE}"))
            self.assertEqual(last.headers["x-vault-token"], self.vault.live[-1])
        self.vault.scripted[PATH] = [Answer(403, {"errors": ["permission denied"]})]
        self.refused(vc.ReadError)
        self.assertEqual(len(self.vault.asked(REVOKE)), 4)


class LeaseTest(TestCase):
    """Values with a lease: never used past it, and read again in time by a client that lives."""

    def setUp(self) -> None:
        super().setUp()
        self.name(db=LEASED_PATH)

    def lasts(self, credential: vc.Credential) -> float:
        assert credential.expires_at is not None
        return (credential.expires_at - self.clock.now(timezone.utc)).total_seconds()

    def test_a_lease_says_when_it_ends_which_is_with_its_token_at_the_latest(self) -> None:
        for lease, token, lasts in ((600, 900, 600), (3600, 900, 900), (3600, 0, 3600), (3600, "x", 3600), (10**400, 900, 900)):
            with self.subTest(lease=lease, token=token):
                self.vault.lease, self.vault.token_ttl = lease, token
                credential = vc.read_credentials()["db"]
                self.assertAlmostEqual(self.lasts(credential), lasts, delta=2)
                self.assertLessEqual(self.lasts(credential), lasts)
                self.assertEqual((credential.version, credential["password"]), (None, VALUE))

    def test_reading_once_leaves_the_lease_alive(self) -> None:
        self.vault.token_type = "service"
        vc.read_credentials()
        self.assertEqual(self.vault.asked(REVOKE), [])
        with vc.VaultCredentials() as vault:
            vault["db"]
        self.assertEqual(len(self.vault.asked(REVOKE)), 1)

    def test_a_living_client_reads_again_at_two_thirds_and_no_earlier(self) -> None:
        vault = self.client(ttl=1)
        for added, user in ((0, "v-job-1"), (590, "v-job-1"), (20, "v-job-2"), (590, "v-job-2"), (20, "v-job-3")):
            self.clock.added += added
            self.assertEqual(vault["db"]["username"], user)
        self.assertEqual(len(self.vault.asked(LOGIN)), 3)  # a lease lasts as long as its token, so it has a fresh one

    def test_while_the_lease_holds_a_failure_to_renew_is_none_and_after_it_no_value_is_given_out(self) -> None:
        vault = self.client()
        vault["db"]
        self.vault.scripted[LOGIN] = [Answer(503)] * 99
        self.clock.added = 700
        self.assertEqual([vault["db"]["username"] for _ in range(20)], ["v-job-1"] * 20)
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)  # one try, and a pause before the next
        self.clock.added = 901
        self.refused(vc.UnreachableError, "503", read=lambda: vault["db"])

    def test_nobody_waits_for_a_renewal_while_the_lease_holds_and_a_clock_that_was_set_ends_it_too(self) -> None:
        vault = self.client()
        vault["db"]
        self.clock.added = 700
        with vault._lock:  # as if another thread were asking Vault
            self.assertEqual(vault["db"]["username"], "v-job-1")
        with mock.patch.object(vc, "datetime", mock.Mock(now=lambda zone: datetime.now(zone) + timedelta(hours=1))):
            self.vault.scripted[LOGIN] = [Answer(503)] * 99
            self.refused(vc.UnreachableError, read=lambda: vault["db"])

    def test_a_lease_that_is_over_at_once_or_makes_no_sense_is_refused(self) -> None:
        for duration in (0, -5, True, "600", None, 1.5, [], {}):
            body = {"lease_id": "a/b", "lease_duration": duration, "data": {"k": VALUE}}
            self.vault.scripted[LEASED_PATH] = [Answer(200, body)]
            self.refused(vc.ReadError, "no duration that makes sense")

        def late() -> Answer:
            self.clock.added += 5
            return Answer(200, {"lease_id": "a/b", "lease_duration": 4, "data": {"k": VALUE}})

        self.vault.scripted[LEASED_PATH] = [late]
        self.refused(vc.ReadError, "its lease ended before it could be used")


class LivingTest(TestCase):
    """One client for many reads."""

    def test_twenty_calls_cost_one_login_one_read_and_two_connections(self) -> None:
        vault = self.client()
        for _ in range(20):
            self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
        self.assertEqual((len(self.vault.asked(LOGIN)), len(self.vault.asked(PATH))), (1, 1))
        self.assertEqual((self.vault.connections, self.identity.connections), (1, 1))

    def test_sixteen_threads_cost_one_login_and_two_connections(self) -> None:
        self.hundred()
        vault, start = self.client(), threading.Barrier(16)
        found: List[str] = []

        def work() -> None:
            start.wait()
            found.extend(vault[name]["k"] for name in vault)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [VALUE] * 1600)
        self.assertEqual((len(self.vault.asked(LOGIN)), len(self.vault.requests)), (1, 101))
        self.assertEqual((self.vault.connections, self.identity.connections), (1, 1))

    def test_a_rotated_value_is_seen_within_the_caches_time_and_at_once_after_refresh(self) -> None:
        vault = self.client(ttl=300)
        vault["ml_api_key"]
        self.vault.secrets[PATH], self.vault.versions[PATH] = {"api_key": "new"}, 2
        self.clock.added += 290
        self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
        self.clock.added += 11
        self.assertEqual((vault["ml_api_key"]["api_key"], vault["ml_api_key"].version), ("new", 2))
        self.vault.secrets[PATH] = {"api_key": "newer"}
        self.assertEqual(vault.refresh("ml_api_key")["ml_api_key"]["api_key"], "newer")
        self.assertEqual(vault["ml_api_key"]["api_key"], "newer")

    def test_a_dead_token_costs_one_login_and_a_policy_that_refuses_no_more_than_that(self) -> None:
        vault = self.client(ttl=0)
        vault["ml_api_key"]
        self.vault.live.clear()
        self.assertEqual(vault["ml_api_key"]["api_key"], VALUE)
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)
        self.vault.scripted[PATH] = [Answer(403)] * 99
        for _ in range(5):
            self.refused(vc.ReadError, "grants no read", read=lambda: vault["ml_api_key"])
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)
        self.clock.added += vc.PAUSE + 1
        self.refused(vc.ReadError, read=lambda: vault["ml_api_key"])
        self.assertEqual(len(self.vault.asked(LOGIN)), 3)

    def test_a_token_is_replaced_before_it_dies_and_a_closed_connection_at_once(self) -> None:
        vault = self.client(ttl=0)
        vault["ml_api_key"]
        vault._server._kept.wire.socket.shutdown(2)  # type: ignore[union-attr]
        self.clock.added += 601
        vault["ml_api_key"]
        self.assertEqual((len(self.vault.asked(LOGIN)), len(self.vault.asked(PATH))), (2, 2))
        self.assertEqual((self.vault.connections, self.clock.waits), (2, []))

    def test_leaving_the_block_revokes_hangs_up_and_forgets(self) -> None:
        self.vault.token_type = "service"
        with vc.VaultCredentials() as vault:
            self.assertEqual(self.identity.requests + self.vault.requests, [])  # nothing before the first read
            self.assertEqual((list(vault), "ml_api_key" in vault, "x" in vault), (["ml_api_key"], True, False))
            vault["ml_api_key"]
        self.assertEqual((len(self.vault.asked(REVOKE)), vault._cache, vault._token), (1, {}, None))
        self.assertEqual(vault.read()["ml_api_key"]["api_key"], VALUE)
        vault.close()
        self.assertEqual(len(self.vault.asked(LOGIN)), 2)

    def test_a_thread_waits_for_another_no_longer_than_the_deadline(self) -> None:
        os.environ["VAULT_DEADLINE"] = "0.1"
        vault = self.client()
        with vault._lock:
            begun = time.monotonic()
            self.refused(vc.UnreachableError, "another thread", read=lambda: vault["ml_api_key"])
            self.assertLess(time.monotonic() - begun, 1.1)

    @unittest.skipUnless(hasattr(os, "fork"), "Windows has no fork")
    def test_a_forked_worker_has_a_connection_of_its_own(self) -> None:
        vault = self.client()
        vault["ml_api_key"]
        with vault._lock:  # held in the parent by whoever was reading
            child = os.fork()
            if not child:
                os._exit(0 if vault["ml_api_key"]["api_key"] == VALUE else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(vault.refresh()["ml_api_key"]["api_key"], VALUE)
        self.assertEqual(self.vault.connections, 2)


class SecrecyTest(TestCase):
    def test_a_credential_shows_its_keys_and_no_value_and_cannot_be_written_to(self) -> None:
        vault = self.client()
        credentials = vault.read()
        single: Any = credentials["ml_api_key"]
        for shown in (f"{credentials} {single} {single!r}", "%s" % single, pprint.pformat(credentials)):
            self.assertNotIn(CANARY, f"{shown} {vault}")
            self.assertIn("api_key", shown)
        for thing in (single, credentials):
            self.assertRaises(TypeError, json.dumps, thing)
        self.assertFalse(hasattr(single, "update"))
        with self.assertRaisesRegex(KeyError, "no key 'other', only \\['api_key', 'endpoint'\\]"):
            single["other"]

    def test_a_token_that_no_header_can_carry_is_not_sent_and_not_shown(self) -> None:
        for token in (f"{CANARY}\r\nx: y", f"{CANARY} x", f"{CANARY}ü", "", 7, None, {"a": CANARY}):
            self.vault.scripted[LOGIN] = [Answer(body={"auth": {"client_token": token}})]
            self.refused(vc.LoginError, "without a token")
        os.environ["MSI_SECRET"] = f"{MSI_SECRET}\n{CANARY}"
        self.refused(vc.IdentityError, "cannot be sent")

    def test_ctrl_c_leaves_without_tokens_or_environment_wherever_it_comes(self) -> None:
        interrupted = 0
        places: List[Tuple[Any, str]] = [(vc._Wire, "readinto"), (vc._Wire, "sendall")]
        places += [(vc, name) for name in ("_parse_object", "_checked", "_Token", "_public", "_Answer", "Credential")]
        for place, name in places:
            for turn in range(4):
                calls: List[Any] = []
                whole = getattr(place, name)

                def interrupt(*arguments: Any, **named: Any) -> Any:
                    calls.append(arguments)
                    if len(calls) > turn:
                        raise KeyboardInterrupt
                    return whole(*arguments, **named)

                with self.subTest(name=name, turn=turn), mock.patch.object(place, name, interrupt):
                    with contextlib.suppress(KeyboardInterrupt):
                        vc.read_credentials()
                    if len(calls) > turn:
                        calls.clear()
                        self.refused(KeyboardInterrupt)
                        interrupted += 1
        self.assertGreaterEqual(interrupted, 15)

    def test_a_real_ctrl_c_in_the_middle_of_an_answer(self) -> None:
        def interrupt() -> Answer:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            return Answer(500)

        self.vault.scripted[PATH] = [interrupt]
        # A shell lets its background jobs ignore the signal, and these tests may be one.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        self.refused(KeyboardInterrupt)

    def test_http_clients_debugging_prints_nothing_of_ours(self) -> None:
        self.vault.token_type = "service"
        out = io.StringIO()
        with mock.patch.object(http.client.HTTPConnection, "debuglevel", 1), contextlib.redirect_stdout(out):
            with contextlib.redirect_stderr(out):
                vc.read_credentials()
        self.assertEqual(out.getvalue(), "")
        connection = vc._Connection(io.BytesIO(), vc._Budget(1))
        connection.close()
        with self.assertRaises(http.client.NotConnected):  # it would connect again without TLS
            connection.request("GET", "/")


class SettingsTest(TestCase):
    """One valid environment; each case breaks one thing."""

    def test_each_wrong_setting_is_named_and_nothing_is_sent(self) -> None:
        not_pem = certificates() / "not.pem"
        not_pem.write_text("nothing")
        form, clean = "VAULT_CREDENTIALS is not a JSON object", "not a clean API path"
        rows: List[Tuple[str, str, List[Any]]] = [
            ("VAULT_ADDR", "VAULT_ADDR is not set", [None, "", " "]),
            ("VAULT_ADDR", "VAULT_ADDR is not a URL", ["vault:8200", "https://vault:port", "https://vault:99999"]),
            ("VAULT_ADDR", "VAULT_ADDR is not a URL", ["https://[::1", "file:///etc/passwd", "https://", "https://x:0"]),
            ("VAULT_ADDR", "cannot be sent", ["https://vault.example.com/a b", "https://v\u00e4ult"]),
            ("VAULT_ADDR", "plain http to vault", ["http://vault.example.com:8200", "http://vault"]),
            ("VAULT_ADDR", "plain http to 1", ["http://127.0.0.1.example.com", "http://169.254.169.254", "http://10.0.0.1"]),
            ("VAULT_ADDR", "VAULT_ADDR ends in /v1", ["https://vault.example.com/v1", "https://v.example.com/proxy/v1/"]),
            ("VAULT_ADDR", "more than scheme, host", [f"https://user:{CANARY}@v.test", f"https://v.test?token={CANARY}"]),
            ("VAULT_LOGIN_PATH", "VAULT_LOGIN_PATH is not set", [None]),
            ("VAULT_LOGIN_PATH", "not like auth/jwt/login", ["jwt", "auth/../sys/login", "auth//login", "auth/jwt/login/x"]),
            ("VAULT_ROLE", "VAULT_ROLE is not set", [None]),
            ("VAULT_AUDIENCE", "VAULT_AUDIENCE is not set", [" "]),
            ("VAULT_CREDENTIALS", form, [None, "{}", PATH, f'["{PATH}"]', '[["a", "b/c"]]', '{"a": ', '{"a": ' + "[" * 99999]),
            ("VAULT_CREDENTIALS", "is empty or cannot be printed", [f'{{"": "{PATH}"}}', f'{{"a\\n": "{PATH}"}}']),
            ("VAULT_CREDENTIALS", "has an entry 'a' twice", [f'{{"a": "{PATH}", "a": "{OTHER_PATH}"}}']),
            ("VAULT_CREDENTIALS", clean, ['{"a": 1}', '{"a": {"b": "c/d"}}', '{"a": "ml_api_key"}', f'{{"a": "v1/{PATH}"}}']),
            ("VAULT_CREDENTIALS", clean, ['{"a": "secret/data/../../sys/raw"}', '{"a": "a//b"}', '{"a": "a/b\\u0007"}']),
            ("VAULT_NAMESPACE", "VAULT_NAMESPACE", ["a\nb"]),
            ("VAULT_CACERT", "cannot be read", ["/nowhere/ca.pem"]),
            ("VAULT_CACERT", "holds no certificate", [str(not_pem)]),
            ("VAULT_TIMEOUT", "VAULT_TIMEOUT is not a number of seconds", ["soon", "\u0661", "-1", "1e3"]),
            ("VAULT_DEADLINE", "VAULT_DEADLINE is not a number of seconds", ["0", "inf", "nan", "9" * 5000, "86401"]),
            ("VAULT_LOGIN", "VAULT_LOGIN is 'azure'", ["azure"]),
        ]
        for variable, message, values in rows:
            for value in values:
                with self.subTest(variable, value=value and value[:40]), mock.patch.dict(os.environ):
                    os.environ.pop(variable, None)
                    os.environ.update({} if value is None else {variable: value})
                    self.refused(vc.SettingsError, message)
        self.assertEqual(self.identity.requests + self.vault.requests, [])

    def test_every_problem_is_reported_at_once(self) -> None:
        os.environ.update(VAULT_ADDR="", VAULT_ROLE="", VAULT_TIMEOUT="x", VAULT_CREDENTIALS="[]", VAULT_CACERT="/x")
        names = ("VAULT_ADDR", "VAULT_ROLE", "VAULT_TIMEOUT", "VAULT_CREDENTIALS", "VAULT_CACERT")
        self.refused(vc.SettingsError, *names)

    def test_what_is_ignored_makes_no_difference(self) -> None:
        os.environ.update(VAULT_TOKEN=CANARY, VAULT_SKIP_VERIFY="true", VAULT_MOUNT="x")
        self.assertEqual(vc.read_credentials()["ml_api_key"]["api_key"], VALUE)
        self.assertNotIn(CANARY, [request.headers.get("x-vault-token") for request in self.vault.requests])


class IdentityTest(TestCase):
    def refused(self, kind: Any, *words: str, asked: int = 0, **named: Any) -> None:
        """Expect a refusal before anything is sent to Vault, after so many questions for a token."""
        self.identity.requests.clear()
        super().refused(kind, *words, **named)
        self.assertEqual((len(self.identity.requests), self.vault.requests), (asked, []))

    def test_on_a_laptop_the_first_error_says_that_there_is_no_identity_and_what_to_do(self) -> None:
        with mock.patch.dict(os.environ, clear=True):
            self.refused(vc.IdentityError, "no managed identity here", "run inside an Azure ML job", "VAULT_LOGIN=az-cli")
        del os.environ["MSI_SECRET"]
        self.refused(vc.IdentityError, "no managed identity here")

    def test_without_a_client_id_nothing_is_asked_because_a_users_token_could_come_back(self) -> None:
        for variable, value in (("X", ""), ("DEFAULT_IDENTITY_CLIENT_ID", "clientid"), ("AZURE_CLIENT_ID", "None")):
            with mock.patch.dict(os.environ, {variable: value}):
                if not value:
                    del os.environ["DEFAULT_IDENTITY_CLIENT_ID"]
                expected = f"{value!r} and not a client id" if value else "AZURE_CLIENT_ID is not set"
                self.refused(vc.IdentityError, expected, "a user's token", "attach the job identity")

    def test_the_endpoint_must_be_plain_http_on_this_machine_or_link_local(self) -> None:
        loopback, user = "http://127.0.0.1", f"http://user:{CANARY}@127.0.0.1/"
        for endpoint in (
            *("file:///etc/passwd", "https://127.0.0.1/", "http://10.0.0.1/token", "http://identity.example.com/"),
            *(f"{loopback}.example.com/", user, f"{loopback}:port/", "http://[::1", f"{loopback}/\u00e4", "127.0.0.1"),
        ):
            with self.subTest(endpoint), mock.patch.dict(os.environ, MSI_ENDPOINT=endpoint):
                self.refused(vc.IdentityError, "not plain http to this machine or a link-local address")
        for endpoint in ("http://169.254.128.1:2377/x", "http://[fe80::1]/", "http://[::1]:1/", "http://localhost/"):
            with mock.patch.dict(os.environ, MSI_ENDPOINT=endpoint):
                self.client()

    def test_a_token_that_is_not_the_jobs_or_not_for_vault_never_reaches_vault(self) -> None:
        opaque = "without a token that can be read"
        for token, words in (
            (make_jwt(appid=OTHER_CLIENT_ID), f"of client {OTHER_CLIENT_ID} instead of {CLIENT_ID}"),
            (make_jwt(scp="user_impersonation"), "of a user"),
            *((make_jwt(appid=owner), "names no application") for owner in NO_TEXTS),
            (make_jwt(aud="https://management.azure.com/"), "for https://management.azure.com/ and not for"),
            (make_jwt(aud=AUDIENCE + "/"), "workload.audience"),
            *((make_jwt(aud=meant), "and not for") for meant in NO_TEXTS),
            *((token, opaque) for token in (f"opaque-{CANARY}", f"a.\u00e9.{CANARY}", f"a.W10.{CANARY}", f"a.!.{CANARY}")),
            *((token, opaque) for token in (None, 7, "", "a.b", [CANARY], {"a": CANARY}, make_jwt() + "\n", "a.e30.b")),
        ):
            with self.subTest(words, token=token):
                self.identity.token = token
                self.refused(vc.IdentityError, words, asked=1)
        os.environ["AZURE_CLIENT_ID"] = "none"
        self.identity.token = make_jwt(scp="user_impersonation")
        self.refused(vc.IdentityError, "of a user", "instead of a managed identity", asked=1)

    def test_an_identity_that_is_not_attached_is_explained_and_not_retried(self) -> None:
        for answer in (Answer(400, {"message": CANARY}), Answer(302, headers=(("Location", self.vault.url),))):
            self.identity.answers = [answer]
            status = f"status {answer.status}"
            self.refused(vc.IdentityError, status, CLIENT_ID, AUDIENCE, "attached to the compute", asked=1)

    def test_a_passing_failure_is_retried_and_a_lasting_one_explained(self) -> None:
        self.identity.answers = [Answer(500, CANARY)] * 99
        self.refused(vc.UnreachableError, "managed identity endpoint", "500", asked=vc.ATTEMPTS)
        self.identity.answers = [Answer(500), Answer(429), Answer(503)]
        vc.read_credentials()

    def test_the_azure_cli_is_asked_only_when_told_to_and_gives_a_persons_token(self) -> None:
        person = make_jwt(appid="04b07795-8ddb-461a-bbee-02f9e1bf7b46", scp="user_impersonation", oid="a-person")
        with self.azure_cli(f'echo "$@" > "$0.args"; echo {person}') as az:
            vc.read_credentials(login="az-cli")
            self.assertEqual(json.loads(self.vault.asked(LOGIN)[0].body)["jwt"], person)
            self.assertIn(f"account get-access-token --query accessToken -o tsv --resource {AUDIENCE}", az.args())
            for variable in ("MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID"):
                del os.environ[variable]
            os.environ["VAULT_LOGIN"] = "az-cli"
            vc.read_credentials()
        self.assertEqual(self.identity.requests, [])

    def test_what_the_azure_cli_lacks_is_said(self) -> None:
        os.environ["VAULT_LOGIN"] = "az-cli"
        for script, kind, words in (
            (f"echo Please run 'az login' {CANARY} >&2; exit 1", vc.IdentityError, "run `az login`"),
            (f"echo AADSTS65001: {CANARY} >&2; exit 1", vc.IdentityError, "AADSTS65001: see docs/deploy.md"),
            (f"echo {make_jwt(aud='https://graph.microsoft.com')}", vc.IdentityError, "and not for"),
            (f"printf '\\377{CANARY}'", vc.IdentityError, "without a token"),
            ("exec sleep 20", vc.UnreachableError, "no token in time"),
        ):
            with self.subTest(script), self.azure_cli(script):
                os.environ["VAULT_DEADLINE"] = "0.3" if "sleep" in script else "60"
                self.refused(kind, words)
        with mock.patch.dict(os.environ, PATH="/nowhere"):
            self.refused(vc.IdentityError, "az cannot be run")

    @contextlib.contextmanager
    def azure_cli(self, script: str) -> Any:
        """An `az` on PATH that runs a shell script; args() is what it was called with."""
        with tempfile.TemporaryDirectory() as folder:
            az = pathlib.Path(folder, "az")
            az.write_text(f"#!/bin/sh\n{script}\n")
            az.chmod(0o700)
            with mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"):
                yield mock.Mock(args=az.with_suffix(".args").read_text)

    def test_any_function_from_the_audience_to_a_token_will_do(self) -> None:
        identity = mock.Mock(return_value=make_jwt(appid=OTHER_CLIENT_ID))
        vc.read_credentials(login=identity)
        identity.assert_called_once_with(AUDIENCE)
        self.assertEqual(self.identity.requests, [])
        self.vault.requests.clear()

        def broken(audience: str) -> str:
            raise RuntimeError(f"no luck {CANARY}")

        for login, words in ((broken, "raised RuntimeError"), (lambda audience: CANARY, "without a token")):
            self.refused(vc.IdentityError, words, read=lambda: vc.read_credentials(login=login))


class LoginTest(TestCase):
    def test_each_refusal_is_explained_and_not_retried(self) -> None:
        # The texts are those of vault-plugin-auth-jwt 0.25 and hashicorp/cap 0.11, canaries apart.
        for text, advice in (
            ("error validating token: invalid audience (aud) claim: audience claim does not match", "wrong audience"),
            ("audience claim found in JWT but no audiences bound to the role", "bound to no audience"),
            ("error validating token: invalid issuer (iss) claim", "trusts another issuer"),
            ('error validating claims: claim "oid" does not match any associated bound claim values', "principalIds"),
            ('role "mlvault-dev" could not be found', "no such role"),
            ("error validating token: invalid expiration time (exp) claim: token is expired", "clocks"),
            ("error validating token: invalid not before (nbf) claim: token not yet valid", "clocks"),
            ("error validating token: invalid issued at (iat) claim: token issued in the future", "clocks"),
            ("error validating token: error verifying token signature: failed", "no trusted key"),
            ("error configuring token validator: no keys", "run pulumi up"),
            ("could not load configuration", "run pulumi up"),
            ("something new", "compare login path, VAULT_NAMESPACE, role"),
        ):
            with self.subTest(text):
                self.vault.requests.clear()
                self.vault.scripted[LOGIN] = [Answer(400, {"errors": [f"{text} {CANARY}"]})]
                claims = (f"aud={AUDIENCE}", "oid=the-principal", "tid=the-tenant", "iss=https://sts.windows.net/tenant/")
                self.refused(vc.LoginError, LOGIN, "'mlvault-dev'", "status 400", advice, *claims)
                self.assertEqual(len(self.vault.requests), 1)


class ReadRefusalTest(TestCase):
    def test_each_refusal_is_explained_and_not_retried(self) -> None:
        gone = {"data": {"data": None, "metadata": {"deletion_time": "2030-01-01T00:00:00Z", "version": 3}}}
        for answer, advice in (
            (Answer(403, {"errors": [f"permission denied {CANARY}"]}), "role 'mlvault-dev' grants no read"),
            (Answer(404, {"errors": [CANARY]}), "there is none"),
            (Answer(404, gone), "its latest version was deleted"),
            (Answer(200, gone), "its latest version was deleted"),
            (Answer(405, {"errors": [CANARY]}), "Vault answered 405"),
            (Answer(200, b"<html>portal</html>"), "VAULT_ADDR is Vault itself"),
        ):
            with self.subTest(advice):
                self.vault.requests.clear()
                self.vault.scripted[PATH] = [answer]
                self.refused(vc.ReadError, "'ml_api_key'", PATH, advice)
                self.assertEqual(len(self.vault.asked(PATH)), 1)

    def test_one_refused_credential_of_two_means_none(self) -> None:
        self.name(ml_api_key=PATH, other=OTHER_PATH)
        self.refused(vc.ReadError, "'other'")


class CommandTest(TestCase):
    def run_main(self, *arguments: str, encoding: str = "utf-8") -> Tuple[int, str, str]:
        """Exit status, stdout and stderr of the command in this process."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = vc.main(arguments)
        printed = [stream.buffer.getvalue().decode(encoding) for stream in (out, err)]  # type: ignore[attr-defined]
        self.assertNotIn(CANARY, "".join(printed))
        return status, printed[0], printed[1]

    def test_check_reports_each_step(self) -> None:
        self.assertEqual(self.run_main(), (0, "ml_api_key: api_key, endpoint\n", ""))
        self.name(ml_api_key=PATH, db=LEASED_PATH)
        status, out, err = self.run_main("--check")
        self.assertEqual((status, err), (0, ""))
        steps = [line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith("ok")]
        self.assertEqual(steps, ["settings", "identity", "login", "read", "read"])
        self.assertIn("read: ml_api_key, version 1\n", out)
        self.assertRegex(out, r"read: db, until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\n")
        self.assertTrue(out.endswith("db: password, username\nml_api_key: api_key, endpoint\n"))

    def test_a_refusal_exits_1_with_one_line_and_wrong_settings_exit_2(self) -> None:
        self.vault.scripted[LOGIN] = [Answer(400, {"errors": [f"invalid audience (aud) claim {CANARY}"]})]
        status, out, err = self.run_main()
        self.assertEqual((status, out, err.count("\n")), (1, "", 1))
        self.assertTrue(err.startswith("vault_credentials: "))
        os.environ["VAULT_ADDR"] = ""
        self.assertEqual(self.run_main()[0], 2)
        with self.assertRaises(SystemExit) as caught:
            self.run_main("--no-such-flag")
        self.assertEqual(caught.exception.code, 2)

    def test_nothing_is_printed_unfiltered_and_no_key_ends_the_command(self) -> None:
        self.vault.secrets[PATH] = {"a\nfake: line": VALUE, "b\x1b[31m": VALUE, "\u00fc\u65e5\ud800": VALUE, "\u202e": VALUE}
        self.vault.token_type = f"batch\n{CANARY}"
        os.environ["VAULT_ROLE"] = "r%s{}"
        for encoding in ("utf-8", "ascii", "cp1252"):
            status, out, err = self.run_main("--check", encoding=encoding)
            self.assertEqual((status, out.count("\n"), err), (0, 5, ""))
            self.assertFalse(set("\x1b\u202e") & set(out))
