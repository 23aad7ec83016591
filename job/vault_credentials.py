"""Read credentials from HashiCorp Vault in an Azure Machine Learning job, with no key and no token of your own.

Put this one file beside the training script; it needs Python 3.9 or newer and nothing else:

    from vault_credentials import VaultCredentials, read_credentials

    credentials = read_credentials()  # or some of them: read_credentials("ml_api_key")
    api_key = credentials["ml_api_key"]["api_key"]

    with VaultCredentials() as vault:  # an endpoint, or whatever lives longer: logs in once and reads again in time
        api_key = vault["ml_api_key"]["api_key"]

The compute's managed identity gets a token that is meant for Vault only (the audience). Vault's JWT login trades it for
a short-lived Vault token, which reads each credential.

Settings come from the environment. `make job` writes them all, from the outputs of the mlvault stack:

    VAULT_ADDR          https://vault.example.com:8200; plain http to this machine only
    VAULT_LOGIN_PATH    auth/jwt/login
    VAULT_ROLE          the role to log in with
    VAULT_AUDIENCE      what the identity's token is for, exactly as the role expects it
    VAULT_CREDENTIALS   names and API paths in JSON: {"ml_api_key": "secret/data/mlvault/dev/ml_api_key"}
    AZURE_CLIENT_ID     client id of the job identity; default: DEFAULT_IDENTITY_CLIENT_ID, which Azure ML sets.
                        "none" on Kubernetes compute, which has one identity and takes no client id
    VAULT_LOGIN         optional: az-cli, on a laptop or a notebook, logs in as whoever ran `az login`
    VAULT_NAMESPACE     optional: Vault Enterprise and HCP only
    VAULT_CACERT        optional: PEM file of the CA that signed Vault's certificate; it replaces the system's CAs
    VAULT_TIMEOUT       optional: seconds for one request (10)
    VAULT_DEADLINE      optional: seconds for one call of this module, retries included (120)

Azure ML itself sets MSI_ENDPOINT and MSI_SECRET. HTTPS_PROXY and NO_PROXY are followed. VAULT_TOKEN and
VAULT_SKIP_VERIFY are ignored: a job needs no static token, and certificates are always verified.

Leases. A path such as database/creds/ml-reader answers with values that Vault withdraws when their lease ends. A lease
ends with the Vault token at the latest (`workload.tokenTtlSeconds` of the stack); Credential.expires_at says when.
VaultCredentials reads again before that. read_credentials() reads once: a job longer than the lease must use
VaultCredentials, and ask it each time that it opens a connection.

As a command it reads everything and prints names and keys, never a value. --check prints each step as well. It exits
with 0 when everything was read, 1 when something was refused or failed, and 2 when the settings are wrong.
No value and no token is written or printed, and none is in an exception, its causes or the variables of its traceback.
"""

from __future__ import annotations

import argparse, base64, contextlib, http.client, io, ipaddress, json, os, random, re, shutil, socket, ssl  # noqa: E401
import subprocess, sys, threading, time, urllib.parse  # noqa: E401
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar, Union

# Tries for one request, and seconds before the second, which double up to the longest unless Retry-After asks for more.
# That is half a minute: a Vault cluster elects a leader in less. A wait is random, from half of it up, so that nodes
# that start together do not return together.
ATTEMPTS, FIRST_WAIT, LONGEST_WAIT = 8, 0.5, 10.0
# Bytes of an answer, headers included: Vault's limit for an entry is about 1 MiB. Seconds for revoking the token, which
# soon expires by itself.
LARGEST_ANSWER, REVOKE_TIMEOUT, YEAR = 4 * 1024 * 1024, 3.0, 365 * 24 * 3600
# Part of the life of a lease or a token after which a new one is taken; the rest is time for retries. Seconds between
# two logins because of a refused read, and between two vain reads for a lease that still holds.
RENEW_AT, PAUSE = 2 / 3, 10.0
_HUNG_UP = "the connection, or a proxy on the way, broke off"

_T = TypeVar("_T")
_Token = NamedTuple("_Token", [("value", str), ("kind", str), ("fresh_until", float), ("expires_at", datetime)])
Login = Union[None, str, Callable[[str], str]]
Report = Callable[[str], object]


class CredentialsError(Exception): """Base of all that this module raises on purpose. The message says what to do."""
class SettingsError(CredentialsError): """Settings are missing or wrong, all are listed, and nothing was sent."""
class IdentityError(CredentialsError): """There is no identity, it is another's, or its token is not for Vault."""
class LoginError(CredentialsError): """Vault refused the login."""
class ReadError(CredentialsError): """Vault refused a credential, has none at its path, or answered with nonsense."""
class UnreachableError(CredentialsError): """A server is not there, not the one meant, sealed, or overloaded."""


