"""One conversation with Vault: log in with the identity's token, read, renew, revoke."""

from __future__ import annotations

import json
import urllib.parse
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Set

from . import clock
from .clock import Budget
from .credential import Credential
from .errors import NEW_DEFINITION, LoginError, ReadError, UnreachableError
from .identity import Identity, parse_claims, public_claims
from .json_values import is_printable, whole_number
from .settings import Settings, Source
from .transport import Answer, Request, Server

Report = Callable[[str], object]

# Part of the life of a lease or a token after which a new one is taken. The rest is for retries.
RENEW_AT = 2 / 3
# Part of a lease's life that a renewal must give at least. Vault gives less as the engine's max_ttl
# or the token's end comes near, and then a new value serves longer.
WORTH = 1 / 2
RENEW = "sys/leases/renew"
# Seconds between two logins because of a read that was refused.
PAUSE = 10.0
# Seconds for the farewell. A token that is not revoked expires by itself.
REVOKE_TIMEOUT = 3.0
# The longest life that an answer may claim, in seconds.
YEAR = 365 * 24 * 3600


class Token(NamedTuple):
    """A token of Vault. Times are clock.now()'s."""

    value: str
    is_batch: bool
    fresh_until: float
    ends_at: float


class Lease(NamedTuple):
    """What Vault withdraws a value with. seconds count from the read, or from the renewal.

    token_ends_at tells the token that it hangs on, which it does not outlive.
    """

    id: str
    seconds: float
    is_renewable: bool
    token_ends_at: float


class Reading(NamedTuple):
    """What one read gave. asked_at is clock.now()'s time before it, so nothing seems too young.

    lease       None for a value that lasts
    rotates_in  seconds until Vault changes the value, at most; None where it says nothing of that
    """

    credential: Credential
    asked_at: float
    lease: Optional[Lease] = None
    rotates_in: Optional[float] = None


