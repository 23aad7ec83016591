"""The floor of a job's read: a token, a login, and a read for each path, by raw HTTP."""

import json
import os
import ssl
import urllib.parse
import urllib.request
from typing import Any, Dict, Optional

env = os.environ
tls = ssl.create_default_context(cafile=env["VAULT_CACERT"])


def call(url: str, headers: Dict[str, str], body: Optional[Dict[str, str]] = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    context = tls if url.startswith("https") else None
    with urllib.request.urlopen(request, context=context) as answer:
        return json.load(answer)


query = urllib.parse.urlencode(
    {
        "resource": env["VAULT_AUDIENCE"],
        "api-version": "2017-09-01",
        "clientid": env["AZURE_CLIENT_ID"],
    }
)
identity = call(f"{env['MSI_ENDPOINT']}?{query}", {"secret": env["MSI_SECRET"]})
vault = f"{env['VAULT_ADDR']}/v1/"
login = {"role": env["VAULT_ROLE"], "jwt": identity["access_token"]}
token = call(vault + env["VAULT_LOGIN_PATH"], {}, login)["auth"]["client_token"]
for path in json.loads(env["VAULT_CREDENTIALS"]).values():
    call(vault + path, {"X-Vault-Token": token})["data"]["data"]
