"""Tests of vault_credentials against a stand-in for Azure ML's identity endpoint and one for Vault, on loopback.

    python3 -m unittest discover -s job

Only the standard library and the openssl command are needed; without openssl the tests fail rather than skip, because
certificate verification is half of what they prove. Every secret of the stand-ins contains CANARY, and whatever the
client prints, raises or shows is searched for it.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pathlib
import pprint
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type
from unittest import mock

JOB_DIRECTORY = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(JOB_DIRECTORY))

import vault_credentials as vc  # noqa: E402  the path above makes it importable from anywhere

CANARY = "CANARY-5f1c"
VALUE = f"value-{CANARY}"
VAULT_TOKEN = f"hvs.{CANARY}"
MSI_SECRET = f"msi-{CANARY}"

CLIENT_ID = "11111111-2222-3333-4444-555555555555"
OTHER_CLIENT_ID = "99999999-2222-3333-4444-555555555555"
AUDIENCE = "api://vault-ml"
PATH = "secret/data/mlvault/dev/ml_api_key"
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")

certificates: pathlib.Path
"""Directory of the certificates that setUpModule makes; they live as long as the test run."""


def setUpModule() -> None:
    global certificates
    if shutil.which("openssl") is None:
        raise RuntimeError("the openssl command is missing, and without it TLS verification would go untested")
    certificates = pathlib.Path(tempfile.mkdtemp(prefix="vault-credentials-"))
    unittest.addModuleCleanup(shutil.rmtree, certificates)
    for ca in ("ca", "other-ca"):
        names = ("-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-subj", f"/CN={ca}")
        openssl("req", "-x509", *NEW_KEY, *names, "-days", "2")
    make_certificate("server", "IP:127.0.0.1,DNS:localhost,DNS:vault.test")
    make_certificate("elsewhere", "DNS:elsewhere.test")
    make_certificate("expired", "IP:127.0.0.1", days=-1)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificate(name: str, alternative_names: str, days: int = 2) -> None:
    """Make name.pem, certificate and key in one file, signed by ca.pem."""
    (certificates / f"{name}.ext").write_text(f"subjectAltName={alternative_names}\n")
    openssl("req", *NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext")
    openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing, "-days", str(days))
    (certificates / f"{name}.pem").write_bytes(
        (certificates / f"{name}.crt").read_bytes() + (certificates / f"{name}.key").read_bytes()
    )


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=certificates, check=True, capture_output=True)


def make_jwt(**claims: str) -> str:
    """A token in Entra's v1 shape, unsigned: its signature is the canary."""
    claims = {
        "aud": AUDIENCE,
        "iss": "https://sts.windows.net/tenant/",
        "oid": "the-principal",
        "tid": "the-tenant",
        "appid": CLIENT_ID,
        "private": CANARY,
        **claims,
    }
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "RS256"}, claims))
    return ".".join([*(part.decode().rstrip("=") for part in parts), CANARY])


# --- stand-ins -------------------------------------------------------------------------------------------------------


@dataclass
class Request:
    method: str
    path: str
    query: Dict[str, str]
    headers: Mapping[str, str]
    """Header names in lower case."""
    body: bytes


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    """JSON value, or bytes that go out as they are."""
    headers: Tuple[Tuple[str, str], ...] = ()
    drip: float = 0.0
    """Seconds between two bytes."""
    missing: int = 0
    """Bytes that are announced and never sent."""

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Server:
    """An HTTP server on a free port of loopback that records requests and answers with a function."""

    def __init__(self, answer: Callable[[Request], Answer], certificate: str = "") -> None:
        self.requests: List[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
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
                with contextlib.suppress(OSError):  # the client may have hung up, which is its right
                    self.send(answer(request))

            def send(self, reply: Answer) -> None:
                body = reply.encoded()
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) + reply.missing))
                self.end_headers()
                for piece in [body[i : i + 1] for i in range(len(body))] if reply.drip else [body]:
                    self.wfile.write(piece)
                    time.sleep(reply.drip)

            do_GET = do_POST = do_CONNECT = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class QuietServer(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates / f"{certificate}.pem")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class FakeIdentityEndpoint(Server):
    """Azure ML's managed identity endpoint. answers, when given, come first."""

    def __init__(self) -> None:
        self.token = make_jwt()
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
        self.scripted: Dict[str, List[Answer]] = {}
        self.token_type = "service"
        super().__init__(self.answer, certificate)

    def answer(self, request: Request) -> Answer:
        path = request.path[len("/v1/") :]
        if self.scripted.get(path):
            return self.scripted[path].pop(0)
        if path == "auth/jwt/login":
            return Answer(body={"auth": {"client_token": VAULT_TOKEN, "token_type": self.token_type}})
        if request.headers.get("x-vault-token") != VAULT_TOKEN:
            return Answer(403, {"errors": ["permission denied"]})
        if path == "auth/token/revoke-self":
            return Answer(204, b"")
        if path not in self.secrets:
            return Answer(404, {"errors": []})
        return Answer(body={"data": {"data": self.secrets[path], "metadata": {"version": 1}}})

    def asked(self, path: str) -> List[Request]:
        return [request for request in self.requests if request.path == f"/v1/{path}"]


LOGIN = "auth/jwt/login"
REVOKE = "auth/token/revoke-self"


