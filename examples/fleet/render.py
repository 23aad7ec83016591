"""Prints a Stack of the Pulumi Kubernetes Operator for each team of a list.

    python3 render.py teams.json | kubectl apply --namespace mlvault --filename -

JSON is YAML, so kubectl takes it, and nothing but Python is needed. A version is a tag or a commit
of this repository: the operator clones it, and no team has a copy.
"""

import json
import sys
from typing import Any, Dict, List

TOKEN_FILE = "/var/run/secrets/azure/tokens/azure-identity-token"


def literal(value: str) -> Dict[str, Any]:
    """An environment variable's value, as it stands."""
    return {"type": "Literal", "literal": {"value": value}}


def secret(name: str, key: str) -> Dict[str, Any]:
    """A value of a Secret in the operator's cluster."""
    return {"type": "Secret", "secret": {"name": name, "key": key}}


def settings(fleet: Dict[str, Any], team: Dict[str, Any]) -> Dict[str, Any]:
    """The plain settings of a team's stack, as in a Pulumi.<stack>.yaml."""
    return {
        "azure-native:location": team.get("location", fleet["location"]),
        "azure": {
            "publicNetworkAccess": "Enabled",
            "tags": {"team": team["name"], "environment": team["ring"]},
        },
        "workload": {"audience": team["audience"]},
        "compute": [{"vmSize": team.get("vmSize", "Standard_D4ds_v5"), "maxNodes": 2}],
    }


def stack(fleet: Dict[str, Any], team: Dict[str, Any]) -> Dict[str, Any]:
    """A team's Stack. It waits for every stack of the ring before its own."""
    name = team["name"]
    spec = {
        "stack": name,
        "projectRepo": fleet["repository"],
        # The field's name notwithstanding, it takes a tag.
        "branch": fleet["version"],
        "backend": fleet["backend"],
        "secretsProvider": f"{fleet['key']}/{name}",
        # A refresh and a destroy then use the token of the environment, not that of the state.
        "runProgram": True,
        "config": settings(fleet, team),
        "secretsRef": {
            "vaultAddress": secret("mlvault-vault", "address"),
            "credentials": secret(f"mlvault-{name}", "credentials.json"),
        },
        "envRefs": {
            "VAULT_TOKEN": secret(f"mlvault-{name}", "vault-token"),
            "ARM_SUBSCRIPTION_ID": literal(fleet["subscription"]),
            "ARM_USE_OIDC": literal("true"),
            "ARM_OIDC_TOKEN_FILE_PATH": literal(TOKEN_FILE),
            "ARM_CLIENT_ID": secret(f"mlvault-{name}", "azure-client-id"),
            "ARM_TENANT_ID": secret(f"mlvault-{name}", "azure-tenant-id"),
            "PULUMI_RUN_PROGRAM": literal("true"),
        },
        # Azure trusts this account of the cluster: workload identity, no stored key.
        "serviceAccountName": f"mlvault-{name}",
        # A workspace keeps a pod with its memory until it goes.
        "workspaceReclaimPolicy": "Delete",
        "workspaceTemplate": {
            "spec": {
                "podTemplate": {"metadata": {"labels": {"azure.workload.identity/use": "true"}}}
            }
        },
        "prerequisites": [{"name": before} for before in ring_before(fleet, team["ring"])],
    }
    metadata = {"name": name, "labels": {"ring": team["ring"]}}
    return {"apiVersion": "pulumi.com/v1", "kind": "Stack", "metadata": metadata, "spec": spec}


def ring_before(fleet: Dict[str, Any], ring: str) -> List[str]:
    """The stacks of the nearest ring above that has any."""
    above = fleet["rings"][: fleet["rings"].index(ring)]
    for candidate in reversed(above):
        found = [team["name"] for team in fleet["teams"] if team["ring"] == candidate]
        if found:
            return found
    return []


def render(fleet: Dict[str, Any]) -> Dict[str, Any]:
    """The Stacks of a list of teams."""
    names = [team["name"].lower() for team in fleet["teams"]]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(f"two teams are called {twins[0]}; a name is a stack's and a Secret's")
    stacks = [stack(fleet, team) for team in fleet["teams"]]
    return {"apiVersion": "v1", "kind": "List", "items": stacks}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: render.py teams.json")
    with open(sys.argv[1], encoding="utf-8") as handle:
        print(json.dumps(render(json.load(handle)), indent=2))
