"""Read credentials from HashiCorp Vault inside an Azure Machine Learning job, with no key and no token of your own.

Put this one file beside the training script; it needs Python 3.9 or newer and nothing else:

    from vault_credentials import read_credentials

    credentials = read_credentials()
    api_key = credentials["ml_api_key"]["api_key"]

What happens, in this order:

1. The compute's managed identity asks Azure ML for a token that is meant for Vault only (the audience).
2. Vault's JWT login checks that token and answers with a short-lived Vault token.
3. Each credential, a KV version 2 secret, is read once.
4. The Vault token is dropped, and revoked where Vault lets it be.

Settings come from the environment of the job. All but the last group are outputs of the mlvault stack:

    VAULT_ADDR          https://vault.example.com:8200; plain http to this machine only
    VAULT_LOGIN_PATH    auth/jwt/login
    VAULT_ROLE          role that the login names
    VAULT_AUDIENCE      resource that the identity's token is asked for, as the role expects it, to the letter
    VAULT_CREDENTIALS   what to read, in one of three forms:
                          secret/data/mlvault/dev/ml_api_key,secret/data/mlvault/dev/db     API paths
                          ["secret/data/mlvault/dev/ml_api_key"]                            the same in JSON
                          {"ml_api_key": "secret/data/mlvault/dev/ml_api_key"}              with names of your own
                        A path's last part is the credential's name. Entries without "/data/" lie below VAULT_MOUNT.
    VAULT_NAMESPACE     optional, Vault Enterprise and HCP only
    AZURE_CLIENT_ID     client id of the job identity; without it DEFAULT_IDENTITY_CLIENT_ID, which Azure ML sets

    VAULT_CACERT        optional, PEM file of the CA that signed Vault's certificate; it replaces the system's CAs
    VAULT_MOUNT         optional, KV mount of the entries that are no API paths
    VAULT_TIMEOUT       optional, seconds for one request (10)
    VAULT_DEADLINE      optional, seconds for everything together, retries included (120)

Azure ML itself sets MSI_ENDPOINT and MSI_SECRET. VAULT_TOKEN and VAULT_SKIP_VERIFY are ignored: a job needs no static
token, and certificates are always verified.

As a command it reads everything and prints the names, never a value:

    python vault_credentials.py            one line per credential: its name and its keys
    python vault_credentials.py --check    the same, and each step as it succeeds

Exit status: 0 everything was read, 1 something was refused or failed, 2 the settings are wrong.

No value and no token is written or printed, and none is in an exception, its causes or the variables of its traceback.
"""

from __future__ import annotations

import argparse
import base64
import email.utils
import http.client
import ipaddress
import json
import os
import random
import re
import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Generic, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar, cast

__all__ = [
    "Credential",
    "Credentials",
    "CredentialsError",
    "IdentityError",
    "LoginError",
    "ReadError",
    "Settings",
    "SettingsError",
    "UnreachableError",
    "read_credentials",
]

ATTEMPTS = 8
"""Tries for one request. With the waits below that is about half a minute: a Vault cluster elects a leader in less."""

FIRST_WAIT = 0.5
"""Seconds before the second try, at most; every further wait doubles. The real one is random, from half of it up, so
that a hundred nodes that start together do not return together."""

LONGEST_WAIT = 10.0
"""Seconds between two tries, at most, unless the server asks for more with Retry-After."""

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer. Vault's own limit for a stored entry is about 1 MiB; anything larger is no credential."""

REVOKE_TIMEOUT = 3.0
"""Seconds for the goodbye. The token dies by itself soon, so a training job does not wait for it."""


class CredentialsError(Exception):
    """Base of everything that this module raises on purpose. The message is one sentence that says what to do."""


class SettingsError(CredentialsError):
    """The settings are incomplete or malformed, and nothing was sent anywhere. The message lists every problem, or
    just the one if VAULT_CREDENTIALS cannot be parsed."""


class IdentityError(CredentialsError):
    """There is no managed identity, it is not the job's, or Azure ML refused its token."""


class LoginError(CredentialsError):
    """Vault refused the login."""


class ReadError(CredentialsError):
    """Vault refused a credential, or has none at its path."""


class UnreachableError(CredentialsError):
    """A server could not be reached, is not the one that was meant, is sealed, or stayed overloaded."""