class TestCase(unittest.TestCase):
    """A fresh pair of stand-ins, an environment that fits them, and time that does not pass in sleeps."""

    def setUp(self) -> None:
        self.identity = FakeIdentityEndpoint()
        self.addCleanup(self.identity.close)
        self.vault = FakeVault()
        self.addCleanup(self.vault.close)
        self.environ: Dict[str, str] = {
            "VAULT_ADDR": self.vault.url,
            "VAULT_LOGIN_PATH": LOGIN,
            "VAULT_ROLE": "mlvault-dev",
            "VAULT_AUDIENCE": AUDIENCE,
            "VAULT_CREDENTIALS": PATH,
            "VAULT_CACERT": str(certificates / "ca.pem"),
            "MSI_ENDPOINT": f"{self.identity.url}/MSI/token",
            "MSI_SECRET": MSI_SECRET,
            "DEFAULT_IDENTITY_CLIENT_ID": CLIENT_ID,
        }
        self.waits: List[float] = []
        self.patch(mock.patch.object(vc.time, "sleep", self.sleep))
        self.patch(mock.patch.dict(os.environ))
        for variable in PROXY_VARIABLES:
            os.environ.pop(variable, None)

    real_sleep = staticmethod(time.sleep)

    def sleep(self, seconds: float) -> None:
        # The stand-ins share the module time with the client; only the client waits on the test's own thread.
        if threading.current_thread() is threading.main_thread():
            self.waits.append(seconds)
        else:
            TestCase.real_sleep(seconds)

    def patch(self, patcher: Any) -> None:
        patcher.start()
        self.addCleanup(patcher.stop)

    def read(self) -> vc.Credentials:
        return vc.read_credentials(environ=self.environ)

    def refused(self, kind: Type[vc.CredentialsError], *words: str, variables: bool = True) -> None:
        """Expect kind with each of words in its message, in one line, and no canary in it or anything around it.

        With variables, not in those of the client's stack frames either, which crash reporters show.
        """
        with self.assertRaises(vc.CredentialsError) as caught:
            try:
                self.read()
            except vc.CredentialsError as error:
                # Looked at here, because unittest clears the frames of the exceptions that it catches.
                shown = frames_of_client(error) if variables else ""
                self.assertEqual([line for line in shown.splitlines() if CANARY in line], [])
                raise
        error = caught.exception
        self.assertIs(type(error), kind, error)
        for word in words:
            self.assertIn(word, str(error))
        self.assertNotIn("\n", str(error))
        self.assertNotIn(CANARY, f"{error} {error!r} {error.args}")
        self.assertIsNone(error.__cause__)
        self.assertIsNone(error.__context__)


