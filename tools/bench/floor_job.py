"""The floor of a job's read: one token of the identity, one login, one read for each path, by raw HTTP and no more."""
import json, os, ssl, urllib.parse, urllib.request

context = ssl.create_default_context(cafile=os.environ["VAULT_CACERT"])


def call(url, headers, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), context=context if url[:5] == "https" else None) as answer:
        return json.load(answer)


query = urllib.parse.urlencode({"resource": os.environ["VAULT_AUDIENCE"], "api-version": "2017-09-01", "clientid": os.environ["AZURE_CLIENT_ID"]})
jwt = call(os.environ["MSI_ENDPOINT"] + "?" + query, {"secret": os.environ["MSI_SECRET"]})["access_token"]
vault = os.environ["VAULT_ADDR"] + "/v1/"
token = call(vault + os.environ["VAULT_LOGIN_PATH"], {}, {"role": os.environ["VAULT_ROLE"], "jwt": jwt})["auth"]["client_token"]
for path in json.loads(os.environ["VAULT_CREDENTIALS"]).values():
    call(vault + path, {"X-Vault-Token": token})["data"]["data"]
