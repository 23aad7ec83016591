"""A training script that calls an API with a key from Vault. The key is in no file, variable or log of this job."""

from vault_credentials import read_credentials

credential = read_credentials("ml_api_key")["ml_api_key"]
print(f"training with {credential}, version {credential.version}")
headers = {"Authorization": f"Bearer {credential['api_key']}"}  # of the request to the API that the training needs
