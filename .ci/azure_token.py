"""Keeps a job logged in to Azure for as long as it runs.

    python3 .ci/azure_token.py FOLDER      runs until it is ended

Azure exchanges the job's token for an access token of an hour. The job's token itself lives five
minutes on GitHub and ten on Azure DevOps, so whoever read it once and needs another access token
after an hour fails: AADSTS700024. Two things read it again and again:

- the state in Blob Storage and the key of the stack's secrets, from the file
  AZURE_FEDERATED_TOKEN_FILE;
- the azure-native plugin, from an endpoint that answers as GitHub's does. GitHub has one. For the
  other vendors this process serves it, to this machine alone.

FOLDER/azure.env is what a shell then sources. It appears when the first token is there.
"""

import http.server
import json
import os
import secrets
import shlex
import sys
import threading
import time
from typing import Any, Dict, Optional

import job_token
import web

RENEW_AFTER = 240.0  # below the five minutes that a token of GitHub's lives
RETRY_AFTER = 15.0


def replace(file: str, text: str) -> None:
    """Writes a file that only this user can read. A reader sees the old text or the new one."""
    unfinished = f"{file}.new"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    os.replace(unfinished, file)


def serve(key: str) -> str:
    """The address of an endpoint that answers whoever has the key with a fresh token."""

    class Endpoint(http.server.BaseHTTPRequestHandler):
        """Answers as the endpoint of a GitHub runner does."""

        def do_GET(self) -> None:  # noqa: N802 (the library's name)
            """One token."""
            given = self.headers.get("Authorization", "")
            if not secrets.compare_digest(given, f"Bearer {key}"):
                self.send_error(401)
                return
            try:
                token = job_token.job_token(job_token.AZURE, "AZURE_ID_TOKEN")
            except web.Refused as refusal:
                print(f"azure_token: {refusal}", file=sys.stderr)
                self.send_error(502)
                return
            body = json.dumps({"value": token}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Logs nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/token?api-version=2.0"


def environment(file: str) -> Dict[str, str]:
    """What backend, secrets provider and plugin need, beside the ids of the identity."""
    variables = {"AZURE_FEDERATED_TOKEN_FILE": file, "ARM_USE_OIDC": "true"}
    if job_token.vendor() != "github":
        key = secrets.token_urlsafe(32)
        variables["ACTIONS_ID_TOKEN_REQUEST_URL"] = serve(key)
        variables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = key
    return variables


def keep(folder: str) -> None:
    """Writes the first token or fails, and then renews it for ever."""
    file = os.path.join(folder, "azure-token")
    replace(file, job_token.job_token(job_token.AZURE, "AZURE_ID_TOKEN"))
    lines = [f"export {name}={shlex.quote(v)}\n" for name, v in environment(file).items()]
    replace(os.path.join(folder, "azure.env"), "".join(lines))
    parent = os.getppid()
    due = time.monotonic() + RENEW_AFTER
    # Ends with the script that started it, also when that one was killed.
    while os.getppid() == parent:
        time.sleep(1)
        if time.monotonic() < due:
            continue
        due = time.monotonic() + RENEW_AFTER
        try:
            replace(file, job_token.job_token(job_token.AZURE, "AZURE_ID_TOKEN"))
        except web.Refused as refusal:
            print(f"azure_token: {refusal}; trying again", file=sys.stderr)
            due = time.monotonic() + RETRY_AFTER


def main() -> Optional[str]:
    """Runs until it is ended. The answer is why there was no first token."""
    if len(sys.argv) != 2:
        return "usage: azure_token.py FOLDER"
    try:
        keep(sys.argv[1])
    except (web.Refused, OSError) as refusal:
        return f"error: {refusal}"
    return None


if __name__ == "__main__":
    sys.exit(main())
