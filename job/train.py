"""A training script that calls an API with a key from Vault. The key is in no file, variable or log of this job."""

import urllib.request

from vault_credentials import read_credentials

credentials = read_credentials()
key = credentials["ml_api_key"]["api_key"]

request = urllib.request.Request("https://api.example.com/v1/data", headers={"Authorization": f"Bearer {key}"})
print(f"ready to ask {request.host} with one of {credentials}")  # replace with urlopen(request) and the training
