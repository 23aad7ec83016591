"""The same with azure-identity and hvac, which environment.yml names.

They cache nothing and renew nothing.

This reads all that the definition names. A job of yours reads what it needs, by name, and goes on
when another credential is removed.
"""

import json
import os

import hvac
from azure.identity import ManagedIdentityCredential

env = os.environ
identity = ManagedIdentityCredential(client_id=env["AZURE_CLIENT_ID"])
vault = hvac.Client(
    env["VAULT_ADDR"], verify=env.get("VAULT_CACERT", True), namespace=env.get("VAULT_NAMESPACE")
)
jwt = identity.get_token(env["VAULT_AUDIENCE"] + "/.default").token
mount = env["VAULT_LOGIN_PATH"][len("auth/") : -len("/login")]
vault.auth.jwt.jwt_login(role=env["VAULT_ROLE"], jwt=jwt, path=mount)
for name, path in json.loads(env["VAULT_CREDENTIALS"]).items():
    print(
        name, sorted(vault.read(path)["data"])
    )  # of a KV version 2 secret the values are in ["data"]["data"]