class Credential(Mapping[str, Any]):
    """The keys and values of one credential, read-only. Printing it shows the keys and no value.

    It is not a dict, so that a stray json.dumps() or an experiment tracker's log_params() refuses it instead of
    writing the values down. dict(credential) is there for those who mean it.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            raise KeyError(f"this credential has no key {key!r}, only {sorted(self._values)}")
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Credential keys={sorted(self._values)}>"


class Credentials(Mapping[str, Credential]):
    """Credentials by name, read-only. Printing it shows names and keys and no value."""

    __slots__ = ("_credentials",)

    def __init__(self, credentials: Mapping[str, Credential]) -> None:
        self._credentials = dict(credentials)

    def __getitem__(self, name: str) -> Credential:
        if name not in self._credentials:
            raise KeyError(f"no credential {name!r} was read, only {sorted(self._credentials)}")
        return self._credentials[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._credentials)

    def __len__(self) -> int:
        return len(self._credentials)

    def __repr__(self) -> str:
        keys = {name: sorted(credential) for name, credential in sorted(self._credentials.items())}
        return f"<Credentials keys={keys}>"


def read_credentials(
    settings: Optional[Settings] = None,
    *,
    environ: Optional[Mapping[str, str]] = None,
    report: Callable[[str], None] = lambda step: None,
) -> Credentials:
    """Log in once with the job's managed identity and read every credential.

    settings defaults to Settings.from_environment(environ); environ, which also names the managed identity, defaults
    to os.environ. report is called with a sentence after each step; none of them carries a value or a token.

    Raises SettingsError, IdentityError, LoginError, ReadError or UnreachableError. All credentials or none: a job
    that lacks one of them had better stop at once.
    """
    environ = os.environ if environ is None else environ
    settings = settings or Settings.from_environment(environ)
    report(f"settings: {settings.address}, role {settings.role!r}, {len(settings.credentials)} credential(s)")

    budget = _Budget(settings.deadline)
    identity = _ManagedIdentity.from_environment(environ)
    vault = _Vault(settings, budget)

    jwt = identity.token(settings.audience, settings.timeout, budget)
    report(f"identity: client {identity.client_id} got a token for {settings.audience}")
    token = vault.login(jwt)
    report(f"login: {settings.login_path} granted a {token.kind} token")
    try:
        return Credentials({name: vault.read(token, name, path) for name, path in settings.credentials.items()})
    finally:
        vault.revoke(token)


# --- settings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """Where Vault is, how to log in, and what to read. Making one raises SettingsError with every problem in it."""

    address: str
    """Vault's base URL, https; plain http only to this machine."""
    login_path: str
    """API path of the JWT login without /v1/: auth/<mount>/login."""
    role: str
    audience: str
    """Resource that the identity's token is asked for. The role compares it to the letter, slashes included."""
    credentials: Mapping[str, str]
    """Name -> API path of a KV version 2 secret: <mount>/data/<path>."""
    namespace: str = ""
    ca_file: str = ""
    """PEM file that replaces the system's certificate authorities; empty: the system's."""
    timeout: float = 10.0
    """Seconds for one request."""
    deadline: float = 120.0
    """Seconds for everything together, retries included."""

    def __post_init__(self) -> None:
        problems = [
            *_address_problems(self.address),
            *_login_path_problems(self.login_path),
            *([] if self.role else ["VAULT_ROLE is not set: take the role from the stack's outputs"]),
            *([] if self.audience else ["VAULT_AUDIENCE is not set: take the audience from the stack's outputs"]),
            *_credentials_problems(self.credentials),
            *_namespace_problems(self.namespace),
            *_ca_file_problems(self.ca_file),
            *_seconds_problems("VAULT_TIMEOUT", self.timeout),
            *_seconds_problems("VAULT_DEADLINE", self.deadline),
        ]
        if problems:
            raise SettingsError("; ".join(problems))

    @classmethod
    def from_environment(cls, environ: Optional[Mapping[str, str]] = None) -> Settings:
        """The settings that the module's docstring lists. Raises SettingsError."""
        environ = os.environ if environ is None else environ

        def variable(name: str) -> str:
            return environ.get(name, "").strip()

        return cls(
            address=variable("VAULT_ADDR").rstrip("/"),
            login_path=variable("VAULT_LOGIN_PATH").strip("/"),
            role=variable("VAULT_ROLE"),
            audience=variable("VAULT_AUDIENCE"),
            credentials=_parse_credentials(variable("VAULT_CREDENTIALS"), variable("VAULT_MOUNT").strip("/")),
            namespace=variable("VAULT_NAMESPACE"),
            ca_file=variable("VAULT_CACERT"),
            timeout=_parse_seconds(variable("VAULT_TIMEOUT"), cls.timeout),
            deadline=_parse_seconds(variable("VAULT_DEADLINE"), cls.deadline),
        )


def _parse_seconds(text: str, default: float) -> float:
    """Seconds in text; not-a-number for nonsense, which _seconds_problems then reports together with the rest."""
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _parse_credentials(text: str, mount: str) -> Dict[str, str]:
    """VAULT_CREDENTIALS in any of its three forms, as name -> API path. Raises SettingsError."""
    if text.startswith("{"):
        named = list((_as_object(_parse_json(text.encode())) or {"": None}).items())
    elif text.startswith("["):
        named = [(_last_part(entry), entry) for entry in _as_list(_parse_json(text.encode())) or [None]]
    else:
        named = [(_last_part(entry), entry.strip()) for entry in text.split(",") if entry.strip()]
    if not all(isinstance(entry, str) for _, entry in named):
        raise SettingsError(
            "VAULT_CREDENTIALS starts like JSON but is neither a list of API paths nor an object of name to API path"
        )

    found: Dict[str, str] = {}
    for name, entry in named:
        if name in found:
            raise SettingsError(
                f"VAULT_CREDENTIALS has two entries called {name!r}: give a JSON object with a name for each path"
            )
        if "/data/" not in entry and mount:
            entry = f"{mount}/data/{entry}"
        found[name] = entry
    return found