class Credential(Mapping[str, Any]):
    """The keys and values of one credential, read-only. Printing it shows the keys and no value. It is not a dict, so
    that json.dumps() or an experiment tracker refuses it instead of writing values down; dict(credential) is one."""

    __slots__ = ("_values", "path", "version", "expires_at")

    def __init__(self, values: Mapping[str, Any], path: str, version: Optional[int], expires_at: Optional[datetime]):
        """path is the API path, version that of KV version 2, expires_at the end of the lease, if there is one."""
        self._values, self.path, self.version, self.expires_at = dict(values), path, version, expires_at

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            raise KeyError(f"this credential has no key {key!r}, only {sorted(self._values)}")
        return self._values[key]

    def __iter__(self) -> Iterator[str]: return iter(self._values)
    def __len__(self) -> int: return len(self._values)
    def __repr__(self) -> str: return f"<Credential keys={sorted(self._values)}>"


def read_credentials(*names: str, login: Login = None, report: Report = len) -> Dict[str, Credential]:
    """Log in once and read the credentials with these names, or all. Values with a lease are good until expires_at and
    no longer. login and report are those of VaultCredentials. Raises CredentialsError if it cannot read every one."""
    vault = VaultCredentials(login=login, report=report)
    try:
        return vault.read(*names)
    finally:
        vault.close(keep_leases=True)  # revoking the token would end the leases that the caller is about to use


