"""Read credentials from HashiCorp Vault in an Azure Machine Learning job, with no key of your own.

Put this folder beside the training script. It needs Python 3.9 or newer and nothing else:

    from vault_credentials import VaultCredentials, read_credentials

    credentials = read_credentials("ml_api_key")  # the names of all that the script needs
    api_key = credentials["ml_api_key"]["api_key"]

    with VaultCredentials() as vault:  # an endpoint, or whatever lives longer
        api_key = vault["ml_api_key"]["api_key"]

    async with AsyncVaultCredentials() as vault:  # the same for asyncio
        api_key = (await vault.get("ml_api_key"))["api_key"]

Ask by name. A script that asks for all, read_credentials(), fails when any of them is removed.

The compute's managed identity gets a token that is meant for Vault only (the audience). Vault's JWT
login trades it for a short-lived Vault token, which reads each credential.

Settings come from the environment. `make job` writes them all, from the outputs of the stack:

    VAULT_ADDR          https://vault.example.com:8200; plain http to this machine only
    VAULT_LOGIN_PATH    auth/jwt/login
    VAULT_ROLE          the role to log in with
    VAULT_AUDIENCE      what the identity's token is for, exactly as the role expects it
    VAULT_CREDENTIALS   names and API paths in JSON:
                        {"ml_api_key": "secret/data/mlvault/dev/ml_api_key"}
                        A path that is read by writing to it has parameters:
                        {"tls": {"path": "pki/issue/ml", "parameters": {"common_name": "ml.test"}}}
    AZURE_CLIENT_ID     client id of the job identity; default: DEFAULT_IDENTITY_CLIENT_ID, which
                        Azure ML sets. "none" on Kubernetes compute, which takes no client id
    VAULT_LOGIN         optional: az-cli, on a laptop or a notebook, logs in as whoever ran
                        `az login`
    VAULT_NAMESPACE     optional: Vault Enterprise and HCP only
    VAULT_CACERT        optional: PEM file of the CA that signed Vault's certificate; it replaces
                        the system's CAs. In the working directory, or beside this package
    VAULT_TIMEOUT       optional: seconds for one request (10)
    VAULT_DEADLINE      optional: seconds for one call of this package, retries included (120)
    VAULT_MAX_STALE     optional: seconds for which VaultCredentials gives the last value of a
                        credential while Vault is away (3600); 0 for never

Azure ML itself sets MSI_ENDPOINT and MSI_SECRET. HTTPS_PROXY and NO_PROXY are followed. VAULT_TOKEN
and VAULT_SKIP_VERIFY are ignored: a job needs no static token, and certificates are always
verified.

Leases. A path such as database/creds/ml-reader answers with values that Vault withdraws when their
lease ends. A lease ends with the Vault token at the latest (`workload.tokenTtlSeconds` of the
stack). A static role (database/static-creds/...) has no lease: Vault changes its password at set
times. Credential.expires_at says when either comes. VaultCredentials renews a lease, or reads
again, in time. read_credentials() reads once: a job longer than that must use VaultCredentials, and
ask it each time that it connects.

As a command, `python -m vault_credentials` reads everything and prints names and keys, never a
value. What is refused does not keep it from the rest. --check prints each step as well. It exits
with 0 when everything was read, 1 when something was refused or failed, and 2 when the settings are
wrong.

No value and no token is written or printed, and none is in an exception, its causes or the
variables of its traceback. What credential["password"] gives is a plain text, because drivers want
one: from there on it is yours to keep out of logs and parameters of experiments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .client import VaultCredentials, read_credentials
from .credential import Credential
from .errors import (
    CredentialsError,
    IdentityError,
    LoginError,
    ReadError,
    SettingsError,
    UnreachableError,
)

if TYPE_CHECKING:
    from .asynchronous import AsyncVaultCredentials

__all__ = [
    "AsyncVaultCredentials",
    "Credential",
    "CredentialsError",
    "IdentityError",
    "LoginError",
    "ReadError",
    "SettingsError",
    "UnreachableError",
    "VaultCredentials",
    "read_credentials",
]


def __getattr__(name: str) -> Any:
    """AsyncVaultCredentials when it is asked for: asyncio takes long to load."""
    if name != "AsyncVaultCredentials":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .asynchronous import AsyncVaultCredentials

    return AsyncVaultCredentials