def _last_part(path: object) -> str:
    return str(path).strip().rpartition("/")[2]


def _address_problems(address: str) -> List[str]:
    """Why address is no place to send a token. Credentials inside an address are refused without quoting it."""
    if not address:
        return ["VAULT_ADDR is not set: take Vault's address from the stack's outputs"]
    try:
        url = urllib.parse.urlsplit(address)
        host = url.hostname or ""
        url.port  # raises for a port that is no number
    except ValueError:
        return ["VAULT_ADDR is not a URL"]
    if url.username is not None or url.password is not None or url.query or url.fragment:
        return ["VAULT_ADDR holds more than scheme, host, port and path: leave only those"]
    if url.scheme not in ("http", "https") or not host or not _is_printable(address):
        return ["VAULT_ADDR is not a URL like https://vault.example.com:8200"]
    if url.scheme == "http" and not _is_loopback(host):
        return [f"VAULT_ADDR is plain http to {host}, which would send the tokens in the clear: use https"]
    return []


def _login_path_problems(login_path: str) -> List[str]:
    if not login_path:
        return ["VAULT_LOGIN_PATH is not set: take the login path from the stack's outputs"]
    if not re.fullmatch(r"auth/.+/login", login_path) or not _is_clean_path(login_path):
        return [f"VAULT_LOGIN_PATH {login_path!r} is not like auth/jwt/login"]
    return []


def _credentials_problems(credentials: Mapping[str, str]) -> List[str]:
    if not credentials:
        return ["VAULT_CREDENTIALS is empty: list the API paths that the job needs, from the stack's outputs"]
    problems: List[str] = []
    for name, path in credentials.items():
        if not name or not name.isprintable():
            problems.append(f"the credential at {path!r} has no name, or one that cannot be printed")
        if "/data/" not in path:
            problems.append(
                f"credential {path!r} is not an API path like secret/data/mlvault/dev/{name or 'name'}: "
                "add the mount and data/, or set VAULT_MOUNT"
            )
        elif path.startswith("v1/") or not _is_clean_path(path):
            problems.append(f"credential {path!r} is not a clean API path: no v1/, no empty, '.' or '..' parts")
    return problems


def _namespace_problems(namespace: str) -> List[str]:
    return [] if _is_printable(namespace) else ["VAULT_NAMESPACE has characters that an HTTP header cannot carry"]


def _ca_file_problems(ca_file: str) -> List[str]:
    if not ca_file:
        return []
    try:
        _tls(ca_file)
    except ssl.SSLError:
        return [f"VAULT_CACERT {ca_file!r} holds no certificate in PEM form"]
    except OSError as error:
        return [f"VAULT_CACERT {ca_file!r} cannot be read: {error.strerror}"]
    return []


def _seconds_problems(variable: str, seconds: float) -> List[str]:
    # Written this way round so that not-a-number is refused too; a day is longer than any answer is worth waiting for.
    return [] if 0 < seconds <= 86400 else [f"{variable} is not a number of seconds above 0 (and at most 86400)"]


def _is_loopback(host: str) -> bool:
    """Whether host is this machine. A name other than localhost is not asked: DNS could answer anything."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_printable(text: str) -> bool:
    return re.fullmatch(r"[\x21-\x7e]*", text) is not None


def _is_clean_path(path: str) -> bool:
    """Whether every part of path names something: '..' would leave the mount, an empty part is a typo."""
    return all(part not in ("", ".", "..") and part.isprintable() for part in path.split("/"))


# --- secrets and time ------------------------------------------------------------------------------------------------

_T = TypeVar("_T")


class _Secret(Generic[_T]):
    """Holds a value that must not be seen. Tools that print a traceback's variables see only this name."""

    __slots__ = ("_value",)

    def __init__(self, value: _T) -> None:
        self._value = value

    def reveal(self) -> _T:
        return self._value

    def __repr__(self) -> str:
        return "<secret>"


class _Budget:
    """Counts down the deadline that all requests of one run share."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; never below 0."""
        return max(0.0, self._end - time.monotonic())