def frames_of_client(error: BaseException) -> str:
    """The part of error's traceback that runs in vault_credentials.py, with the variables of each frame.

    The variable environ is left out: it is the environment of the process, which holds MSI_SECRET in any case.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != vc.__file__:
        trace = trace.tb_next
    assert trace is not None, "the client is not in the traceback"
    lines = "".join(traceback.TracebackException(type(error), error, trace, capture_locals=True).format()).splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("environ = "))


# --- reading ---------------------------------------------------------------------------------------------------------


class ReadingTest(TestCase):
    def test_a_job_gets_its_credentials_by_name(self) -> None:
        credentials = self.read()
        self.assertEqual(credentials["ml_api_key"]["api_key"], VALUE)
        self.assertEqual(dict(credentials["ml_api_key"]), {"api_key": VALUE, "endpoint": VALUE})
        self.assertEqual((list(credentials), len(credentials)), (["ml_api_key"], 1))

    def test_the_identity_is_asked_as_azure_ml_wants_it(self) -> None:
        self.read()
        (request,) = self.identity.requests
        self.assertEqual(request.path, "/MSI/token")
        self.assertEqual(
            request.query, {"api-version": "2017-09-01", "resource": AUDIENCE, "clientid": CLIENT_ID}
        )
        self.assertEqual(request.headers["secret"], MSI_SECRET)

    def test_newer_hosts_are_asked_by_their_own_protocol(self) -> None:
        del self.environ["MSI_ENDPOINT"]
        self.environ.update(IDENTITY_ENDPOINT=f"{self.identity.url}/token?x=1", IDENTITY_HEADER=MSI_SECRET)
        self.read()
        (request,) = self.identity.requests
        self.assertEqual(
            request.query, {"x": "1", "api-version": "2019-08-01", "resource": AUDIENCE, "client_id": CLIENT_ID}
        )
        self.assertEqual(request.headers["x-identity-header"], MSI_SECRET)

    def test_azure_ml_goes_before_the_other_endpoint(self) -> None:
        self.environ.update(IDENTITY_ENDPOINT="http://127.0.0.1:1/", IDENTITY_HEADER="x")
        self.read()
        self.assertEqual(len(self.identity.requests), 1)

    def test_an_explicit_client_id_goes_before_the_default_one(self) -> None:
        self.environ["AZURE_CLIENT_ID"] = OTHER_CLIENT_ID
        self.identity.token = make_jwt(appid=OTHER_CLIENT_ID.upper())
        self.read()
        self.assertEqual(self.identity.requests[0].query["clientid"], OTHER_CLIENT_ID)

    def test_v2_tokens_name_their_client_elsewhere(self) -> None:
        self.identity.token = make_jwt(appid="", azp=CLIENT_ID)
        self.read()

    def test_one_login_serves_every_credential(self) -> None:
        self.vault.secrets["secret/data/mlvault/dev/db"] = {"password": VALUE}
        self.environ["VAULT_CREDENTIALS"] = f"{PATH}, secret/data/mlvault/dev/db"
        self.assertEqual(sorted(self.read()), ["db", "ml_api_key"])
        (login,) = self.vault.asked(LOGIN)
        self.assertEqual(login.method, "POST")
        self.assertEqual(json.loads(login.body), {"role": "mlvault-dev", "jwt": self.identity.token})
        self.assertNotIn("x-vault-token", login.headers)

    def test_credentials_can_be_listed_in_json_or_named_or_lie_below_a_mount(self) -> None:
        for text, mount, name in (
            (json.dumps([PATH]), "", "ml_api_key"),
            (json.dumps({"mine": PATH}), "", "mine"),
            ("mlvault/dev/ml_api_key", "secret/", "ml_api_key"),
        ):
            with self.subTest(text):
                self.environ.update(VAULT_CREDENTIALS=text, VAULT_MOUNT=mount)
                self.assertEqual(self.read()[name]["api_key"], VALUE)

    def test_a_path_is_quoted_part_by_part(self) -> None:
        self.vault.secrets["secret/data/a b/c?version=1"] = {"k": VALUE}
        self.environ["VAULT_CREDENTIALS"] = "secret/data/a b/c?version=1"
        self.assertEqual(self.read()["c?version=1"]["k"], VALUE)

    def test_the_namespace_goes_with_every_call(self) -> None:
        self.environ["VAULT_NAMESPACE"] = "admin/ml"
        self.read()
        self.assertEqual({request.headers.get("x-vault-namespace") for request in self.vault.requests}, {"admin/ml"})

    def test_without_a_namespace_no_header_is_sent(self) -> None:
        self.read()
        self.assertTrue(all("x-vault-namespace" not in request.headers for request in self.vault.requests))

    def test_values_may_be_any_json(self) -> None:
        self.vault.secrets[PATH] = {"port": 5432, "hosts": ["a", "b"], "empty": "", "ü": None}
        self.assertEqual(dict(self.read()["ml_api_key"]), self.vault.secrets[PATH])

    def test_plain_http_to_this_machine_is_allowed(self) -> None:
        vault = FakeVault(certificate="")
        self.addCleanup(vault.close)
        for host in ("127.0.0.1", "localhost"):
            self.environ["VAULT_ADDR"] = f"http://{host}:{vault.port}/"
            self.assertEqual(self.read()["ml_api_key"]["api_key"], VALUE)

    def test_settings_can_be_made_in_code(self) -> None:
        settings = vc.Settings(
            address=self.vault.url,
            login_path=LOGIN,
            role="r",
            audience=AUDIENCE,
            credentials={"key": PATH},
            ca_file=self.environ["VAULT_CACERT"],
        )
        identity = {name: value for name, value in self.environ.items() if not name.startswith("VAULT_")}
        self.assertEqual(vc.read_credentials(settings, environ=identity)["key"]["api_key"], VALUE)


class SecrecyTest(TestCase):
    def test_printing_shows_names_and_no_value(self) -> None:
        credentials = self.read()
        single = credentials["ml_api_key"]
        for shown in (f"{credentials} {credentials!r} {single} {single!r}", "%s" % single, pprint.pformat(credentials)):
            self.assertNotIn(CANARY, shown)
            self.assertIn("api_key", shown)

    def test_json_refuses_credentials(self) -> None:
        credentials = self.read()
        for thing in (credentials, credentials["ml_api_key"]):
            with self.assertRaises(TypeError):
                json.dumps(thing)

    def test_an_unknown_name_or_key_is_answered_with_the_known_ones(self) -> None:
        credentials = self.read()
        with self.assertRaises(KeyError) as caught:
            credentials["other"]
        self.assertIn("ml_api_key", str(caught.exception))
        with self.assertRaises(KeyError) as caught:
            credentials["ml_api_key"]["other"]
        self.assertIn("api_key", str(caught.exception))
        self.assertIsNone(credentials.get("other"))

    def test_a_server_that_echoes_the_request_does_not_get_it_into_the_message(self) -> None:
        echo = {"errors": [f"bad request: jwt={self.identity.token} token={VAULT_TOKEN} value={VALUE}"]}
        for path, kind in ((LOGIN, vc.LoginError), (PATH, vc.ReadError)):
            for status in (400, 403, 404, 418):
                with self.subTest(path=path, status=status):
                    self.vault.scripted[path] = [Answer(status, echo)]
                    self.refused(kind)

    def test_a_token_that_no_header_can_carry_is_not_shown(self) -> None:
        self.environ["MSI_SECRET"] = f"{MSI_SECRET}\n{CANARY}"
        self.refused(vc.UnreachableError, "malformed")
        self.environ["MSI_SECRET"] = MSI_SECRET
        self.vault.scripted[LOGIN] = [Answer(body={"auth": {"client_token": f"{CANARY}\r\n"}})]
        self.refused(vc.UnreachableError, "malformed")

    def test_the_token_of_a_service_is_revoked_after_the_last_read(self) -> None:
        self.read()
        last = self.vault.requests[-1]
        self.assertEqual((last.method, last.path), ("POST", f"/v1/{REVOKE}"))
        self.assertEqual(last.headers["x-vault-token"], VAULT_TOKEN)

    def test_the_token_is_revoked_after_a_refused_read_too(self) -> None:
        self.vault.scripted[PATH] = [Answer(403, {"errors": ["permission denied"]})]
        self.refused(vc.ReadError)
        self.assertEqual(len(self.vault.asked(REVOKE)), 1)

    def test_a_batch_token_is_left_to_expire(self) -> None:
        self.vault.token_type = "batch"
        self.read()
        self.assertEqual(self.vault.asked(REVOKE), [])

    def test_a_refused_or_failing_revocation_is_no_failure_and_is_tried_once(self) -> None:
        for status in (400, 403, 503):
            with self.subTest(status):
                self.vault.requests.clear()
                self.vault.scripted[REVOKE] = [Answer(status, {"errors": [CANARY]})] * 2
                self.read()
                self.assertEqual(len(self.vault.asked(REVOKE)), 1)

    def test_nothing_is_written_to_the_streams(self) -> None:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.read()
        self.assertEqual((out.getvalue(), err.getvalue()), ("", ""))


# --- refusals --------------------------------------------------------------------------------------------------------


class SettingsTest(TestCase):
    """One valid environment; each case breaks one thing."""

    def test_each_wrong_setting_is_named_and_nothing_is_sent(self) -> None:
        not_pem = certificates / "not.pem"
        not_pem.write_text("nothing")
        cases: Tuple[Tuple[str, Optional[str], str], ...] = (
            ("VAULT_ADDR", None, "VAULT_ADDR is not set"),
            ("VAULT_ADDR", "vault.example.com:8200", "VAULT_ADDR is not a URL"),
            ("VAULT_ADDR", "https://vault:port", "VAULT_ADDR is not a URL"),
            ("VAULT_ADDR", "https://[::1", "VAULT_ADDR is not a URL"),
            ("VAULT_ADDR", "file:///etc/passwd", "VAULT_ADDR is not a URL"),
            ("VAULT_ADDR", "http://vault.example.com:8200", "plain http to vault.example.com"),
            ("VAULT_ADDR", "http://127.0.0.1.example.com", "plain http to 127.0.0.1.example.com"),
            ("VAULT_ADDR", f"https://user:{CANARY}@vault.example.com", "more than scheme, host, port and path"),
            ("VAULT_ADDR", f"https://vault.example.com?token={CANARY}", "more than scheme, host, port and path"),
            ("VAULT_LOGIN_PATH", None, "VAULT_LOGIN_PATH is not set"),
            ("VAULT_LOGIN_PATH", "jwt", "not like auth/jwt/login"),
            ("VAULT_LOGIN_PATH", "auth/../sys/login", "not like auth/jwt/login"),
            ("VAULT_ROLE", None, "VAULT_ROLE is not set"),
            ("VAULT_AUDIENCE", " ", "VAULT_AUDIENCE is not set"),
            ("VAULT_CREDENTIALS", None, "VAULT_CREDENTIALS is empty"),
            ("VAULT_CREDENTIALS", "[]", "neither a list of API paths nor an object"),
            ("VAULT_CREDENTIALS", "[1]", "neither a list of API paths nor an object"),
            ("VAULT_CREDENTIALS", '{"a": ', "neither a list of API paths nor an object"),
            ("VAULT_CREDENTIALS", f'{{"": "{PATH}"}}', "has no name"),
            ("VAULT_CREDENTIALS", "ml_api_key", "is not an API path"),
            ("VAULT_CREDENTIALS", f"v1/{PATH}", "not a clean API path"),
            ("VAULT_CREDENTIALS", "secret/data/../../sys/raw", "not a clean API path"),
            ("VAULT_CREDENTIALS", "a/data/x,b/data/x", "two entries called 'x'"),
            ("VAULT_NAMESPACE", "a\nb", "VAULT_NAMESPACE"),
            ("VAULT_CACERT", "/nowhere/ca.pem", "cannot be read: No such file"),
            ("VAULT_CACERT", str(not_pem), "holds no certificate"),
            ("VAULT_TIMEOUT", "soon", "VAULT_TIMEOUT is not a number of seconds"),
            ("VAULT_DEADLINE", "0", "VAULT_DEADLINE is not a number of seconds"),
            ("VAULT_DEADLINE", "inf", "VAULT_DEADLINE is not a number of seconds"),
        )
        valid = dict(self.environ)
        for variable, value, message in cases:
            with self.subTest(variable=variable, value=value):
                self.environ = dict(valid)
                self.environ.pop(variable, None)
                if value is not None:
                    self.environ[variable] = value
                # Not the variables: a secret that somebody put into an address was no secret in the environment either.
                self.refused(vc.SettingsError, message, variables=False)
        self.assertEqual(self.identity.requests + self.vault.requests, [])

    def test_every_problem_is_reported_at_once(self) -> None:
        self.environ.update(VAULT_ADDR="", VAULT_ROLE="", VAULT_TIMEOUT="x")
        self.refused(vc.SettingsError, "VAULT_ADDR", "VAULT_ROLE", "VAULT_TIMEOUT")


class IdentityTest(TestCase):
    def assert_nothing_sent(self) -> None:
        self.assertEqual(self.identity.requests + self.vault.requests, [])

    def test_outside_azure_ml_there_is_no_identity(self) -> None:
        del self.environ["MSI_SECRET"]
        self.refused(vc.IdentityError, "no managed identity here", "run inside an Azure ML job")
        self.assert_nothing_sent()

    def test_without_a_client_id_nothing_is_asked_because_a_users_token_could_come_back(self) -> None:
        del self.environ["DEFAULT_IDENTITY_CLIENT_ID"]
        self.refused(vc.IdentityError, "a user's token", "AZURE_CLIENT_ID")
        self.assert_nothing_sent()

    def test_azure_mls_placeholder_counts_as_no_client_id(self) -> None:
        self.environ["DEFAULT_IDENTITY_CLIENT_ID"] = "clientid"
        self.refused(vc.IdentityError, "'clientid' and not a client id", "attach the job identity")
        self.assert_nothing_sent()

    def test_a_token_of_somebody_else_never_reaches_vault(self) -> None:
        self.identity.token = make_jwt(appid=OTHER_CLIENT_ID)
        self.refused(vc.IdentityError, f"of client {OTHER_CLIENT_ID} instead of {CLIENT_ID}")
        self.assertEqual(self.vault.requests, [])

    def test_an_identity_that_is_not_attached_is_explained_and_not_retried(self) -> None:
        self.identity.answers = [Answer(400, {"message": CANARY})]
        self.refused(vc.IdentityError, "status 400", CLIENT_ID, AUDIENCE, "attached to the compute")
        self.assertEqual(len(self.identity.requests), 1)

    def test_a_passing_failure_is_retried(self) -> None:
        self.identity.answers = [Answer(500), Answer(429), Answer(503)]
        self.read()
        self.assertEqual(len(self.identity.requests), 4)

    def test_a_lasting_failure_is_explained(self) -> None:
        self.identity.answers = [Answer(500, CANARY)] * 99
        self.refused(vc.UnreachableError, "managed identity endpoint", "500")
        self.assertEqual(len(self.identity.requests), vc.ATTEMPTS)

    def test_an_answer_without_a_token_is_refused(self) -> None:
        for body in ({}, {"access_token": ""}, {"access_token": 7}, [CANARY], CANARY.encode()):
            with self.subTest(body):
                self.identity.answers = [Answer(200, body)]
                self.refused(vc.IdentityError, "without a token")

    def test_a_redirect_does_not_take_the_secret_along(self) -> None:
        self.identity.answers = [Answer(302, headers=(("Location", f"{self.vault.url}/{CANARY}"),))]
        self.refused(vc.IdentityError, "status 302")
        self.assertEqual(self.vault.requests, [])

    def test_nobody_listening_is_explained(self) -> None:
        self.environ["MSI_ENDPOINT"] = f"http://127.0.0.1:{closed_port()}/"
        self.refused(vc.UnreachableError, "managed identity endpoint", "connection was refused")
        self.assertEqual(len(self.waits), vc.ATTEMPTS - 1)

    def test_an_endpoint_that_is_no_url_is_refused(self) -> None:
        self.environ["MSI_ENDPOINT"] = "file:///etc/passwd"
        self.refused(vc.IdentityError, "not an http:// URL")

    def test_tokens_in_no_known_shape_are_left_to_vault(self) -> None:
        for token in (f"opaque-{CANARY}", f"a.é.{CANARY}", f"a.W10.{CANARY}", f"a.!.{CANARY}"):
            with self.subTest(token):
                self.identity.token = token
                self.read()


class LoginTest(TestCase):
    def test_each_refusal_is_explained_and_not_retried(self) -> None:
        # The texts are those of vault-plugin-auth-jwt 0.25 and hashicorp/cap 0.11, canaries apart.
        cases = (
            ("error validating token: invalid audience (aud) claim: audience claim does not match", "wrong audience"),
            ("audience claim found in JWT but no audiences bound to the role", "bound to no audience"),
            ("error validating token: invalid issuer (iss) claim", "trusts another issuer"),
            ('error validating claims: claim "oid" does not match any associated bound claim values', "bind oid"),
            ('role "mlvault-dev" could not be found', "no such role"),
            ("error validating token: invalid expiration time (exp) claim: token is expired", "clocks"),
            ("error validating token: invalid not before (nbf) claim: token not yet valid", "clocks"),
            ("error validating token: invalid issued at (iat) claim: token issued in the future", "clocks"),
            ("error validating token: error verifying token signature: failed", "none of the trusted keys"),
            ("error configuring token validator: no keys", "run pulumi up"),
            ("could not load configuration", "run pulumi up"),
            ("something new", "status 400 for a reason not known here"),
        )
        for text, advice in cases:
            with self.subTest(text):
                self.vault.requests.clear()
                self.vault.scripted[LOGIN] = [Answer(400, {"errors": [f"{text} {CANARY}"]})]
                self.refused(vc.LoginError, LOGIN, "'mlvault-dev'", advice)
                self.assertEqual(len(self.vault.requests), 1)

    def test_a_refusal_says_what_the_token_claims(self) -> None:
        self.vault.scripted[LOGIN] = [Answer(400, {"errors": ["invalid audience (aud) claim"]})]
        self.refused(vc.LoginError, f"aud={AUDIENCE}", "oid=the-principal", "tid=the-tenant", "iss=https://sts.windows")

    def test_permission_denied_points_at_path_role_and_identity(self) -> None:
        for status in (403, 404):
            self.vault.scripted[LOGIN] = [Answer(status, {"errors": ["permission denied"]})]
            self.refused(vc.LoginError, f"status {status}", "login path or VAULT_NAMESPACE", "role", "audience", "oid")

    def test_an_answer_without_a_token_is_refused(self) -> None:
        bodies: List[Any] = [{}, {"auth": None}, {"auth": {"client_token": ""}}, [], b"<html>portal</html>"]
        for body in bodies:
            with self.subTest(body):
                self.vault.scripted[LOGIN] = [Answer(200, body)]
                self.refused(vc.LoginError, "without a token")


class ReadRefusalTest(TestCase):
    def test_a_policy_that_does_not_grant_the_path_is_explained_and_not_retried(self) -> None:
        self.vault.scripted[PATH] = [Answer(403, {"errors": ["permission denied"]})]
        self.refused(vc.ReadError, "'ml_api_key'", PATH, "policy of role 'mlvault-dev'")
        self.assertEqual(len(self.vault.asked(PATH)), 1)

    def test_a_missing_credential_is_explained(self) -> None:
        del self.vault.secrets[PATH]
        self.refused(vc.ReadError, PATH, "there is none, or its latest version was deleted")

    def test_a_deleted_version_counts_as_missing(self) -> None:
        gone = {"data": {"data": None, "metadata": {"deletion_time": "2030-01-01T00:00:00Z"}}}
        self.vault.scripted[PATH] = [Answer(404, gone)]
        self.refused(vc.ReadError, "deleted")

    def test_a_version_1_mount_is_not_mistaken_for_a_credential(self) -> None:
        bodies: List[Any] = [{"api_key": VALUE}, {"data": {"k": VALUE}}, {"data": VALUE, "metadata": {}}, [VALUE]]
        for body in [*({"data": body} for body in bodies), [VALUE]]:
            with self.subTest(body):
                self.vault.scripted[PATH] = [Answer(200, body)]
                self.refused(vc.ReadError, "version 1")

    def test_one_refused_credential_of_two_means_none(self) -> None:
        self.environ["VAULT_CREDENTIALS"] = f"{PATH},secret/data/mlvault/dev/other"
        self.refused(vc.ReadError, "'other'")


# --- the network -----------------------------------------------------------------------------------------------------


def closed_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class RetryTest(TestCase):
    def test_passing_failures_are_retried_wherever_they_happen(self) -> None:
        for path in (LOGIN, PATH):
            with self.subTest(path):
                self.vault.requests.clear()
                self.vault.scripted[path] = [Answer(500), Answer(502), Answer(503), Answer(429)]
                self.assertEqual(self.read()["ml_api_key"]["api_key"], VALUE)
                self.assertEqual(len(self.vault.asked(path)), 5)

    def test_waits_double_and_are_jittered_up_to_a_limit(self) -> None:
        self.vault.scripted[LOGIN] = [Answer(500)] * 99
        self.refused(vc.UnreachableError, "kept answering 500")
        self.assertEqual(len(self.vault.requests), vc.ATTEMPTS)
        for attempt, wait in enumerate(self.waits):
            longest = min(vc.LONGEST_WAIT, vc.FIRST_WAIT * 2**attempt)
            self.assertTrue(longest / 2 <= wait <= longest, self.waits)

    def test_the_server_says_how_long_to_wait_in_seconds_or_as_a_date(self) -> None:
        date = "Fri, 01 Jan 2100 00:00:00 GMT"
        with mock.patch.object(vc.time, "time", lambda: 4102444800.0 - 20):
            self.vault.scripted[LOGIN] = [
                Answer(429, headers=(("Retry-After", value),)) for value in ("30", date, "soon", "-5")
            ]
            self.read()
        self.assertEqual([round(wait) for wait in self.waits[:2]], [30, 20])
        self.assertTrue(all(wait <= vc.LONGEST_WAIT for wait in self.waits[2:]))

    def test_a_wait_that_would_pass_the_deadline_is_not_begun(self) -> None:
        self.vault.scripted[LOGIN] = [Answer(429, headers=(("Retry-After", "600"),))]
        self.refused(vc.UnreachableError, "429")
        self.assertEqual((self.waits, len(self.vault.requests)), ([], 1))

    def test_a_sealed_vault_is_retried_and_then_named(self) -> None:
        self.vault.scripted[LOGIN] = [Answer(503, {"errors": ["Vault is sealed"]})] * 99
        self.refused(vc.UnreachableError, "is sealed", "unseal")
        self.assertEqual(len(self.vault.requests), vc.ATTEMPTS)

    def test_too_many_requests_is_named(self) -> None:
        self.vault.scripted[PATH] = [Answer(429)] * 99
        self.refused(vc.UnreachableError, "too many requests")

    def test_an_unreachable_host_is_retried_and_explained(self) -> None:
        self.environ["VAULT_ADDR"] = f"https://127.0.0.1:{closed_port()}"
        self.refused(vc.UnreachableError, "cannot reach Vault", "connection was refused", "network")
        self.assertEqual(len(self.waits), vc.ATTEMPTS - 1)

    def test_a_name_that_does_not_resolve_is_explained(self) -> None:
        self.environ["VAULT_ADDR"] = "https://vault.invalid"
        with mock.patch.object(socket, "getaddrinfo", fake_resolver(fail="vault.invalid")):
            self.refused(vc.UnreachableError, "cannot be resolved")

    def test_a_server_that_hangs_costs_one_timeout_per_try(self) -> None:
        self.environ["VAULT_TIMEOUT"] = "0.1"
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(16)
            self.environ["VAULT_ADDR"] = f"https://127.0.0.1:{silent.getsockname()[1]}"
            self.refused(vc.UnreachableError, "did not answer in time")
        self.assertEqual(len(self.waits), vc.ATTEMPTS - 1)

    def test_a_server_that_drips_cannot_stretch_the_deadline(self) -> None:
        self.environ["VAULT_DEADLINE"] = "0.5"
        self.vault.scripted[LOGIN] = [Answer(200, b" " * 1000, drip=0.05)]
        start = time.monotonic()
        self.refused(vc.UnreachableError, "took too long")
        self.assertLess(time.monotonic() - start, 2)

    def test_after_the_deadline_nothing_is_asked(self) -> None:
        self.environ["VAULT_DEADLINE"] = "0.000001"
        self.refused(vc.UnreachableError, "deadline passed")
        self.assertEqual(self.identity.requests + self.vault.requests, [])

    def test_an_answer_that_is_cut_short_is_asked_for_again(self) -> None:
        self.vault.scripted[PATH] = [Answer(200, {"data": VALUE}, missing=10)]
        self.assertEqual(self.read()["ml_api_key"]["api_key"], VALUE)
        self.assertEqual(len(self.vault.asked(PATH)), 2)

    def test_an_endless_answer_is_cut_off(self) -> None:
        self.vault.scripted[PATH] = [Answer(200, b"x" * (vc.LARGEST_ANSWER + 1))]
        self.refused(vc.UnreachableError, "far larger than any credential")

    def test_garbage_instead_of_http_is_retried_and_explained(self) -> None:
        def broken(*args: Any, **kwargs: Any) -> Any:
            raise vc.http.client.BadStatusLine(f"echo {CANARY}")

        with mock.patch.object(vc.http.client.HTTPConnection, "getresponse", broken):
            self.refused(vc.UnreachableError, "broke off")
        self.assertEqual(len(self.waits), vc.ATTEMPTS - 1)


class TLSTest(TestCase):
    def vault_with(self, certificate: str) -> FakeVault:
        vault = FakeVault(certificate)
        self.addCleanup(vault.close)
        self.environ["VAULT_ADDR"] = vault.url
        return vault

    def assert_refused_at_once(self, vault: FakeVault, *words: str) -> None:
        self.refused(vc.UnreachableError, *words)
        self.assertEqual((vault.requests, self.waits), ([], []))

    def test_a_certificate_of_another_ca_is_refused(self) -> None:
        self.environ["VAULT_CACERT"] = str(certificates / "other-ca.pem")
        self.assert_refused_at_once(self.vault, "not signed by a trusted CA", "VAULT_CACERT")

    def test_without_a_ca_file_the_systems_cas_decide(self) -> None:
        del self.environ["VAULT_CACERT"]
        self.assert_refused_at_once(self.vault, "not signed by a trusted CA")

    def test_verification_cannot_be_switched_off(self) -> None:
        self.environ.update(VAULT_SKIP_VERIFY="true", VAULT_CACERT=str(certificates / "other-ca.pem"))
        self.assert_refused_at_once(self.vault, "not signed by a trusted CA")

    def test_a_certificate_of_another_host_is_refused(self) -> None:
        self.assert_refused_at_once(self.vault_with("elsewhere"), "for another host")

    def test_an_expired_certificate_is_refused(self) -> None:
        self.assert_refused_at_once(self.vault_with("expired"), "expired or not yet valid")

    def test_a_server_without_tls_is_refused(self) -> None:
        vault = self.vault_with("")
        self.environ["VAULT_ADDR"] = f"https://127.0.0.1:{vault.port}"
        self.assert_refused_at_once(vault, "does not speak TLS")


class RedirectTest(TestCase):
    def redirect(self, location: str, status: int = 307) -> Answer:
        return Answer(status, headers=(("Location", location),))

    def test_a_redirect_on_the_same_host_is_followed_once_with_method_and_body(self) -> None:
        for status in (307, 308):
            with self.subTest(status):
                self.vault.requests.clear()
                self.vault.scripted[LOGIN] = [self.redirect(f"{self.vault.url}/v1/{LOGIN}", status)]
                self.read()
                first, second = self.vault.asked(LOGIN)
                self.assertEqual((first.method, first.body), (second.method, second.body))

    def test_a_redirect_elsewhere_is_refused_and_named(self) -> None:
        elsewhere = FakeVault()
        self.addCleanup(elsewhere.close)
        locations = {
            f"https://localhost:{elsewhere.port}/v1/{CANARY}": "https://localhost",  # another name for the same machine
            f"http://127.0.0.1:{elsewhere.port}/v1/x": "http://127.0.0.1",
            f"https://u:{CANARY}@127.0.0.1:{elsewhere.port}/": "https://127.0.0.1",
            "https://[": "another place",
            "": "another place",
        }
        for path in (LOGIN, PATH):
            for location, named in locations.items():
                with self.subTest(path=path, location=location):
                    self.vault.scripted[path] = [self.redirect(location)]
                    self.refused(vc.UnreachableError, f"redirects to {named}", "set VAULT_ADDR")
        self.assertEqual(elsewhere.requests, [])

    def test_other_redirects_are_not_followed(self) -> None:
        for status in (301, 302, 303):
            self.vault.scripted[PATH] = [self.redirect(f"{self.vault.url}/v1/{PATH}", status)]
            self.refused(vc.UnreachableError, "redirects to")

    def test_a_circle_of_redirects_ends(self) -> None:
        self.vault.scripted[PATH] = [self.redirect(f"{self.vault.url}/v1/{PATH}")] * 9
        self.refused(vc.UnreachableError, "only one redirect")
        self.assertEqual(len(self.vault.asked(PATH)), 2)


def fake_resolver(fail: str) -> Callable[..., Any]:
    """socket.getaddrinfo that does not know the name fail, whatever the machine's DNS says."""
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == fail:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(host, *args, **kwargs)

    return resolve