class Session:
    """A login and a kept connection. One thread at a time may use it."""

    def __init__(self, settings: Settings, identity: Identity, report: Report) -> None:
        """report is called with a sentence after each step. None of them carries a secret."""
        self._settings = settings
        self._identity = identity
        self._report = report
        self._url = urllib.parse.urlsplit(settings.address)
        self._server = Server(
            self._url.hostname or "", self._url.port, settings.tls, settings.timeout
        )
        self._token: Optional[Token] = None
        self._refused_at = float("-inf")
        # Refusals to renew, which are remembered because the same question gets the same answer.
        self._may_renew = True  # as far as the policy is known
        self._unrenewable: Set[str] = set()  # names of credentials

    def abandon(self) -> None:
        """Drop token and connection without a word: after a fork they are the other process's."""
        self._token = None
        self._server.close()

    def end(self, revokes: bool) -> None:
        """Hang up, and revoke the token unless leases hang on it. A later read starts anew."""
        token = self._token
        self._token = None
        try:
            if revokes and token and not token.is_batch:  # a batch token cannot be revoked
                self._call(Budget(REVOKE_TIMEOUT, 1), "POST", "auth/token/revoke-self", token)
        except UnreachableError:
            pass  # nothing is lost: the token expires by itself
        finally:
            self._server.close()

    def read(self, name: str, source: Source, budget: Budget) -> Reading:
        """Read one credential. Raises CredentialsError."""
        token = self._token
        is_known = token is not None and clock.now() < token.fresh_until
        if token is None or not is_known:
            token = self._log_in(budget)
        asked_at = clock.now()
        answer = self._ask(budget, source, token)
        if answer.status == 403 and is_known and asked_at > self._refused_at + PAUSE:
            # Vault says the same of a dead token and of a path that the policy does not grant. A
            # new token tells.
            token = self._log_in(budget)
            asked_at = clock.now()
            answer = self._ask(budget, source, token)
            self._refused_at = asked_at
        reading = self._reading(name, source, answer, asked_at, token)
        self._report(f"read: {name}{_note(reading)}")
        return reading

    def renew(self, name: str, held: Credential, lease: Lease, budget: Budget) -> Optional[Reading]:
        """Prolong a value's lease. None where it must be read anew. Raises UnreachableError."""
        token = self._token
        asked_at = clock.now()
        enough = lease.seconds * WORTH
        if token is None or not self._can_renew(name, lease, token):
            return None
        if asked_at >= token.fresh_until or token.ends_at - asked_at < enough:
            return None  # the lease ends with this token, so the value is read with the next one
        answer = self._call(budget, "PUT", RENEW, token, {"lease_id": lease.id})
        if answer.status != 200:
            self._note_refusal(name, answer)
            return None
        renewed = _lease(answer.below(), asked_at, token)
        if renewed is None or renewed.seconds - (clock.now() - asked_at) < enough:
            return None
        expires_at = _calendar(asked_at + renewed.seconds)
        credential = Credential(dict(held), held.path, held.version, expires_at)
        reading = Reading(credential, asked_at, renewed)
        self._report(f"renewed: {name}{_note(reading)}")
        return reading

    def _can_renew(self, name: str, lease: Lease, token: Token) -> bool:
        """Whether a lease can be prolonged with token, by what Vault has said so far."""
        is_of_token = lease.token_ends_at == token.ends_at
        is_refused = name in self._unrenewable or not self._may_renew
        return lease.is_renewable and is_of_token and not is_refused

    def _note_refusal(self, name: str, answer: Answer) -> None:
        """Remember who may not renew. A dead token says nothing of that, and the read tells."""
        if answer.status != 403:
            self._unrenewable.add(name)
        elif not answer.mentions("invalid token"):
            self._may_renew = False

    def _ask(self, budget: Budget, source: Source, token: Token) -> Answer:
        if source.parameters is None:
            return self._call(budget, "GET", source.path, token)
        return self._call(budget, "POST", source.path, token, source.parameters)

    def _reading(
        self, name: str, source: Source, answer: Answer, asked_at: float, token: Token
    ) -> Reading:
        """What an answer means. Raises ReadError if it has no values."""
        values, version = self._values(name, source, answer)
        lease = _lease(answer.below(), asked_at, token)
        if lease is None and answer.below().get("lease_id"):
            raise ReadError(
                f"credential {name!r} at {source.path}: its lease has no duration that makes"
                " sense: check the engine's role"
            )
        rotates_in = None if version else _rotates_in(values)
        lasts = lease.seconds if lease else rotates_in
        expires_at = None
        if lasts is not None:
            expires_at = _calendar(asked_at + lasts)
        credential = Credential(values, source.path, version, expires_at)
        return Reading(credential, asked_at, lease, rotates_in)

    def _values(
        self, name: str, source: Source, answer: Answer
    ) -> "tuple[Dict[str, Any], Optional[int]]":
        """Values and, of KV version 2, their version. Raises ReadError if there are none."""
        whole, data = answer.below(), answer.below("data")
        metadata = answer.below("data", "metadata")
        has_data = answer.status == 200 and isinstance(whole.get("data"), dict)
        is_kv2 = "version" in metadata and "data" in data
        if has_data and not is_kv2:
            return data, None
        if has_data and isinstance(data["data"], dict):
            return data["data"], whole_number(metadata["version"], 2**63)
        advice = self._advice(source, answer, is_kv2)
        problem = ReadError(f"credential {name!r} at {source.path}: {advice}")
        problem.is_outage = answer.status == 200 and not has_data  # a page of somebody else
        raise problem

    def _advice(self, source: Source, answer: Answer, is_kv2: bool) -> str:
        """Why an answer has no values, and what to do."""
        if answer.status == 403:
            right = "read" if source.parameters is None else "update"
            role = self._settings.role
            return (
                f"the policy of role {role!r} grants no {right} on exactly this path."
                " Either the stack grants it no longer, or this job's definition is of before a"
                f" change: {NEW_DEFINITION}, or have the script ask by name for what it needs,"
                ' as read_credentials("name") does. Only if the credential is new: run pulumi up'
            )
        if is_kv2:
            return (
                "its latest version was deleted: undelete it in Vault, or have its owner write it"
                " again (pulumi up --refresh --run-program, if that is the stack)"
            )
        if answer.status == 404:
            return (
                "there is none. Either it was deleted, or this job's definition is of before a"
                f" change: {NEW_DEFINITION}. In a path of your own, data/ may be missing after a"
                " KV version 2 mount"
            )
        if answer.status == 405:
            return (
                "Vault answered 405: this path is not read but written to. Give it parameters:"
                ' {"path": ..., "parameters": {...}} in vault.reads or VAULT_CREDENTIALS'
            )
        return (
            f"Vault answered {answer.status} without data: check the path,"
            " and that VAULT_ADDR is Vault itself"
        )

    def _log_in(self, budget: Budget) -> Token:
        """Trade the identity's token for one of Vault. Raises IdentityError or LoginError."""
        settings = self._settings
        jwt = self._identity.token(settings, budget)
        self._report(f"identity: a token for {settings.audience}")
        asked_at = clock.now()
        request = {"role": settings.role, "jwt": jwt}
        answer = self._call(budget, "POST", settings.login_path, None, request)
        if answer.status != 200:
            raise self._login_refused(answer, jwt)
        auth = answer.below("auth")
        value = auth.get("client_token")
        if not isinstance(value, str) or not value or not is_printable(value):
            raise LoginError(
                f"{settings.address} answered the login without a token: check that VAULT_ADDR is"
                " Vault itself, and that the role asks for no second factor"
            )
        life = whole_number(auth.get("lease_duration"), YEAR) or YEAR
        self._token = Token(
            value=value,
            is_batch=auth.get("token_type") == "batch",
            fresh_until=asked_at + life * RENEW_AT,
            ends_at=asked_at + life,
        )
        kind = "batch" if self._token.is_batch else "service"
        self._report(f"login: {settings.login_path} granted a {kind} token")
        return self._token

    def _login_refused(self, answer: Answer, jwt: str) -> LoginError:
        """The error, with what the identity's token says and nothing that Vault does."""
        shown = public_claims(parse_claims(jwt)).items()
        claims = ", ".join(f"{name}={value}" for name, value in shown)
        refusal = _refusal(answer)
        error = LoginError(
            f"Vault refused the login at {self._settings.login_path} with role"
            f" {self._settings.role!r}, status {answer.status}: {refusal.advice}"
            f" (the token says {claims})"
        )
        error.is_outage = refusal.is_outage
        return error

    def _call(
        self,
        budget: Budget,
        method: str,
        path: str,
        token: Optional[Token],
        body: Optional[Mapping[str, Any]] = None,
    ) -> Answer:
        """Call Vault's API. Raises UnreachableError when no answer counts as Vault's decision."""
        headers = {"Host": self._url.netloc, "Accept": "application/json"}
        # Vault Agent and Proxy may insist on it, against requests that a browser was tricked into
        headers["X-Vault-Request"] = "true"
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace
        if token:
            headers["X-Vault-Token"] = token.value
        target = f"{self._url.path}/v1/{urllib.parse.quote(path)}"
        encoded = None if body is None else json.dumps(body).encode()
        answer = self._server.send(budget, Request(method, target, headers, encoded))
        is_redirect = 300 <= answer.status < 400
        if answer.status < 200 or is_redirect or answer.is_passing:
            raise UnreachableError(self._outage(answer))
        return answer

    def _outage(self, answer: Answer) -> str:
        who = f"Vault at {self._settings.address}"
        if answer.status == 0:
            return (
                f"cannot reach {who}: {answer.problem};"
                " check VAULT_ADDR, VAULT_CACERT and the compute's network;"
                f" if the stack has others by now, {NEW_DEFINITION}"
            )
        if answer.status == 429:
            return (
                f"{who} kept answering 429, too many requests:"
                " start fewer nodes, or raise its quota"
            )
        if answer.status < 400:
            return (
                f"{who} redirects (status {answer.status}):"
                " set VAULT_ADDR to an address that reaches the active node"
            )
        if answer.mentions("vault is sealed"):
            return f"{who} is sealed: ask its operators to unseal it, then rerun the job"
        return f"{who}, or a proxy before it, kept answering {answer.status}: ask its operators"