class VaultCredentials:
    """A client that lives: one login for many reads, one kept connection, values cached. Any thread may use it.

    Ask it each time that a value is needed. It answers from memory until ttl seconds have passed or, for values with a
    lease, until two thirds of the lease have. A value that was rotated in Vault is thus seen within ttl seconds, or at
    once after refresh(). Values are never given out past their lease. close(), or leaving the block, revokes a service
    token, and its leases end with it.
    """

    def __init__(self, *, login: Login = None, ttl: float = 300.0, report: Report = len) -> None:
        """login is "az-cli", or a function from the audience to a token, as with azure-identity:

            login=lambda audience: DefaultAzureCredential().get_token(f"{audience}/.default").token

        It defaults to VAULT_LOGIN, and that to the managed identity. report is called with a sentence after each step;
        none of them carries a value or a token. Raises SettingsError or IdentityError; nothing is sent yet.
        """
        self._ttl, self._report = ttl, report
        # The identity first: on a laptop, a list of missing variables would hide that there is none.
        self._ask_identity, self._client_id = _shielded(_identity, login)
        self._settings = settings = _shielded(_Settings)
        self._names, self._url = settings.credentials, urllib.parse.urlsplit(settings.address)
        self._server = _Server(self._url, settings.tls)
        report(f"settings: {settings.address}, role {settings.role!r}, {len(self._names)} credential(s)")
        self._start()

    def _start(self) -> None:
        self._lock, self._process, self._refused_at = threading.Lock(), os.getpid(), float("-inf")
        self._cache: Dict[str, Tuple[Credential, float]] = {}  # and until when, on the monotonic clock, it is fresh
        self._token: Optional[_Token] = None

    def __enter__(self) -> VaultCredentials: return self
    def __exit__(self, *_: object) -> None: self.close()
    def __getitem__(self, name: str) -> Credential: return self.read(name)[name]
    def __iter__(self) -> Iterator[str]: return iter(self._names)

    def read(self, *names: str) -> Dict[str, Credential]:
        """The credentials with these names, or all of them."""
        return _shielded(self._read, names, False)

    def refresh(self, *names: str) -> Dict[str, Credential]:
        """The same, read from Vault now: for a service that has just refused a value."""
        return _shielded(self._read, names, True)

    def close(self, *, keep_leases: bool = False) -> None:
        """Forget every value, revoke the token and hang up. A later read starts anew."""
        leased = any(credential.expires_at for credential, _ in self._cache.values())
        if not (keep_leases and leased) and self._process == os.getpid():
            _shielded(self._revoke)
        self._server.close()
        self._start()

    def _revoke(self) -> None:
        if self._token and self._token.kind == "service":
            with contextlib.suppress(UnreachableError):  # a policy may not allow it, and the token expires by itself
                self._call(_Budget(REVOKE_TIMEOUT, 1), "POST", "auth/token/revoke-self", self._token)

    def _read(self, names: Sequence[str], anew: bool) -> Dict[str, Credential]:
        for name in set(names) - set(self._names):
            raise SettingsError(f"VAULT_CREDENTIALS has no credential {name!r}, only {sorted(self._names)}")
        if self._process != os.getpid():  # a fork's two processes cannot share a connection
            self._server.close()
            self._start()
        budget = _Budget(self._settings.deadline)
        return {name: self._read_one(name, budget, anew) for name in names or self._names}

    def _read_one(self, name: str, budget: _Budget, anew: bool) -> Credential:
        cached, fresh_until = before = self._cache.get(name, (None, 0.0))
        if cached and time.monotonic() < fresh_until and _holds(cached) and not anew:
            return cached
        # Old, but its lease holds: nobody waits for the next one, and a failure to get it is none yet.
        held = cached if cached and cached.expires_at and _holds(cached) and not anew else None
        if not self._lock.acquire(timeout=0 if held else budget.left()):
            if held:
                return held
            raise UnreachableError(f"credential {name!r}: the deadline passed while another thread was asking Vault")
        try:
            credential = self._cache.get(name, before)[0]
            if not credential or credential is cached or not _holds(credential):
                try:
                    self._cache[name] = self._fetch(name, _Budget(budget.left(), 1) if held else budget)
                except UnreachableError:
                    if not held or not _holds(held):
                        raise
                    self._cache[name] = held, time.monotonic() + PAUSE
                credential = self._cache[name][0]
            if not _holds(credential):
                raise ReadError(f"credential {name!r}: its lease ended before it could be used: ask for a longer one")
            return credential
        finally:
            self._lock.release()

    def _fetch(self, name: str, budget: _Budget) -> Tuple[Credential, float]:
        token, path = self._token, self._names[name]
        known = token is not None and time.monotonic() < token.fresh_until
        if not token or not known:
            token = self._log_in(budget)
        begun, asked = time.monotonic(), datetime.now(timezone.utc)
        answer = self._call(budget, "GET", path, token)
        if answer.status == 403 and known and begun > self._refused_at + PAUSE:
            # Vault says the same of a dead token and of a path that the policy does not grant: a new one tells.
            token, begun, asked = self._log_in(budget), time.monotonic(), datetime.now(timezone.utc)
            answer, self._refused_at = self._call(budget, "GET", path, token), begun
        values, version, lease = self._judge(name, path, answer)
        fresh_until, expires_at, note = begun + self._ttl, None, f", version {version}" if version else ""
        if lease is not None:
            expires_at = min(asked + timedelta(seconds=lease), token.expires_at)  # a lease ends with its token
            fresh_until = begun + (expires_at - asked).total_seconds() * RENEW_AT
            note = f", until {expires_at:%Y-%m-%d %H:%M:%S} UTC"
        self._report(f"read: {name}{note}")
        return Credential(values, path, version, expires_at), fresh_until

    def _log_in(self, budget: _Budget) -> _Token:
        audience, path, role = self._settings.audience, self._settings.login_path, self._settings.role
        try:
            jwt = _checked(self._ask_identity(self._settings, budget), audience, self._client_id)
        except CredentialsError:
            raise
        except Exception as error:  # of a function that the caller gave; its text may hold anything
            raise IdentityError(f"the login function raised {type(error).__name__}: call it by itself to see why")
        self._report(f"identity: a token for {audience}")
        begun, asked = time.monotonic(), datetime.now(timezone.utc)
        answer = self._call(budget, "POST", path, None, json.dumps({"role": role, "jwt": jwt}).encode())
        if answer.status != 200:
            claims = ", ".join(f"{name}={value}" for name, value in _public(_claims(jwt)).items())
            advice = next(what for words, what in _LOGIN_ADVICE if answer.mentions(words))
            refused = f"Vault refused the login at {path} with role {role!r}, status {answer.status}"
            raise LoginError(f"{refused}: {advice} (the token says {claims})")
        auth = answer.below("auth")
        token, life = auth.get("client_token"), _whole(auth.get("lease_duration"), YEAR) or YEAR
        if not isinstance(token, str) or not token or not _is_printable(token):
            advice = "check that VAULT_ADDR is Vault itself, and that the role asks for no second factor"
            raise LoginError(f"{self._settings.address} answered the login without a token: {advice}")
        kind = "batch" if auth.get("token_type") == "batch" else "service"
        self._token = _Token(token, kind, begun + life * RENEW_AT, asked + timedelta(seconds=life))
        self._report(f"login: {path} granted a {kind} token")
        return self._token

    def _judge(self, name: str, path: str, answer: _Answer) -> Tuple[Dict[str, Any], Optional[int], Optional[float]]:
        """Values, version and seconds of the lease: KV version 2 has a version, other engines may have a lease."""
        whole, data, metadata = answer.below(), answer.below("data"), answer.below("data", "metadata")
        lease = _whole(whole.get("lease_duration"), YEAR) if whole.get("lease_id") else None
        if answer.status == 403:
            advice = f"the policy of role {self._settings.role!r} grants no read on exactly this path: run pulumi up"
        elif answer.status == 404:
            advice = "there is none, its latest version was deleted, or data/ is missing after a KV version 2 mount"
        elif answer.status != 200 or not isinstance(whole.get("data"), dict):
            advice = f"Vault answered {answer.status} without data: check the path, and that VAULT_ADDR is Vault itself"
        elif "version" in metadata and "data" in data:
            if isinstance(data["data"], dict):
                return data["data"], _whole(metadata["version"], 2**63), None
            advice = "its latest version was deleted: write it again with pulumi up, or undelete it"
        elif lease or not whole.get("lease_id"):
            return data, None, lease
        else:
            advice = "its lease has no duration that makes sense: check the engine's role"
        raise ReadError(f"credential {name!r} at {path}: {advice}")

    def _call(self, budget: _Budget, method: str, path: str, token: Optional[_Token], body: Any = None) -> _Answer:
        """Call Vault's API. Raises UnreachableError when no answer counts as Vault's decision."""
        headers = {"Host": self._url.netloc, "Accept": "application/json"}
        headers["X-Vault-Request"] = "true"  # Vault Agent and Proxy may insist on it, against forged browser requests
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace
        if token:
            headers["X-Vault-Token"] = token.value
        target = f"{self._url.path}/v1/{urllib.parse.quote(path)}"
        answer = self._server.send(budget, self._settings.timeout, method, target, headers, body)
        who, status = f"Vault at {self._settings.address}", answer.status
        if 200 <= status < 300 or 400 <= status < 500 and status != 429:
            return answer
        if status == 0:
            problem = f"cannot reach {who}: {answer.problem}; check VAULT_ADDR, VAULT_CACERT and the compute's network"
        elif status == 429:
            problem = f"{who} kept answering 429, too many requests: start fewer nodes, or raise its quota"
        elif status < 400:
            problem = f"{who} redirects (status {status}): set VAULT_ADDR to an address that reaches the active node"
        elif answer.mentions("vault is sealed"):
            problem = f"{who} is sealed: ask its operators to unseal it, then rerun the job"
        else:
            problem = f"{who}, or a proxy before it, kept answering {status}: ask its operators"
        raise UnreachableError(problem)