# --- HTTP ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outcome:
    """How a request ended. Never raised: an exception of urllib could carry a header, and with it a token."""

    status: int = 0
    """HTTP status; 0 when no answer came."""
    problem: str = ""
    """Why no answer came, in words of this module's own."""
    transient: bool = False
    """Whether the same request may succeed a moment later."""
    wait: float = 0.0
    """Seconds that the server asked to wait (Retry-After)."""
    location: str = field(default="", repr=False)
    """Where a redirect leads. Not shown: it may echo the request."""
    body: _Secret[bytes] = field(default_factory=lambda: _Secret(b""))

    def object_at(self, *keys: str) -> Optional[Dict[str, Any]]:
        """The JSON object below keys; None when the body has no such object."""
        found = _as_object(_parse_json(self.body.reveal()))
        for key in keys:
            found = _as_object(found.get(key)) if found else None
        return found

    def secret_at(self, *keys: str) -> Optional[_Secret[str]]:
        """The non-empty JSON string below keys, wrapped; None when the body has no such string."""
        value = (self.object_at(*keys[:-1]) or {}).get(keys[-1])
        return _Secret(value) if isinstance(value, str) and value else None

    def mentions(self, *words: str) -> bool:
        """Whether the body contains one of words. Bodies are searched and never quoted: they may echo a request."""
        text = self.body.reveal().decode("utf-8", "replace").lower()
        return any(word in text for word in words)


class _Http:
    """Sends requests, again where that can help, within a time limit for each and a budget for all.

    Redirects are answers like any other here: urllib would carry the token's header along to whatever host is named.
    """

    def __init__(self, timeout: float, budget: _Budget, *, tls: Optional[ssl.SSLContext], proxies: bool) -> None:
        """timeout is in seconds for one request. Without tls, https is not spoken. proxies: those of HTTPS_PROXY and
        NO_PROXY in the process's environment, or none at all."""
        self._timeout = timeout
        self._budget = budget
        # Built by hand: build_opener() adds redirects, and handlers for file:, ftp: and data: that nobody needs here.
        self._opener = urllib.request.OpenerDirector()
        handlers: List[urllib.request.BaseHandler] = [
            urllib.request.ProxyHandler() if proxies else urllib.request.ProxyHandler({}),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
        ]
        if tls is not None:
            handlers.append(urllib.request.HTTPSHandler(context=tls))
        for handler in handlers:
            self._opener.add_handler(handler)

    def send(
        self,
        method: str,
        url: str,
        headers: _Secret[Dict[str, str]],
        body: Optional[_Secret[bytes]] = None,
        *,
        attempts: int = ATTEMPTS,
        timeout: Optional[float] = None,
    ) -> _Outcome:
        """Send until something other than a passing failure comes back, or attempts or budget are used up."""
        outcome = _Outcome(problem="the deadline passed before it was asked")
        for attempt in range(attempts):
            remaining = self._budget.remaining()
            if remaining <= 0:
                break
            outcome = self._send_once(method, url, headers, body, min(timeout or self._timeout, remaining))
            if not outcome.transient or attempt + 1 == attempts:
                break
            wait = max(outcome.wait, random.uniform(0.5, 1.0) * min(LONGEST_WAIT, FIRST_WAIT * 2**attempt))
            if wait >= self._budget.remaining():
                break  # a compute node costs money, so it does not sleep towards a certain failure
            time.sleep(wait)
        return outcome

    def _send_once(
        self, method: str, url: str, headers: _Secret[Dict[str, str]], body: Optional[_Secret[bytes]], timeout: float
    ) -> _Outcome:
        request = urllib.request.Request(
            url, data=body.reveal() if body else None, headers=headers.reveal(), method=method
        )
        give_up = time.monotonic() + timeout
        try:
            with self._opener.open(request, timeout=timeout) as response:
                return _outcome_of(response, give_up)
        except urllib.error.HTTPError as error:
            with error:
                try:
                    return _outcome_of(error, give_up)
                except (OSError, http.client.HTTPException) as broken:
                    return _outcome_without_answer(broken)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _outcome_without_answer(error)


def _tls(ca_file: str) -> ssl.SSLContext:
    """TLS that verifies the server against ca_file alone, or against the system's CAs when it is empty."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python 3.9 leaves that to the system
    # Python 3.13 turned this on. It refuses private CAs for extensions that they lack, which Go's clients, and so
    # Vault's own, do not ask for, and it looks as if the CA were the wrong one. Chain, dates and host stay verified.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _outcome_of(response: Any, give_up: float) -> _Outcome:
    """Read an answer. The socket's timeout starts anew with every byte, so the clock is watched here as well."""
    chunks: List[bytes] = []
    size = 0
    while True:
        chunk = response.read1(64 * 1024)
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_ANSWER:
            return _Outcome(problem="its answer is far larger than any credential")
        if time.monotonic() > give_up:
            return _Outcome(problem="its answer took too long", transient=True)
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and size < int(announced):  # read1, unlike read, is silent about it
        return _Outcome(problem="its answer was cut short", transient=True)
    status = int(response.status)
    return _Outcome(
        status=status,
        transient=status == 429 or status >= 500,
        wait=_parse_retry_after(response.headers.get("Retry-After", "")),
        location=response.headers.get("Location", ""),
        body=_Secret(b"".join(chunks)),
    )