def _calendar(moment: float) -> datetime:
    """The calendar's time at a moment of clock.now()."""
    return clock.utc() + timedelta(seconds=moment - clock.now())


def _lease(answer: Mapping[str, Any], asked_at: float, token: Token) -> Optional[Lease]:
    """The lease in an answer, which ends with its token at the latest."""
    lease_id = answer.get("lease_id")
    seconds = whole_number(answer.get("lease_duration"), YEAR)
    if not lease_id or seconds is None:
        return None
    is_renewable = answer.get("renewable") is True
    lasts = min(float(seconds), token.ends_at - asked_at)
    return Lease(str(lease_id), lasts, is_renewable, token.ends_at)


def _rotates_in(values: Mapping[str, Any]) -> Optional[float]:
    """Seconds until Vault rotates a static role's value, as its answer says; None of other values.

    A key "ttl" alone may be anybody's own. Vault rounds to whole seconds, so one is taken off.
    """
    seconds = values.get("ttl")
    if "last_vault_rotation" not in values or type(seconds) is not int:
        return None
    return float(max(0, min(seconds, YEAR) - 1))


def _note(reading: Reading) -> str:
    """What a report says of a value besides its name."""
    credential = reading.credential
    if credential.expires_at:
        return f", until {credential.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if credential.version:
        return f", version {credential.version}"
    return ""


