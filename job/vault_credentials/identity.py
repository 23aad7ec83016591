"""Who the job is: the token of Entra that it logs in to Vault with.

It comes from the compute's managed identity or, where the caller says so, from the Azure CLI or a
function. Before it goes to Vault it is looked at: is it for Vault, and whose is it?
"""

from __future__ import annotations

import base64
import re
import urllib.parse
from typing import Any, Callable, Dict, Mapping, Optional, Tuple, Union

from .clock import Budget
from .errors import (
    NEW_DEFINITION,
    IdentityError,
    SettingsError,
    UnreachableError,
    is_from_handler,
)
from .json_values import is_printable, parse_object
from .proxies import is_this_machine, parse_address
from .settings import Settings, variable
from .transport import Request, Server

Login = Union[None, str, Callable[[str], str]]

_CLIENT_ID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"


class Identity:
    """Where tokens come from."""

    def token(self, settings: Settings, budget: Budget) -> str:
        """A token for settings.audience. Raises IdentityError, UnreachableError in an outage."""
        token = _meant_for(self._ask(settings, budget), settings.audience)
        self._check_owner(parse_claims(token))
        return token

    def _ask(self, settings: Settings, budget: Budget) -> object:
        raise NotImplementedError

    def _check_owner(self, claims: Mapping[str, Any]) -> None:
        """Raise IdentityError if the token is another's. It must name its application."""
        _owner(claims)


def find_identity(login: Login) -> Identity:
    """What login says: a function, "az-cli", or None for VAULT_LOGIN and then the managed identity.

    Raises IdentityError where there is none, SettingsError for another word.
    """
    if callable(login):
        return _FunctionsIdentity(login)
    name = login or variable("VAULT_LOGIN")
    if name == "az-cli":
        return _AzureCliIdentity()
    if name:
        raise SettingsError(
            f"VAULT_LOGIN is {name!r}: set it to az-cli, or leave it out for the managed identity"
        )
    return _managed_identity()


class _FunctionsIdentity(Identity):
    """A function of the caller, from the audience to a token."""

    def __init__(self, function: Callable[[str], str]) -> None:
        self._function = function

    def _ask(self, settings: Settings, budget: Budget) -> object:
        try:
            return self._function(settings.audience)
        except Exception as error:
            if is_from_handler(error):
                raise
            kind = type(error).__name__  # and not its text, which may hold anything
        raise IdentityError(f"the login function raised {kind}: call it by itself to see why")


class _AzureCliIdentity(Identity):
    """Whoever ran `az login`."""

    def _ask(self, settings: Settings, budget: Budget) -> object:
        import shutil
        import subprocess

        command = (
            "az account get-access-token --query accessToken -o tsv"
            f" --resource {settings.audience}"
        )
        arguments = command.split()
        arguments[0] = shutil.which("az") or "az"  # on Windows it is az.cmd
        try:
            done = subprocess.run(arguments, capture_output=True, timeout=budget.left())
        except subprocess.TimeoutExpired:
            raise UnreachableError(
                f"the Azure CLI gave no token in time: run `{command}` to see why"
            )
        except OSError as error:
            if is_from_handler(error):
                raise
            raise IdentityError(
                "VAULT_LOGIN is az-cli, but az cannot be run:"
                " install the Azure CLI and run `az login`"
            )
        if done.returncode:
            # AADSTS65001, say: the CLI is not pre-authorised on the app
            code = re.search(rb"AADSTS[0-9]{1,9}", done.stderr)
            why = f" ({code[0].decode()}: see docs/deploy.md)" if code else ""
            raise IdentityError(
                f"the Azure CLI gave no token{why}: run `az login`, then `{command}` to see why"
            )
        return done.stdout.decode("utf-8", "replace").strip()


class _Protocol:
    """How a platform's endpoint is asked. A wrong name of the parameter is silently ignored.

    Source: azure_ml.go and app_service.go of MSAL for Go, managed_identity.py of MSAL for Python.
    """

    def __init__(self, variables: Tuple[str, str], version: str, parameter: str, header: str):
        self.endpoint = variable(variables[0])
        self.secret = variable(variables[1])
        self.version = version
        self.client_id_parameter = parameter
        self.secret_header = header


class _ManagedIdentity(Identity):
    """The endpoint that the platform announces. It is not IMDS."""

    def __init__(self, protocol: _Protocol, url: urllib.parse.SplitResult, client_id: str) -> None:
        """client_id is "" for whichever identity there is."""
        self._protocol = protocol
        self._url = url
        self._client_id = client_id

    def _ask(self, settings: Settings, budget: Budget) -> object:
        server = Server(self._url.hostname or "", self._url.port, None, settings.timeout)
        try:
            answer = server.send(budget, self._request(settings.audience))
        finally:
            server.close()
        app = f"that the tenant has an app registration for the audience {settings.audience!r}"
        if answer.status == 0 or answer.is_passing:
            why = answer.problem or f"it kept answering {answer.status}"
            raise UnreachableError(
                f"the managed identity endpoint gave no token: {why}; restart the job, check {app}"
            )
        if answer.status != 200:
            whose = f"client id {self._client_id or 'none'}"
            raise IdentityError(
                f"Azure ML refused a token (status {answer.status}):"
                f" check that {whose} is attached to the compute, and {app};"
                f" after a change of the job identity or the audience {NEW_DEFINITION}"
            )
        return answer.below().get("access_token")

    def _request(self, audience: str) -> Request:
        protocol = self._protocol
        query = {"api-version": protocol.version, "resource": audience}
        if self._client_id:
            query[protocol.client_id_parameter] = self._client_id
        own_query = [self._url.query] if self._url.query else []
        whole_query = "&".join([*own_query, urllib.parse.urlencode(query)])
        headers = {
            "Host": self._url.netloc,
            "Accept": "application/json",
            protocol.secret_header: protocol.secret,
        }
        return Request("GET", f"{self._url.path or '/'}?{whole_query}", headers)

    def _check_owner(self, claims: Mapping[str, Any]) -> None:
        owner = _owner(claims)
        is_users = "scp" in claims
        is_other = bool(self._client_id) and owner.lower() != self._client_id.lower()
        if is_users or is_other:
            whose = f"{'a user' if is_users else 'client'} {owner}"
            raise IdentityError(
                f"Azure ML answered with a token of {whose}"
                f" instead of {self._client_id or 'a managed identity'}:"
                " attach the job identity to the compute and set AZURE_CLIENT_ID to its client id"
            )


