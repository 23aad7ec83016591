"""A scoring script that reads credentials for as long as the endpoint lives.

A rotated value is seen within minutes.
"""

import json

from vault_credentials import VaultCredentials


def init():
    global vault
    vault = VaultCredentials()


def run(raw_data):
    name = json.loads(raw_data)["credential"]
    return {"credential": name, "keys": list(vault[name])}  # names of keys, never a value