class ProxyTest(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.proxy = Server(lambda request: Answer(403, CANARY))
        self.addCleanup(self.proxy.close)
        os.environ.update(HTTP_PROXY=self.proxy.url, HTTPS_PROXY=self.proxy.url)

    def test_what_is_on_this_machine_is_not_asked_for_through_a_proxy(self) -> None:
        self.read()
        self.assertEqual(self.proxy.requests, [])

    def test_vault_is_asked_for_through_the_proxy_and_the_identity_is_not(self) -> None:
        self.environ["VAULT_ADDR"] = "https://vault.test:8200"
        self.refused(vc.UnreachableError, "proxy on the way")
        self.assertEqual(len(self.identity.requests), 1)
        self.assertEqual({request.method for request in self.proxy.requests}, {"CONNECT"})

    def test_hosts_outside_the_proxy_go_direct(self) -> None:
        os.environ["NO_PROXY"] = "vault.test"
        self.environ["VAULT_ADDR"] = "https://vault.test:8200"
        with mock.patch.object(socket, "getaddrinfo", fake_resolver(fail="vault.test")):
            self.refused(vc.UnreachableError, "cannot be resolved")
        self.assertEqual(self.proxy.requests, [])

    def test_a_tunnel_is_verified_to_its_far_end(self) -> None:
        tunnel = Tunnel(self.vault.port)
        self.addCleanup(tunnel.close)
        os.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{tunnel.port}"
        self.environ["VAULT_ADDR"] = "https://vault.test:8200"
        self.assertEqual(self.read()["ml_api_key"]["api_key"], VALUE)
        self.environ["VAULT_ADDR"] = "https://other.test:8200"
        self.refused(vc.UnreachableError, "for another host")


class Tunnel:
    """An HTTP proxy that answers every CONNECT with a tunnel to one port of loopback."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                request += client.recv(1)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            back.start()
            self._copy(client, server)
            back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


# --- command line and samples ----------------------------------------------------------------------------------------


class CommandTest(TestCase):
    def run_main(self, *arguments: str) -> Tuple[int, str, str]:
        """Exit status, stdout and stderr of the command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, self.environ):
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = vc.main(arguments)
        self.assertNotIn(CANARY, out.getvalue() + err.getvalue())
        return status, out.getvalue(), err.getvalue()

    def run_script(self, script: str) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [sys.executable, str(JOB_DIRECTORY / script)],
            env={**self.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=30,
        )
        self.assertNotIn(CANARY, finished.stdout + finished.stderr)
        return finished

    def test_it_prints_names_and_keys_and_no_value(self) -> None:
        self.assertEqual(self.run_main(), (0, "ml_api_key: api_key, endpoint\n", ""))

    def test_check_reports_each_step(self) -> None:
        status, out, err = self.run_main("--check")
        self.assertEqual((status, err), (0, ""))
        steps = [line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith("ok")]
        self.assertEqual(steps, ["settings", "identity", "login"])
        self.assertTrue(out.endswith("ml_api_key: api_key, endpoint\n"))

    def test_flags_go_before_the_environment(self) -> None:
        status, out, _ = self.run_main("--credentials", json.dumps({"mine": PATH}), "--role", "other")
        self.assertEqual((status, out), (0, "mine: api_key, endpoint\n"))
        self.assertEqual(json.loads(self.vault.asked(LOGIN)[0].body)["role"], "other")

    def test_a_refusal_exits_1_with_one_line(self) -> None:
        self.vault.scripted[LOGIN] = [Answer(400, {"errors": [f"invalid audience (aud) claim {CANARY}"]})]
        status, out, err = self.run_main()
        self.assertEqual((status, out, err.count("\n")), (1, "", 1))
        self.assertTrue(err.startswith("vault_credentials: "))

    def test_wrong_settings_exit_2(self) -> None:
        self.assertEqual(self.run_main("--address", "")[0], 2)
        with self.assertRaises(SystemExit) as caught:
            self.run_main("--no-such-flag")
        self.assertEqual(caught.exception.code, 2)

    def test_a_key_cannot_write_to_the_log_in_our_name(self) -> None:
        self.vault.secrets[PATH] = {"a\nfake: line": VALUE, "b\x1b[31m": VALUE}
        self.assertEqual(self.run_main()[1].count("\n"), 1)

    def test_it_runs_as_a_script(self) -> None:
        finished = self.run_script("vault_credentials.py")
        self.assertEqual((finished.returncode, finished.stderr), (0, ""))
        self.assertEqual(finished.stdout, "ml_api_key: api_key, endpoint\n")

    def test_the_sample_training_script_runs(self) -> None:
        finished = self.run_script("train.py")
        self.assertEqual((finished.returncode, finished.stderr), (0, ""))
        self.assertIn("ml_api_key", finished.stdout)


if __name__ == "__main__":
    unittest.main()
