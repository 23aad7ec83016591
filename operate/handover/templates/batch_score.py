"""A scoring script for batch-deployment.yml and parallel.yml.

Each process reads its credentials once.
"""

import pathlib

from vault_credentials import read_credentials

# What this script needs, by name: it goes on when a credential is removed that is not among it.
CREDENTIALS = ["<<.firstCredential>>"]


def init():
    global credentials
    credentials = read_credentials(*CREDENTIALS)


def run(mini_batch):
    names = ", ".join(sorted(credentials))  # names of credentials, never a value
    return [f"{pathlib.Path(file).name}: scored with {names}" for file in mini_batch]
