"""Gets a short-lived Vault token for a GitHub Actions job from the job's own OIDC token, and gives it back.

    python3 .ci/vault_token.py login     exports VAULT_TOKEN to the steps that follow, masked in the log
    python3 .ci/vault_token.py logout    revokes it

Nothing is stored: GitHub signs who the job is (repository, environment, branch), and a role in Vault says what that
job may do. The standard library only. A token is never an argument of a process, where every other could read it, and
never printed but for the line that tells the runner to mask it.

Environment: VAULT_ADDR, VAULT_ROLE, VAULT_AUTH_PATH (jwt-github), VAULT_AUDIENCE (VAULT_ADDR), VAULT_NAMESPACE, VAULT_CACERT
(a PEM file); ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN and GITHUB_ENV are the runner's, with `permissions: id-token: write`.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, Optional

TIMEOUT_SECONDS = 30


class Refused(Exception):
    """What went wrong and what to do, in one sentence without a secret."""


def setting(name: str, default: Optional[str] = None) -> str:
    value = os.environ.get(name) or default
    if not value:
        raise Refused(f"{name} is not set")
    return value


def send(request: urllib.request.Request, what: str) -> Dict[str, Any]:
    context = ssl.create_default_context(cafile=os.environ.get("VAULT_CACERT") or None)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        # The body may quote what was sent, so only the status is told.
        raise Refused(f"{what}: HTTP {error.code}") from None
    except (urllib.error.URLError, OSError) as error:
        raise Refused(f"{what}: {getattr(error, 'reason', error)}") from None
    try:
        return json.loads(text) if text else {}
    except ValueError:
        raise Refused(f"{what}: the answer is not JSON") from None


def vault(path: str, body: Dict[str, str], token: str = "", what: str = "") -> Dict[str, Any]:
    address = setting("VAULT_ADDR").rstrip("/")
    host = urllib.parse.urlsplit(address)
    if host.scheme != "https" and host.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise Refused("VAULT_ADDR is not https: the token would cross the network in the clear")
    headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
    if token:
        headers["X-Vault-Token"] = token
    if os.environ.get("VAULT_NAMESPACE"):
        headers["X-Vault-Namespace"] = os.environ["VAULT_NAMESPACE"]
    return send(urllib.request.Request(f"{address}/v1/{path}", json.dumps(body).encode(), headers, method="POST"), what)


def job_token(audience: str) -> str:
    hint = "; give the job `permissions: id-token: write`"
    if not os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        raise Refused("this is no job that may ask for an OIDC token" + hint)
    url = os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=" + urllib.parse.quote(audience, safe="")
    bearer = {"Authorization": "Bearer " + setting("ACTIONS_ID_TOKEN_REQUEST_TOKEN")}
    token = send(urllib.request.Request(url, headers=bearer), "GitHub's OIDC token").get("value")
    if not token:
        raise Refused("GitHub's OIDC token: the answer holds none" + hint)
    return str(token)


def login() -> None:
    role, path = setting("VAULT_ROLE"), setting("VAULT_AUTH_PATH", "jwt-github").strip("/")
    signed = job_token(setting("VAULT_AUDIENCE", setting("VAULT_ADDR")))
    what = f"login to Vault at auth/{path} as {role} (400 or 403: the role does not admit this repository, environment or audience)"
    token = vault(f"auth/{path}/login", {"role": role, "jwt": signed}, what=what).get("auth", {}).get("client_token")
    if not token:
        raise Refused(what + ": the answer holds no token")
    # Masked before anything else can print it.
    print(f"::add-mask::{token}", flush=True)
    with open(setting("GITHUB_ENV"), "a", encoding="utf-8") as file:
        file.write(f"VAULT_TOKEN={token}\n")
    print(f"logged in to Vault as {role}")


def logout() -> None:
    if not os.environ.get("VAULT_TOKEN"):
        print("there is no Vault token to revoke")
        return
    vault("auth/token/revoke-self", {}, token=os.environ["VAULT_TOKEN"], what="revoke the Vault token")
    print("revoked the Vault token")


def main() -> int:
    commands = {"login": login, "logout": logout}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print("usage: vault_token.py login|logout", file=sys.stderr)
        return 2
    try:
        commands[sys.argv[1]]()
    except Refused as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