class _Refusal(NamedTuple):
    """Words of a refused login, and what to do. An outage is one of Vault's own: it may pass."""

    words: str
    advice: str
    is_outage: bool = False


def _refusal(answer: Answer) -> _Refusal:
    return next(refusal for refusal in _REFUSALS if answer.mentions(refusal.words))


_CLOCKS = "check the clocks of the node and of Vault"
# Words of vault-plugin-auth-jwt 0.25 and hashicorp/cap 0.11. They are looked for and not quoted.
# The most specific comes first, because the plugin wraps one message in another.
_REFUSALS = (
    _Refusal(
        "invalid audience (aud) claim",
        "wrong audience: VAULT_AUDIENCE must be exactly what the role is bound to."
        f" After a change of workload.audience {NEW_DEFINITION}",
    ),
    _Refusal(
        "no audiences bound to the role",
        "the role is bound to no audience: bind it to VAULT_AUDIENCE",
    ),
    _Refusal(
        "invalid issuer (iss) claim",
        "the login trusts another issuer: set it to the token's",
    ),
    _Refusal(
        "error validating claims",
        f"the role admits another oid or tid: after a change of the job identity {NEW_DEFINITION};"
        " for a person add the oid to workload.principalIds",
    ),
    _Refusal(
        "could not be found",
        f"no such role: it may have moved, so {NEW_DEFINITION}",
    ),
    _Refusal("token is expired", f"the identity's token is expired: {_CLOCKS}"),
    _Refusal("not yet valid", f"the identity's token is not valid yet: {_CLOCKS}"),
    _Refusal("issued in the future", f"the identity's token is from the future: {_CLOCKS}"),
    _Refusal(
        "error verifying token signature",
        "no trusted key signed the token: check the issuer, and that Vault reaches it",
    ),
    _Refusal(
        "error configuring token validator",
        "Vault cannot reach the issuer, or the login names none: look at Vault's network and log,"
        " then run pulumi up --refresh --run-program",
        is_outage=True,
    ),
    _Refusal(
        "could not load configuration",
        "the login is not set up: run pulumi up --refresh --run-program",
    ),
    _Refusal(
        "",
        f"the login may have moved, so {NEW_DEFINITION}. If that does not help,"
        " compare login path, VAULT_NAMESPACE, role, audience and oid with the stack's outputs",
    ),
)