# Words of vault-plugin-auth-jwt 0.25 and hashicorp/cap 0.11, and what to do. They are looked for and not quoted. The
# most specific comes first, because the plugin wraps one message in another.
_LOGIN_ADVICE = (
    ("invalid audience (aud) claim", "wrong audience: VAULT_AUDIENCE must be exactly what the role is bound to"),
    ("no audiences bound to the role", "the role is bound to no audience: bind it to VAULT_AUDIENCE"),
    ("invalid issuer (iss) claim", "the login trusts another issuer: set it to the token's"),
    ("error validating claims", "the role admits another oid or tid: add a person's oid to workload.principalIds"),
    ("could not be found", "no such role: take VAULT_ROLE from the stack's outputs"),
    ("token is expired", "the identity's token is expired: check the clocks of the node and of Vault"),
    ("not yet valid", "the identity's token is not valid yet: check the clocks of the node and of Vault"),
    ("issued in the future", "the identity's token is from the future: check the clocks of the node and of Vault"),
    ("error verifying token signature", "no trusted key signed the token: check the issuer, and that Vault reaches it"),
    ("error configuring token validator", "the login has no keys, or Vault cannot reach the issuer: run pulumi up"),
    ("could not load configuration", "the login is not set up: run pulumi up"),
    ("", "compare login path, VAULT_NAMESPACE, role, audience and oid with the stack's outputs"),
)


def _variable(name: str) -> str: return os.environ.get(name, "").strip()
def _is_printable(text: str) -> bool: return re.fullmatch(r"[\x21-\x7e]*", text) is not None
# Every part of a path must name something: '..' would leave the mount, an empty part is a typo.
def _is_clean(path: str) -> bool: return path.isprintable() and not {"", ".", ".."} & set(path.split("/"))
# A JSON number that counts something, cut off at the most; None for anything else.
def _whole(it: Any, most: int) -> Optional[int]: return min(it, most) if type(it) is int and it > 0 else None
# Whether a lease still lasts. The monotonic clock would not do: it stands still while a machine sleeps.
def _holds(it: Credential) -> bool: return it.expires_at is None or datetime.now(timezone.utc) < it.expires_at


def _shielded(work: Callable[..., _T], *arguments: object) -> _T:
    """Call work. An error, also Ctrl-C, leaves without the frames below, whose variables hold tokens and values."""
    try:
        return work(*arguments)
    except BaseException as error:
        problem = error
    problem.__cause__ = problem.__context__ = None
    raise problem.with_traceback(None)