def _outcome_without_answer(error: BaseException) -> _Outcome:
    """Say what kept the answer away, from the error's type and codes only; its text may quote a header."""
    reason = getattr(error, "reason", None)
    if isinstance(error, urllib.error.URLError) and isinstance(reason, BaseException):
        error = reason
    if isinstance(error, ssl.SSLCertVerificationError):
        return _Outcome(problem=_certificate_problem(error.verify_code))
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _Outcome(problem="the connection was cut during the TLS handshake", transient=True)
    if isinstance(error, (socket.timeout, TimeoutError)):
        return _Outcome(problem="it did not answer in time", transient=True)
    if isinstance(error, ssl.SSLError):
        return _Outcome(problem="it does not speak TLS there, or none that is still considered safe")
    if isinstance(error, socket.gaierror):
        return _Outcome(problem="its host name cannot be resolved", transient=True)
    if isinstance(error, ConnectionRefusedError):
        return _Outcome(problem="the connection was refused", transient=True)
    if isinstance(error, ValueError):
        return _Outcome(problem="a header or the URL is malformed")
    if isinstance(error, OSError) and error.errno:
        return _Outcome(problem=f"the connection failed: {os.strerror(error.errno)}", transient=True)
    return _Outcome(problem="the connection, or a proxy on the way, broke off", transient=True)


def _certificate_problem(code: int) -> str:
    """Words for OpenSSL's X509_V_ERR_* codes that people meet (x509_vfy.h, the same since OpenSSL 1.1)."""
    if code in (62, 64):  # HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
        return "its certificate is for another host: use the host name that the certificate carries"
    if code in (9, 10):  # CERT_NOT_YET_VALID, CERT_HAS_EXPIRED
        return "its certificate is expired or not yet valid: renew it, or set this machine's clock"
    return "its certificate is not signed by a trusted CA: set VAULT_CACERT to the PEM file of the CA that signed it"


def _parse_retry_after(text: str) -> float:
    """Seconds of a Retry-After header in either of its forms (RFC 9110, 10.2.3); 0 for none or nonsense."""
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0


def _parse_json(text: bytes) -> object:
    """The JSON value in text, None for anything else. The decoder's own error would hold the whole text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _as_object(value: object) -> Optional[Dict[str, Any]]:
    """value if it is a JSON object, None for anything else."""
    return cast(Dict[str, Any], value) if isinstance(value, dict) else None


def _as_list(value: object) -> Optional[List[Any]]:
    """value if it is a JSON list, None for anything else."""
    return cast(List[Any], value) if isinstance(value, list) else None


# --- the job's managed identity --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ManagedIdentity:
    """The endpoint on the compute node that hands out the identity's tokens. It is not IMDS: Azure ML has its own."""

    endpoint: str
    secret_header: str
    secret: _Secret[str]
    client_id_parameter: str
    api_version: str
    client_id: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> _ManagedIdentity:
        """What the platform announces: Azure ML's MSI_* first, then IDENTITY_* of newer hosts. Raises IdentityError.

        The parameter is called clientid in the one protocol and client_id in the other; the wrong one is ignored
        silently. Source: azure_ml.go and app_service.go of MSAL for Go, managed_identity.py of MSAL for Python.
        """
        client_id = _client_id(environ)
        if environ.get("MSI_ENDPOINT") and environ.get("MSI_SECRET"):
            identity = cls(
                endpoint=environ["MSI_ENDPOINT"],
                secret_header="secret",
                secret=_Secret(environ["MSI_SECRET"]),
                client_id_parameter="clientid",
                api_version="2017-09-01",
                client_id=client_id,
            )
        elif environ.get("IDENTITY_ENDPOINT") and environ.get("IDENTITY_HEADER"):
            identity = cls(
                endpoint=environ["IDENTITY_ENDPOINT"],
                secret_header="X-IDENTITY-HEADER",
                secret=_Secret(environ["IDENTITY_HEADER"]),
                client_id_parameter="client_id",
                api_version="2019-08-01",
                client_id=client_id,
            )
        else:
            raise IdentityError(
                "no managed identity here (neither MSI_ENDPOINT with MSI_SECRET nor IDENTITY_ENDPOINT with "
                "IDENTITY_HEADER is set): run inside an Azure ML job, on compute that carries the job identity"
            )
        if not re.match(r"http://[^/]", identity.endpoint) or not _is_printable(identity.endpoint):
            raise IdentityError("the managed identity endpoint in the environment is not an http:// URL")
        return identity

    def token(self, audience: str, timeout: float, budget: _Budget) -> _Secret[str]:
        """A token of this identity for audience. Raises IdentityError or UnreachableError."""
        query = urllib.parse.urlencode(
            {"api-version": self.api_version, "resource": audience, self.client_id_parameter: self.client_id}
        )
        separator = "&" if "?" in self.endpoint else "?"
        # The endpoint is on the node itself: a proxy could not reach it, and would learn its secret.
        outcome = _Http(timeout, budget, tls=None, proxies=False).send(
            "GET",
            self.endpoint + separator + query,
            _Secret({self.secret_header: self.secret.reveal(), "Accept": "application/json"}),
        )

        if outcome.status == 0:
            raise UnreachableError(
                f"the managed identity endpoint of this node gave no token: {outcome.problem}; restart the job, and "
                "look at the compute's identity if that does not help"
            )
        if outcome.status == 429 or outcome.status >= 500:
            raise UnreachableError(
                f"the managed identity endpoint of this node kept answering {outcome.status}: try again later, and "
                f"check that an app registration for the audience {audience!r} exists in the tenant"
            )
        if outcome.status != 200:
            raise IdentityError(
                f"Azure ML refused a token (status {outcome.status}): check that the identity with client id "
                f"{self.client_id} is attached to the compute, and that the audience {audience!r} is an app "
                "registration of its tenant"
            )
        token = outcome.secret_at("access_token")
        if token is None:
            raise IdentityError(
                "the managed identity endpoint answered without a token: check MSI_ENDPOINT or IDENTITY_ENDPOINT"
            )
        self._refuse_other_identity(token)
        return token

    def _refuse_other_identity(self, token: _Secret[str]) -> None:
        """Keep another's token away from Vault: an endpoint that overlooks the client id answers with a user's."""
        claims = _public_claims(token)
        owner = claims.get("appid") or claims.get("azp")
        if owner and owner.lower() != self.client_id.lower():
            raise IdentityError(
                f"Azure ML answered with a token of client {owner} instead of {self.client_id}: attach the job "
                "identity to the compute and set AZURE_CLIENT_ID to its client id"
            )


