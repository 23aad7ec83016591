"""Exchanges the job's own token for a short-lived Vault token, and revokes it.

    python3 .ci/vault_token.py login FILE     writes the token to FILE, for this user alone
    python3 .ci/vault_token.py logout FILE    revokes it and removes FILE, if there is one

Nothing is stored: GitHub, Azure DevOps or GitLab signs who the job is, and a role in Vault says
what that job may do.

Environment: VAULT_ADDR, VAULT_ROLE, VAULT_AUTH_PATH (jwt-github, jwt-azure-devops or jwt-gitlab),
VAULT_AUDIENCE (VAULT_ADDR; GitHub only), VAULT_NAMESPACE, VAULT_CACERT (a PEM file).
GitLab's job has its token for Vault in VAULT_ID_TOKEN.
"""

import os
import re
import sys
from typing import Dict, List, Optional

import job_token
import web

LOOPBACK = r"http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?$"


def vault(path: str, purpose: str, headers: Dict[str, str], body: Dict[str, str]) -> bytes:
    """Vault's answer to a write. A revocation answers 204, a login 200."""
    address = web.setting("VAULT_ADDR").rstrip("/")
    if not re.match(r"https://|" + LOOPBACK, address):
        raise web.Refused(
            "VAULT_ADDR does not begin with https://,"
            " so the token would cross the network in the clear"
        )
    namespace = os.environ.get("VAULT_NAMESPACE")
    if namespace:
        headers = {"X-Vault-Namespace": namespace, **headers}
    request = web.Request(
        purpose=purpose,
        url=f"{address}/v1/{path}",
        headers={"X-Vault-Request": "true", **headers},
        body=body,
        method="POST",
        expected=200 if body else 204,
        ca_file=os.environ.get("VAULT_CACERT") or None,
    )
    return web.send(request)


def revoke(token: str) -> None:
    """Ends a token, and with it the children that the plugin made of it."""
    purpose = "revoke the Vault token (403: it has expired)"
    vault("auth/token/revoke-self", purpose, {"X-Vault-Token": token}, {})


def write_private(file: str, text: str) -> None:
    """Writes a new file that nobody else can read. A file or link that is there is refused."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)


def login(file: str) -> None:
    """Writes a token to a file, or leaves none alive."""
    role = web.setting("VAULT_ROLE")
    path = web.setting("VAULT_AUTH_PATH", f"jwt-{job_token.vendor()}").strip("/")
    audience = web.setting("VAULT_AUDIENCE", web.setting("VAULT_ADDR"))
    signed = job_token.job_token(audience, "VAULT_ID_TOKEN")
    purpose = (
        f"login to Vault at auth/{path} as {role}"
        " (400 or 403: the role does not admit this repository, environment or audience)"
    )
    answer = vault(f"auth/{path}/login", purpose, {}, {"role": role, "jwt": signed})
    token = web.member(answer, purpose, "auth", "client_token")
    try:
        write_private(file, token)
    except OSError as error:
        revoke(token)
        raise web.Refused(
            f"cannot write {file} ({error.strerror}), so the Vault token was revoked"
        ) from None
    mask(token)
    print(f"logged in to Vault as {role}")


def mask(token: str) -> None:
    """Has the runner hide the token in whatever the job prints. GitLab can only hide settings."""
    if job_token.vendor() == "github":
        print(f"::add-mask::{token}", flush=True)
    if job_token.vendor() == "azure-devops":
        print(f"##vso[task.setsecret]{token}", flush=True)


def logout(file: str) -> None:
    """Revokes the token of a file, if there is one. The file goes only when the token is dead."""
    try:
        with open(file, encoding="utf-8") as handle:
            token = handle.read()
    except FileNotFoundError:
        return
    revoke(token)
    os.remove(file)
    print("revoked the Vault token")


def main(arguments: List[str]) -> Optional[str]:
    """Runs a command. The answer is what went wrong."""
    commands = {"login": login, "logout": logout}
    if len(arguments) != 2 or arguments[0] not in commands:
        return "usage: vault_token.py login|logout FILE"
    try:
        commands[arguments[0]](arguments[1])
    except (web.Refused, OSError) as refusal:
        return f"error: {refusal}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