class _Settings:
    """The settings that the module's docstring lists. Making one raises SettingsError with every problem in it."""

    def __init__(self) -> None:
        self._problems: List[str] = []
        self.address, self.login_path = self._text("VAULT_ADDR").rstrip("/"), self._text("VAULT_LOGIN_PATH").strip("/")
        self.role, self.audience = self._text("VAULT_ROLE"), self._text("VAULT_AUDIENCE")
        self.namespace = self._text("VAULT_NAMESPACE", required=False)
        self.timeout, self.deadline = self._seconds("VAULT_TIMEOUT", "10"), self._seconds("VAULT_DEADLINE", "120")
        self._check_address(self.address)
        login = re.fullmatch("(auth/.+/login)?", self.login_path) and _is_clean(self.login_path or "unset")
        self._check(login, f"VAULT_LOGIN_PATH {self.login_path!r} is not like auth/jwt/login")
        self.credentials = self._credentials(_variable("VAULT_CREDENTIALS"))
        self.tls = None if self.address.startswith("http:") else self._tls(_variable("VAULT_CACERT"))
        if self._problems:
            raise SettingsError("; ".join(self._problems))

    def _check(self, right: object, problem: str) -> None:
        if not right:
            self._problems.append(problem)

    def _text(self, name: str, required: bool = True) -> str:
        text = _variable(name)
        self._check(text or not required, f"{name} is not set: take it from the stack's outputs, as `make job` does")
        self._check(_is_printable(text), f"{name} has characters that cannot be sent")
        return text

    def _seconds(self, name: str, default: str) -> float:
        text = _variable(name) or default
        seconds = float(text) if re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,9})?", text) else 0.0
        self._check(0 < seconds <= 86400, f"{name} is not a number of seconds above 0 (and at most 86400)")
        return seconds

    def _check_address(self, address: str) -> None:
        try:
            url = urllib.parse.urlsplit(address or "https://unset")
            host, valid = url.hostname or "", url.scheme in ("http", "https") and url.hostname and url.port != 0
        except ValueError:
            return self._problems.append("VAULT_ADDR is not a URL")
        self._check(valid, "VAULT_ADDR is not a URL like https://vault.example.com:8200")
        more = url.username is not None or url.query or url.fragment
        self._check(not more, "VAULT_ADDR holds more than scheme, host, port and path: leave only those")
        self._check(not url.path.endswith("/v1"), "VAULT_ADDR ends in /v1, which is added to every path: leave it off")
        clear = url.scheme == "http" and not _is_here(host)
        self._check(not clear, f"VAULT_ADDR is plain http to {host}, which sends tokens in the clear: use https")

    def _credentials(self, text: str) -> Dict[str, str]:
        found: Dict[str, str] = {}
        try:  # as pairs, because a dict would hide that a name is there twice
            pairs: Any = json.loads(text, object_pairs_hook=list) if text.startswith("{") else []
        except (ValueError, RecursionError):
            pairs = []
        for name, path in pairs:
            entry = f"VAULT_CREDENTIALS has an entry {name!r}"
            clean = isinstance(path, str) and "/" in path and not path.startswith("v1/") and _is_clean(path)
            self._check(name and name.isprintable(), f"{entry}, which is empty or cannot be printed")
            self._check(name not in found, f"{entry} twice: give each its own name")
            self._check(clean, f"{entry} that is not a clean API path (no v1/, no empty, '.' or '..' parts)")
            found[name] = path
        example = '{"ml_api_key": "secret/data/mlvault/dev/ml_api_key"}'
        self._check(found, f"VAULT_CREDENTIALS is not a JSON object like {example}: take the output credentialPaths")
        return found

    def _tls(self, ca_file: str) -> Optional[ssl.SSLContext]:
        """TLS that verifies the server against ca_file alone, or against the system's CAs when it is empty."""
        try:
            context = ssl.create_default_context(cafile=ca_file or None)
        except (OSError, ValueError) as error:
            why = "holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else "cannot be read"
            self._problems.append(f"VAULT_CACERT {ca_file!r} {why}")
            return None
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python 3.9 leaves that to the system
        # Python 3.13 turned this on. It refuses private CAs for extensions that they lack, which Vault's own clients do
        # not ask for, and it looks like a wrong CA. Chain, dates and host stay verified.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def _is_here(host: str, link_local: bool = False) -> bool:
    """Whether host is this machine. A name other than localhost is not asked: DNS could answer anything."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return address.is_loopback or (link_local and address.is_link_local)


def _identity(login: Login) -> Tuple[Callable[[_Settings, _Budget], object], Optional[str]]:
    """What gives the token, and whose it must be: a client id, "" for any managed identity, None for anybody."""
    if callable(login):
        function = login
        return lambda settings, budget: function(settings.audience), None
    login = login or _variable("VAULT_LOGIN")
    if login not in ("", "az-cli"):
        raise SettingsError(f"VAULT_LOGIN is {login!r}: set it to az-cli, or leave it out for the managed identity")
    return (_ask_azure_cli, None) if login else _managed_identity()


def _ask_azure_cli(settings: _Settings, budget: _Budget) -> str:
    """The token of whoever ran `az login`."""
    command = f"az account get-access-token --query accessToken -o tsv --resource {settings.audience}"
    try:
        az = [shutil.which("az") or "az", *command.split()[1:]]  # on Windows it is az.cmd
        done = subprocess.run(az, capture_output=True, timeout=budget.left())
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"the Azure CLI gave no token in time: run `{command}` to see why")
    except OSError:
        raise IdentityError("VAULT_LOGIN is az-cli, but az cannot be run: install the Azure CLI and run `az login`")
    if done.returncode:
        code = re.search(rb"AADSTS[0-9]{1,9}", done.stderr)  # AADSTS65001: the CLI is not pre-authorised on the app
        why = f" ({code[0].decode()}: see docs/deploy.md)" if code else ""
        raise IdentityError(f"the Azure CLI gave no token{why}: run `az login`, then `{command}` to see why")
    return done.stdout.decode("utf-8", "replace").strip()


def _managed_identity() -> Tuple[Callable[[_Settings, _Budget], object], str]:
    """The endpoint that the platform announces: Azure ML's MSI_* first, then IDENTITY_* of newer hosts. It is not IMDS.
    The parameter is called clientid in one protocol and client_id in the other; the wrong one is ignored silently.
    Source: azure_ml.go and app_service.go of MSAL for Go, managed_identity.py of MSAL for Python."""
    endpoint, secret = _variable("MSI_ENDPOINT"), _variable("MSI_SECRET")
    version, parameter, header = "2017-09-01", "clientid", "secret"
    if not endpoint or not secret:
        endpoint, secret = _variable("IDENTITY_ENDPOINT"), _variable("IDENTITY_HEADER")
        version, parameter, header = "2019-08-01", "client_id", "X-IDENTITY-HEADER"
    if not endpoint or not secret:
        advice = "run inside an Azure ML job on compute with the job identity; on a laptop, run `az login` and"
        raise IdentityError(f"there is no managed identity here (no MSI_ENDPOINT): {advice} set VAULT_LOGIN=az-cli")
    try:
        url = urllib.parse.urlsplit(endpoint)
        server = _Server(url, None)
        here = url.scheme == "http" and url.username is None and _is_here(url.hostname or "", link_local=True)
    except ValueError:
        here = False
    if not here or not _is_printable(endpoint + secret):
        what = "is not plain http to this machine or a link-local address, or its secret cannot be sent"
        raise IdentityError(f"the managed identity endpoint {what}: the platform sets both, do not do so yourself")
    # Azure ML sets DEFAULT_IDENTITY_CLIENT_ID to the word "clientid" where no identity is attached. What is no GUID it
    # treats as absent, and answers with the *user's* token (github.com/Azure/azure-sdk-for-python, pull request 36047).
    explicit = _variable("AZURE_CLIENT_ID")
    client_id = "" if explicit == "none" else explicit or _variable("DEFAULT_IDENTITY_CLIENT_ID")
    if explicit != "none" and not re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", client_id):
        what = f"{client_id[:40]!r} and not a client id" if client_id else "not set"
        advice = "attach the job identity to the compute and set it to that client id (none on Kubernetes compute)"
        laptop = "to read as yourself, on a notebook, set VAULT_LOGIN=az-cli"
        raise IdentityError(f"AZURE_CLIENT_ID is {what}: Azure ML could answer with a user's token; {advice}; {laptop}")

    def ask(settings: _Settings, budget: _Budget) -> object:
        query = {"api-version": version, "resource": settings.audience, **({parameter: client_id} if client_id else {})}
        target = f"{url.path or '/'}?{url.query and url.query + '&'}{urllib.parse.urlencode(query)}"
        headers = {"Host": url.netloc, "Accept": "application/json", header: secret}
        answer = server.send(budget, settings.timeout, "GET", target, headers)
        server.close()
        app = f"that the tenant has an app registration for the audience {settings.audience!r}"
        if not answer.status or answer.status == 429 or answer.status >= 500:
            why = answer.problem or f"it kept answering {answer.status}"
            raise UnreachableError(f"the managed identity endpoint gave no token: {why}; restart the job, check {app}")
        if answer.status != 200:
            advice = f"check that client id {client_id or 'none'} is attached to the compute, and {app}"
            raise IdentityError(f"Azure ML refused a token (status {answer.status}): {advice}")
        return answer.below().get("access_token")

    return ask, client_id


def _checked(token: object, audience: str, client_id: Optional[str]) -> str:
    """Keep a token from Vault that is not meant for it or, unless client_id is None, is not the managed identity's."""
    claims = _claims(token)
    if not isinstance(token, str) or not claims:
        raise IdentityError("the identity answered without a token that can be read: check where its tokens come from")
    shown, meant = _public(claims), claims.get("aud")
    if audience not in (meant if isinstance(meant, list) else [meant]):
        advice = "version 2 tokens carry the app's bare id, so use that as workload.audience and VAULT_AUDIENCE"
        raise IdentityError(f"the identity's token is for {shown.get('aud')} and not for {audience!r}: {advice}")
    owner = shown.get("appid") or shown.get("azp")
    if not owner:
        raise IdentityError("the identity's token names no application (appid or azp), so it is not one of Entra's")
    if client_id is not None and ("scp" in claims or client_id and owner.lower() != client_id.lower()):
        whose = f"{'a user' if 'scp' in claims else 'client'} {owner} instead of {client_id or 'a managed identity'}"
        advice = "attach the job identity to the compute and set AZURE_CLIENT_ID to its client id"
        raise IdentityError(f"Azure ML answered with a token of {whose}: {advice}")
    return token


