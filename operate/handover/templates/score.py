"""A scoring script that reads credentials for as long as the endpoint lives.

A rotated value is seen within minutes. While Vault is away, the last one is used for an hour.
"""

import json
from typing import Any, Dict

from vault_credentials import VaultCredentials

# What this script needs, by name: it goes on when a credential is removed that is not among it.
CREDENTIALS = ["<<.firstCredential>>"]

vault = VaultCredentials()


def init() -> None:
    vault.read(*CREDENTIALS)  # what cannot be read fails the deployment, not the first request


def run(raw_data: str) -> Dict[str, Any]:
    name = json.loads(raw_data)["credential"]
    return {"credential": name, "keys": vault[name].keys()}  # names of keys, never a value