def _client_id(environ: Mapping[str, str]) -> str:
    """Client id of the job identity. Raises IdentityError when none is known.

    Azure ML sets DEFAULT_IDENTITY_CLIENT_ID to the word "clientid" where no identity is attached, and treats anything
    that is no GUID as absent: it then answers with a token of the logged-in *user*
    (github.com/Azure/azure-sdk-for-python, pull request 36047).
    """
    for variable in ("AZURE_CLIENT_ID", "DEFAULT_IDENTITY_CLIENT_ID"):
        client_id = environ.get(variable, "").strip()
        if re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", client_id):
            return client_id
        if client_id:
            raise IdentityError(
                f"{variable} is {client_id[:40]!r} and not a client id, so Azure ML could answer with a user's token "
                "instead of the job's: attach the job identity to the compute, or set AZURE_CLIENT_ID to its client id"
            )
    raise IdentityError(
        "the client id of the job identity is not known, and without it Azure ML could answer with a user's token: "
        "set AZURE_CLIENT_ID to the stack's job identity client id"
    )


def _public_claims(token: _Secret[str]) -> Dict[str, str]:
    """The claims of an Entra token that say who and for whom, none of them secret; empty for other tokens.

    Nothing is verified here, that is Vault's task; they only explain a refusal.
    """
    parts = token.reveal().split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = _as_object(_parse_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))) or {}
    except ValueError:
        return {}
    shown = ((name, claims.get(name)) for name in ("aud", "iss", "oid", "tid", "appid", "azp"))
    return {name: value[:200] for name, value in shown if isinstance(value, str) and _is_printable(value)}


# --- Vault -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Token:
    """What a login grants. kind is Vault's token_type: service or batch."""

    value: _Secret[str]
    kind: str