def _claims(token: object) -> Dict[str, Any]:
    """The claims of a JWT, unverified, which is Vault's task; empty for anything else."""
    parts = token.split(".") if isinstance(token, str) and _is_printable(token) else []
    try:
        return _parse_object(base64.urlsafe_b64decode(parts[1] + "==")) if len(parts) == 3 else {}
    except ValueError:
        return {}


def _public(claims: Mapping[str, Any]) -> Dict[str, str]:
    """The claims that say who and for whom, none of them secret."""
    shown = ((name, claims.get(name)) for name in ("aud", "iss", "oid", "tid", "appid", "azp"))
    return {name: value[:200] for name, value in shown if isinstance(value, str) and value and _is_printable(value)}


def _parse_object(text: bytes) -> Dict[str, Any]:
    """The JSON object in text; empty for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {}


class _Budget:
    """Counts down the seconds, and holds the tries for each request, that a call has."""

    def __init__(self, seconds: float, attempts: int = 0) -> None:
        self._end, self.attempts = time.monotonic() + seconds, attempts or ATTEMPTS

    def left(self) -> float: return max(0.0, self._end - time.monotonic())

    def due(self) -> float:
        if not self.left():
            raise socket.timeout
        return max(0.001, self.left())


class _Answer(NamedTuple):
    """How a request ended. Never raised: an exception could carry a header, and with it a token. status is 0 when no
    answer came, and problem says why. transient and wait: whether, and in how many seconds, another try may succeed."""

    status: int = 0
    problem: str = ""
    transient: bool = False
    wait: float = 0.0
    body: bytes = b""

    def below(self, *keys: str) -> Dict[str, Any]:
        """The JSON object below keys; empty when there is none."""
        found = _parse_object(self.body)
        for key in keys:
            found = found[key] if isinstance(found.get(key), dict) else {}
        return found

    def mentions(self, words: str) -> bool:
        """Whether the body contains words. Bodies are searched and never quoted: they may echo a request."""
        return words in self.body.decode("utf-8", "replace").lower()


class _Wire(io.RawIOBase):
    """A socket for http.client whose every byte is due before one point in time, and whose bytes are counted. Its own
    timeout starts anew with each byte, so a server that drips would never run into it."""

    def __init__(self, sock: Any, clock: _Budget) -> None:
        self.socket, self.clock, self.received = sock, clock, 0

    def readable(self) -> bool: return True
    def makefile(self, *_: object) -> io.BufferedReader: return io.BufferedReader(self)
    def close(self) -> None: """Nothing: http.client does so before an answer is read. _Server closes the socket."""

    def readinto(self, buffer: Any) -> int:
        self.socket.settimeout(self.clock.due())
        count: int = self.socket.recv_into(buffer)
        self.received += count
        if self.received > LARGEST_ANSWER:
            raise OverflowError
        return count

    def sendall(self, data: bytes) -> None:
        self.socket.settimeout(self.clock.due())
        self.socket.sendall(data)


class _Connection(http.client.HTTPConnection):
    debuglevel = 0  # print nothing, even where http.client is told to debug
    auto_open = 0  # never connect again, which would be without TLS

    def __init__(self, sock: Any, clock: _Budget) -> None:
        super().__init__("named.by.the.headers", 80)
        self.sock = self.wire = _Wire(sock, clock)


class _Server:
    """One HTTP server: a kept connection, a time limit for each request, and tries where another can help. A redirect
    is an answer like any other: to follow it would carry the token along to whatever host it names."""

    def __init__(self, url: urllib.parse.SplitResult, tls: Optional[ssl.SSLContext]) -> None:
        self._host, self._port, self._tls = url.hostname or "", url.port or (443 if tls else 80), tls
        self._kept: Optional[_Connection] = None

    def close(self) -> None:
        if self._kept:
            self._kept.wire.socket.close()
        self._kept = None

    def send(self, budget: _Budget, timeout: float, *request: Any) -> _Answer:
        """Send until something other than a passing failure comes back, or attempts or budget are used up."""
        answer, attempt = _Answer(problem="the deadline passed before it was asked"), 0
        while budget.left():
            reused = self._kept is not None
            answer = self._send_once(_Budget(min(timeout, budget.left())), *request)
            if reused and answer.problem == _HUNG_UP:
                continue  # servers close idle connections: a new one tells
            wait = max(answer.wait, random.uniform(0.5, 1.0) * min(LONGEST_WAIT, FIRST_WAIT * 2**attempt))
            attempt += 1
            if not answer.transient or attempt >= budget.attempts or wait >= budget.left():
                break  # a compute node costs money, so it does not sleep towards a certain failure
            time.sleep(wait)
        return answer

    def _send_once(self, clock: _Budget, method: str, target: str, headers: Any, body: Any = None) -> _Answer:
        connection, self._kept = self._kept, None  # it comes back when the answer was read to its end
        try:
            connection = connection or self._connect(clock)
            connection.wire.clock, connection.wire.received = clock, 0
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            content = b"".join(iter(lambda: response.read(65536), b""))
            if response.length:
                return _Answer(problem="its answer was cut short", transient=True)
            if not response.will_close:
                self._kept = connection
            asked = response.headers.get("Retry-After", "")  # its other form, a date, is not worth the code
            wait = float(asked) if re.fullmatch("[0-9]{1,9}", asked) else 0.0
            return _Answer(response.status, "", response.status == 429 or response.status >= 500, wait, content)
        except Exception as error:  # whatever a server makes http.client, ssl or a parser raise
            return _no_answer(error)
        finally:
            if connection and connection is not self._kept:
                connection.wire.socket.close()

    def _connect(self, clock: _Budget) -> _Connection:
        proxy = _proxy(self._host, self._port) if self._tls else None
        sock = _dial(*((proxy.hostname or "", proxy.port or 80) if proxy else (self._host, self._port)), clock)
        try:
            if proxy:
                headers = {"Host": f"{self._host}:{self._port}"}
                if proxy.username:
                    user = urllib.parse.unquote(f"{proxy.username}:{proxy.password or ''}").encode()
                    headers["Proxy-Authorization"] = f"Basic {base64.b64encode(user).decode()}"
                tunnel = _Connection(sock, clock)
                tunnel.request("CONNECT", headers["Host"], headers=headers)
                if tunnel.getresponse().status != 200:
                    raise http.client.HTTPException
            if self._tls:
                sock.settimeout(clock.due())
                sock = self._tls.wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise
        return _Connection(sock, clock)


def _proxy(host: str, port: int) -> Optional[urllib.parse.SplitResult]:
    """The proxy of HTTPS_PROXY and NO_PROXY. As with Go's clients, and so Vault's own, none to this machine."""
    import urllib.request  # only here: it is slow to load
    url = urllib.request.getproxies().get("https")
    if not url or _is_here(host) or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    return urllib.parse.urlsplit(url if "//" in url else f"//{url}")


def _dial(host: str, port: int, clock: _Budget) -> Any:
    """Connect before the clock runs out, however long the name takes. A dead address leaves time for the next one."""
    found: List[Any] = []

    def connect() -> None:
        try:
            found.append(socket.create_connection((host, port), clock.due() / 2))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(clock.due())
    if not found or isinstance(found[0], Exception):
        raise found[0] if found else socket.timeout
    found[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found[0]


def _no_answer(error: Any) -> _Answer:
    """Say what kept the answer away, from the error's type and codes only; its text may quote a header."""
    cut = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
    code, trusted = getattr(error, "verify_code", 0), ssl.SSLCertVerificationError
    endings: Tuple[Tuple[Any, str, bool], ...] = (  # codes: OpenSSL's X509_V_ERR_* (x509_vfy.h, the same since OpenSSL 1.1)
        (trusted if code in (62, 64) else (), "its certificate is for another host: use a name that it has", False),
        (trusted if code in (9, 10) else (), "its certificate is expired or not yet valid: check both clocks", False),
        (trusted, "its certificate is not signed by a trusted CA: set VAULT_CACERT to that CA's PEM file", False),
        (cut, _HUNG_UP, True),
        ((socket.timeout, TimeoutError), "it did not answer in time", True),
        (ssl.SSLError, "it does not speak TLS there, or none that is still considered safe", False),
        (socket.gaierror, "its host name cannot be resolved", True),
        (ConnectionRefusedError, "the connection was refused", True),
        (OSError, f"the connection failed: {os.strerror(getattr(error, 'errno', 0) or 0)}", True),
        (http.client.HTTPException, "it does not speak HTTP, or a proxy on the way refused", True),
        (OverflowError, "its answer is far larger than any credential", False),
        (Exception, "its answer is malformed, or HTTPS_PROXY is", False),
    )
    problem, transient = next((words, passes) for kind, words, passes in endings if isinstance(error, kind))
    return _Answer(problem=problem, transient=transient)


def _print(text: str, stream: Any) -> None:
    """Print one line. What a server or a variable says must neither write lines of its own nor end the command."""
    line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """The command. Returns its exit status: 0 everything was read, 1 refused or failed, 2 wrong settings."""
    parser = argparse.ArgumentParser(description="Print names and keys of the job's credentials. See this file's top.")
    parser.add_argument("--check", action="store_true", help="also print each step as it succeeds")
    check = parser.parse_args(arguments).check
    try:
        credentials = read_credentials(report=lambda step: _print(f"ok  {step}", sys.stdout) if check else None)
    except CredentialsError as error:
        _print(f"vault_credentials: {error}", sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    for name, credential in sorted(credentials.items()):
        _print(f"{name}: {', '.join(sorted(credential))}", sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
