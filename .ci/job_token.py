"""The token with which a pipeline says who a job is. Three vendors sign one, each in its own way.

| vendor       | where a job gets it                       | its audience                   |
|--------------|-------------------------------------------|--------------------------------|
| GitHub       | an endpoint of the runner, at any time    | as asked                       |
| Azure DevOps | an endpoint of the service, at any time   | api://AzureADTokenExchange     |
| GitLab       | in its environment, valid as long as it   | as the pipeline's file says    |
"""

import os
import urllib.parse

import web

AZURE = "api://AzureADTokenExchange"


def vendor() -> str:
    """The vendor whose runner this is."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        return "github"
    if os.environ.get("TF_BUILD"):
        return "azure-devops"
    if os.environ.get("GITLAB_CI"):
        return "gitlab"
    raise web.Refused(
        "this is no job of GitHub, Azure DevOps or GitLab;"
        " on a laptop use `az login` and VAULT_TOKEN"
    )


def job_token(audience: str, gitlab_variable: str) -> str:
    """A fresh token of this job for an audience."""
    name = vendor()
    if name == "github":
        return _from_github(audience)
    if name == "azure-devops":
        return _from_azure_devops()
    return web.setting(gitlab_variable)


def _from_github(audience: str) -> str:
    url = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
    if not url:
        raise web.Refused(
            "this job may not ask GitHub for an OIDC token; give it `permissions: id-token: write`"
        )
    key = web.setting("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    request = web.Request(
        purpose="GitHub's OIDC token",
        url=f"{url}&audience={urllib.parse.quote(audience, safe='')}",
        headers={"Authorization": f"Bearer {key}"},
    )
    return web.member(web.send(request), request.purpose, "value")


def _from_azure_devops() -> str:
    url = web.setting("SYSTEM_OIDCREQUESTURI")
    key = os.environ.get("SYSTEM_ACCESSTOKEN")
    if not key:
        raise web.Refused(
            "SYSTEM_ACCESSTOKEN is not set;"
            " give the step `env: {SYSTEM_ACCESSTOKEN: $(System.AccessToken)}`"
        )
    connection = os.environ.get("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")
    if not connection:
        raise web.Refused(
            "no service connection: run this in an AzureCLI@2 task with `azureSubscription`"
        )
    query = urllib.parse.urlencode({"api-version": "7.1", "serviceConnectionId": connection})
    request = web.Request(
        purpose="the OIDC token of Azure DevOps",
        url=f"{url}?{query}",
        headers={"Authorization": f"Bearer {key}"},
        body={},
        method="POST",
    )
    return web.member(web.send(request), request.purpose, "oidcToken")