class _Vault:
    """The three calls of Vault's API that a job makes: log in, read, revoke."""

    def __init__(self, settings: Settings, budget: _Budget) -> None:
        self._settings = settings
        host = urllib.parse.urlsplit(settings.address).hostname or ""
        self._http = _Http(
            settings.timeout,
            budget,
            # As Go's clients do, and so Vault's own: what is on this machine is not asked for through a proxy.
            proxies=not _is_loopback(host),
            tls=_tls(settings.ca_file),
        )

    def login(self, jwt: _Secret[str]) -> _Token:
        """Trade the identity's token for a Vault token. Raises LoginError or UnreachableError."""
        body = _Secret(json.dumps({"role": self._settings.role, "jwt": jwt.reveal()}).encode())
        outcome = self._call("POST", self._settings.login_path, body=body)
        if outcome.status != 200:
            claims = ", ".join(f"{name}={value}" for name, value in _public_claims(jwt).items())
            raise LoginError(
                f"Vault refused the login at {self._settings.login_path} with role {self._settings.role!r}: "
                f"{_login_advice(outcome)}" + (f" (the token says {claims})" if claims else "")
            )
        token = outcome.secret_at("auth", "client_token")
        if token is None:
            raise LoginError(
                f"{self._settings.address} answered the login without a token: check that VAULT_ADDR is Vault itself, "
                "and that the role asks for no second factor"
            )
        kind = outcome.secret_at("auth", "token_type")
        return _Token(value=token, kind=kind.reveal() if kind else "service")

    def read(self, token: _Token, name: str, path: str) -> Credential:
        """The latest version of a KV version 2 secret. Raises ReadError or UnreachableError."""
        outcome = self._call("GET", path, token)
        if outcome.status != 200:
            raise ReadError(f"credential {name!r} at {path}: {self._read_advice(outcome)}")
        if outcome.object_at("data", "metadata") is None or outcome.object_at("data", "data") is None:
            raise ReadError(
                f"credential {name!r} at {path}: the answer is not that of a KV version 2 secret, so the mount is "
                "probably version 1: upgrade it (vault kv enable-versioning) or name another"
            )
        return Credential(outcome.object_at("data", "data") or {})

    def revoke(self, token: _Token) -> None:
        """Say goodbye if that is possible. Never raises: a batch token cannot be revoked, a policy may not allow it,
        and either way the token expires by itself."""
        if token.kind == "service":
            self._call("POST", "auth/token/revoke-self", token, attempts=1, timeout=REVOKE_TIMEOUT, checked=False)

    def _call(
        self,
        method: str,
        path: str,
        token: Optional[_Token] = None,
        *,
        body: Optional[_Secret[bytes]] = None,
        attempts: int = ATTEMPTS,
        timeout: Optional[float] = None,
        checked: bool = True,
    ) -> _Outcome:
        """Call the API. Unless checked is False, raises UnreachableError when no answer counts as Vault's decision."""
        url = f"{self._settings.address}/v1/{urllib.parse.quote(path)}"
        headers = _Secret(
            {
                "X-Vault-Request": "true",  # Vault Agent and Proxy may insist on it, against forged browser requests
                "Accept": "application/json",
                **({"X-Vault-Namespace": self._settings.namespace} if self._settings.namespace else {}),
                **({"X-Vault-Token": token.value.reveal()} if token else {}),
                **({"Content-Type": "application/json"} if body else {}),
            }
        )
        outcome = self._http.send(method, url, headers, body, attempts=attempts, timeout=timeout)
        if outcome.status in (307, 308):
            target = _same_host_target(url, outcome.location)
            if target:
                outcome = self._http.send(method, target, headers, body, attempts=attempts, timeout=timeout)
        if checked:
            self._raise_if_unreachable(outcome)
        return outcome

    def _raise_if_unreachable(self, outcome: _Outcome) -> None:
        address = self._settings.address
        if outcome.status == 0:
            raise UnreachableError(
                f"cannot reach Vault at {address}: {outcome.problem}; check VAULT_ADDR, VAULT_CACERT, and that the "
                "compute's network lets it out to that host and port"
            )
        if outcome.status == 503 and outcome.mentions("sealed"):
            raise UnreachableError(f"Vault at {address} is sealed: ask its operators to unseal it, then rerun the job")
        if outcome.status == 429:
            raise UnreachableError(
                f"Vault at {address} kept answering 429, too many requests: start fewer nodes, or raise its quota"
            )
        if outcome.status >= 500:
            raise UnreachableError(
                f"Vault at {address}, or a proxy before it, kept answering {outcome.status}: ask its operators"
            )
        if 300 <= outcome.status < 400:
            raise UnreachableError(
                f"Vault at {address} redirects to {_host_of(outcome.location)}, but only one redirect, to the same "
                "host over https, is followed with a token: set VAULT_ADDR to an address that reaches the active node"
            )

    def _read_advice(self, outcome: _Outcome) -> str:
        if outcome.status == 403:
            return (
                f"Vault refused it: the policy of role {self._settings.role!r} does not grant read on exactly this "
                "path (in this namespace), or the token expired; run pulumi up if the credential is new"
            )
        if outcome.status == 404:
            return "there is none, or its latest version was deleted: check the path, then run pulumi up to write it"
        return f"Vault answered {outcome.status}: check that the path is <mount>/data/<path> on a KV version 2 mount"