def _managed_identity() -> _ManagedIdentity:
    """Azure ML's MSI_* first, then IDENTITY_* of newer hosts."""
    protocol = _Protocol(("MSI_ENDPOINT", "MSI_SECRET"), "2017-09-01", "clientid", "secret")
    if not protocol.endpoint or not protocol.secret:
        protocol = _Protocol(
            ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
            "2019-08-01",
            "client_id",
            "X-IDENTITY-HEADER",
        )
    if not protocol.endpoint or not protocol.secret:
        raise IdentityError(
            "there is no managed identity here (no MSI_ENDPOINT): run inside an Azure ML job on"
            " compute with the job identity; on a laptop, run `az login` and set VAULT_LOGIN=az-cli"
        )
    url = _local_url(protocol.endpoint)
    if url is None or not is_printable(protocol.endpoint + protocol.secret):
        raise IdentityError(
            "the managed identity endpoint is not plain http to this machine or a link-local"
            " address, or its secret cannot be sent: the platform sets both, do not do so yourself"
        )
    return _ManagedIdentity(protocol, url, _client_id())


def _local_url(text: str) -> Optional[urllib.parse.SplitResult]:
    """text as a URL; None if it leads anywhere but to this machine or a link-local address."""
    try:
        url = urllib.parse.urlsplit(text)
        host, has_port = url.hostname or "", url.port != 0
    except ValueError:
        return None
    address = parse_address(host)
    is_link_local = address is not None and address.is_link_local
    is_near = is_this_machine(host) or is_link_local
    is_plain = url.scheme == "http" and url.username is None and has_port
    return url if is_near and is_plain else None


def _client_id() -> str:
    """The client id to ask for; empty on Kubernetes compute, which says "none".

    Azure ML sets DEFAULT_IDENTITY_CLIENT_ID to the word "clientid" where no identity is attached.
    What is no GUID it treats as absent, and answers with the *user's* token
    (github.com/Azure/azure-sdk-for-python, pull request 36047).
    """
    explicit = variable("AZURE_CLIENT_ID")
    if explicit == "none":
        return ""
    client_id = explicit or variable("DEFAULT_IDENTITY_CLIENT_ID")
    if re.fullmatch(_CLIENT_ID, client_id):
        return client_id
    what = f"{client_id[:40]!r} and not a client id" if client_id else "not set"
    raise IdentityError(
        f"AZURE_CLIENT_ID is {what}: Azure ML could answer with a user's token;"
        " attach the job identity to the compute and set it to that client id (none on Kubernetes"
        " compute); to read as yourself, on a notebook, set VAULT_LOGIN=az-cli"
    )


def _meant_for(token: object, audience: str) -> str:
    """token, if it is one and is meant for Vault. Raises IdentityError otherwise."""
    claims = parse_claims(token)
    if not isinstance(token, str) or not claims:
        raise IdentityError(
            "the identity answered without a token that can be read:"
            " check where its tokens come from"
        )
    meant_for = claims.get("aud")
    if not isinstance(meant_for, list):
        meant_for = [meant_for]
    if audience not in meant_for:
        raise IdentityError(
            f"the identity's token is for {public_claims(claims).get('aud')} and not for"
            f" {audience!r}: version 2 tokens carry the app's bare id, so use that as"
            " workload.audience and VAULT_AUDIENCE"
        )
    return token


def _owner(claims: Mapping[str, Any]) -> str:
    """The application that a token names. Raises IdentityError if it names none."""
    shown = public_claims(claims)
    owner = shown.get("appid") or shown.get("azp")
    if not owner:
        raise IdentityError(
            "the identity's token names no application (appid or azp), so it is not one of Entra's"
        )
    return owner


def parse_claims(token: object) -> Dict[str, Any]:
    """The claims of a JWT; empty for anything else. To verify them is Vault's task."""
    if not isinstance(token, str) or not is_printable(token):
        return {}
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        return parse_object(base64.urlsafe_b64decode(parts[1] + "=="))
    except ValueError:
        return {}


def public_claims(claims: Mapping[str, Any]) -> Dict[str, str]:
    """The claims that say who and for whom. None of them is secret."""
    shown = {}
    for name in ("aud", "iss", "oid", "tid", "appid", "azp"):
        value = claims.get(name)
        if isinstance(value, str) and value and is_printable(value):
            shown[name] = value[:200]
    return shown
