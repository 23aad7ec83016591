"""Gets a short-lived Vault token for a GitHub Actions job from the job's own OIDC token, and revokes it.

    python3 .ci/vault_token.py login     exports VAULT_TOKEN to the steps that follow, masked in the log
    python3 .ci/vault_token.py logout    revokes it

Nothing is stored: GitHub signs who the job is, and a role in Vault says what that job may do.

Environment: VAULT_ADDR, VAULT_ROLE, VAULT_AUTH_PATH (jwt-github), VAULT_AUDIENCE (VAULT_ADDR), VAULT_NAMESPACE,
VAULT_CACERT (a PEM file). ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN and GITHUB_ENV are the runner's.
"""

import http.client
import json
import os
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, Optional


class Refused(Exception):
    """What went wrong and what to do, in one sentence without a secret."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Answers none, since a redirect would carry the token to another address."""


def setting(name: str, default: str = "") -> str:
    value = os.environ.get(name) or default
    if not value:
        raise Refused(f"{name} is not set")
    return value


def send(url: str, what: str, headers: Dict[str, str], body: Optional[Dict[str, str]] = None, expected: int = 200) -> bytes:
    try:
        context = ssl.create_default_context(cafile=os.environ.get("VAULT_CACERT") or None)
    except OSError:
        raise Refused("VAULT_CACERT names no readable PEM file") from None
    try:
        request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
        opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=context))
        with opener.open(request, timeout=30) as answer:
            text: bytes = answer.read(1 << 20)
    except urllib.error.HTTPError as error:
        # Without the body, which may quote what was sent.
        hint = ": a redirect, which is not followed with a token" if 300 <= error.code < 400 else ""
        raise Refused(f"{what}: HTTP {error.code}{hint}") from None
    except (ValueError, http.client.InvalidURL):
        # Without the message, which quotes a header.
        raise Refused(f"{what}: a setting holds a character that HTTP does not allow") from None
    except (OSError, http.client.HTTPException) as error:
        raise Refused(f"{what}: {getattr(error, 'reason', '') or type(error).__name__}") from None
    if answer.status != expected:
        raise Refused(f"{what}: HTTP {answer.status} instead of {expected}, so this is not Vault's or GitHub's answer")
    return text


def member(text: bytes, what: str, *names: str) -> str:
    """The text below names in a JSON answer."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(f"{what}: the answer is not JSON") from None
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    # A line break would set more variables in GITHUB_ENV, or begin a command in the log.
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise Refused(f"{what}: the answer has no usable {'.'.join(names)}")
    return value


def vault(path: str, body: Dict[str, str], what: str, headers: Dict[str, str], expected: int = 200) -> bytes:
    address = setting("VAULT_ADDR").rstrip("/")
    if not re.match(r"https://|http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?$", address):
        raise Refused("VAULT_ADDR does not begin with https://, so the token would cross the network in the clear")
    namespace = {"X-Vault-Namespace": os.environ["VAULT_NAMESPACE"]} if os.environ.get("VAULT_NAMESPACE") else {}
    headers = {"Content-Type": "application/json", "X-Vault-Request": "true", **namespace, **headers}
    return send(f"{address}/v1/{path}", what, headers, body, expected)


def login() -> None:
    role, path = setting("VAULT_ROLE"), setting("VAULT_AUTH_PATH", "jwt-github").strip("/")
    if not os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        raise Refused("this job may not ask GitHub for an OIDC token; give it `permissions: id-token: write`")
    audience = urllib.parse.quote(setting("VAULT_AUDIENCE", setting("VAULT_ADDR")), safe="")
    bearer = {"Authorization": "Bearer " + setting("ACTIONS_ID_TOKEN_REQUEST_TOKEN")}
    what = "GitHub's OIDC token"
    signed = member(send(f"{os.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={audience}", what, bearer), what, "value")
    what = f"login to Vault at auth/{path} as {role} (400 or 403: the role does not admit this repository, environment or audience)"
    token = member(vault(f"auth/{path}/login", {"role": role, "jwt": signed}, what, {}), what, "auth", "client_token")
    # Masked before anything else can print it.
    print(f"::add-mask::{token}", flush=True)
    with open(setting("GITHUB_ENV"), "a", encoding="utf-8") as file:
        file.write(f"VAULT_TOKEN={token}\n")
    print(f"logged in to Vault as {role}")


def logout() -> None:
    if os.environ.get("VAULT_TOKEN"):
        token = {"X-Vault-Token": os.environ["VAULT_TOKEN"]}
        vault("auth/token/revoke-self", {}, "revoke the Vault token (403: it has expired)", token, 204)
        print("revoked the Vault token")


if __name__ == "__main__":
    commands = {"login": login, "logout": logout}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit("usage: vault_token.py login|logout")
    try:
        commands[sys.argv[1]]()
    except (Refused, OSError) as refusal:
        sys.exit(f"error: {refusal}")