def _login_advice(outcome: _Outcome) -> str:
    """What to do about a refused login, by the words of vault-plugin-auth-jwt 0.25 and hashicorp/cap 0.11.

    They are looked for and not quoted, and most specific comes first: the plugin wraps one message in another.
    """
    advice: Sequence[Tuple[str, str]] = (
        (
            "invalid audience (aud) claim",
            "wrong audience: set VAULT_AUDIENCE to exactly what the role is bound to, trailing slash included",
        ),
        ("no audiences bound to the role", "the role is bound to no audience: bind it to VAULT_AUDIENCE"),
        (
            "invalid issuer (iss) claim",
            "the login trusts another issuer: set it to the token's (https://sts.windows.net/<tenant>/ for v1 tokens, "
            "https://login.microsoftonline.com/<tenant>/v2.0 for v2)",
        ),
        (
            "error validating claims",
            "the role admits another identity: bind oid to the job identity's principal id, in lower case, and tid to "
            "its tenant",
        ),
        ("could not be found", "no such role: take VAULT_ROLE from the stack's outputs"),
        ("token is expired", "the identity's token is expired: check the clocks of the node and of Vault"),
        ("not yet valid", "the identity's token is not valid yet: check the clocks of the node and of Vault"),
        ("issued in the future", "the identity's token is from the future: check the clocks of the node and of Vault"),
        (
            "error verifying token signature",
            "none of the trusted keys signed the token: check the issuer that the login trusts, and that Vault "
            "reaches the issuer to fetch its keys",
        ),
        ("error configuring token validator", "the login has no keys, or Vault cannot reach the issuer: run pulumi up"),
        ("could not load configuration", "the login is not set up: run pulumi up"),
    )
    for words, what_to_do in advice:
        if outcome.mentions(words):
            return what_to_do
    if outcome.status in (403, 404):
        return (
            f"status {outcome.status}, so the login path or VAULT_NAMESPACE is wrong, or the role does not admit this "
            "node or identity: compare path, role, audience and the identity's oid with the stack's outputs"
        )
    return (
        f"status {outcome.status} for a reason not known here: compare role, audience and the identity's oid with the "
        "stack's outputs, then ask Vault's operators for the audit log"
    )


def _same_host_target(url: str, location: str) -> str:
    """Where a redirect may be followed to: the same host over https, or empty. A standby node that names the active
    one by another host is not followed; the caller says so."""
    try:
        source = urllib.parse.urlsplit(url)
        target = urllib.parse.urlsplit(urllib.parse.urljoin(url, location))
        same_host = target.hostname == source.hostname and (target.port or 443) > 0
    except ValueError:
        return ""
    plain = target.username is None and target.password is None and _is_printable(target.geturl())
    return target.geturl() if location and same_host and plain and source.scheme == target.scheme == "https" else ""


def _host_of(location: str) -> str:
    """Scheme and host of a redirect's target; the rest could carry anything."""
    try:
        target = urllib.parse.urlsplit(location)
    except ValueError:
        return "another place"
    host = target.hostname or ""
    return f"{target.scheme}://{host}" if host and _is_printable(host) else "another place"


# --- command line ----------------------------------------------------------------------------------------------------

_FLAGS: Mapping[str, Tuple[str, str]] = {
    "--address": ("VAULT_ADDR", "Vault's URL"),
    "--login-path": ("VAULT_LOGIN_PATH", "API path of the JWT login, such as auth/jwt/login"),
    "--role": ("VAULT_ROLE", "role to log in with"),
    "--audience": ("VAULT_AUDIENCE", "resource to ask the identity's token for"),
    "--credentials": ("VAULT_CREDENTIALS", "API paths, comma separated or JSON"),
    "--mount": ("VAULT_MOUNT", "KV mount of entries that are no API paths"),
    "--namespace": ("VAULT_NAMESPACE", "Vault namespace"),
    "--ca-file": ("VAULT_CACERT", "PEM file of the CA that signed Vault's certificate"),
    "--client-id": ("AZURE_CLIENT_ID", "client id of the job identity"),
    "--timeout": ("VAULT_TIMEOUT", "seconds for one request (10)"),
    "--deadline": ("VAULT_DEADLINE", "seconds for everything together (120)"),
}
"""Every flag stands in for an environment variable. There is none for a token or a secret: ps would show it."""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """The command. Returns its exit status: 0 everything was read, 1 refused or failed, 2 wrong settings."""
    parser = argparse.ArgumentParser(
        prog="vault_credentials.py",
        description="Read the job's credentials from Vault and print their names and keys, never a value.",
        epilog="exit status: 0 everything was read, 1 something was refused or failed, 2 the settings are wrong",
        allow_abbrev=False,
    )
    parser.add_argument("--check", action="store_true", help="also print each step as it succeeds")
    for flag, (variable, meaning) in _FLAGS.items():
        parser.add_argument(flag, dest=variable, metavar="VALUE", help=f"{meaning}; default: ${variable}")
    options = vars(parser.parse_args(arguments))
    check = options.pop("check")
    environ = {**os.environ, **{variable: value for variable, value in options.items() if value is not None}}

    def report(step: str) -> None:
        if check:
            print(f"ok  {step}", flush=True)

    try:
        credentials = read_credentials(environ=environ, report=report)
    except CredentialsError as error:
        print(f"vault_credentials: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    for name, credential in sorted(credentials.items()):
        # A key can be any text; one with control characters must not write to the log in our name.
        print(f"{name}: {', '.join(key if key.isprintable() else ascii(key) for key in sorted(credential))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
