# Deploys mlvault stack mlvault/dev, as its settings and its state are now.
# Whoever holds it can read, overwrite and delete the stack's credentials, and can say
# which identity reads them and what vault.reads names. It can write and give no other policy.
# After a change of the settings write this policy again: `make policy` prints it.
path "secret/data/mlvault/dev/feature_store" {
  capabilities = ["create", "update", "read", "delete"]
}
path "secret/metadata/mlvault/dev/feature_store" {
  capabilities = ["read", "update"]
}
path "secret/data/mlvault/dev/ml_api_key" {
  capabilities = ["create", "update", "read", "delete"]
}
path "secret/metadata/mlvault/dev/ml_api_key" {
  capabilities = ["read", "update"]
}
# The jobs' policy, with this text and no other.
path "sys/policies/acl/mlvault-dev-ae5143b98a56bf8e" {
  capabilities = ["read", "update", "delete"]
  allowed_parameters = {
    "policy" = ["# Reads the credentials of mlvault stack mlvault/dev, and nothing else.\n# Fingerprint of the Vault address: 97c13002. A new address changes it, so the policy is written again.\npath \"secret/data/mlvault/dev/feature_store\" {\n  capabilities = [\"read\"]\n}\npath \"secret/data/mlvault/dev/ml_api_key\" {\n  capabilities = [\"read\"]\n}\n# A job gives back its token. A batch token, the default, just ends; an auth mount of others may be tuned to service tokens, which would stay.\npath \"auth/token/revoke-self\" {\n  capabilities = [\"update\"]\n}\n"]
    "name" = []
  }
}
# Vault asks for sudo wherever an auth method is enabled or disabled.
path "sys/auth/jwt-mlvault-dev-ae5143b98a56bf8e" {
  capabilities = ["update", "delete", "sudo"]
  allowed_parameters = {
    "type" = ["jwt"]
    "*" = []
  }
}
path "sys/mounts/auth/jwt-mlvault-dev-ae5143b98a56bf8e" {
  capabilities = ["read"]
}
path "sys/mounts/auth/jwt-mlvault-dev-ae5143b98a56bf8e/tune" {
  capabilities = ["read"]
}
path "auth/jwt-mlvault-dev-ae5143b98a56bf8e/config" {
  capabilities = ["read", "update"]
  allowed_parameters = {
    "bound_issuer" = []
    "oidc_discovery_url" = []
    "oidc_discovery_ca_pem" = [""]
    "jwks_url" = [""]
    "jwks_ca_pem" = [""]
    "jwt_validation_pubkeys" = [[]]
    "default_role" = []
    "jwt_supported_algs" = []
    "namespace_in_state" = []
    "oidc_client_id" = []
    "oidc_client_secret" = []
    "oidc_response_mode" = []
    "oidc_response_types" = []
    "provider_config" = []
  }
}
# The jobs' role. It gives that policy and nothing else, in batch tokens.
path "auth/jwt-mlvault-dev-ae5143b98a56bf8e/role/mlvault-dev-ae5143b98a56bf8e" {
  capabilities = ["create", "read", "update", "delete"]
  allowed_parameters = {
    "token_policies" = [["mlvault-dev-ae5143b98a56bf8e"]]
    "policies" = [[], ["mlvault-dev-ae5143b98a56bf8e"]]
    "token_type" = ["batch"]
    "token_no_default_policy" = [true]
    "role_type" = ["jwt"]
    "bound_audiences" = [["api://mlvault-dev"]]
    "bound_claims_type" = ["string"]
    "user_claim" = ["oid"]
    "groups_claim" = [""]
    "*" = []
  }
}
# The plugin looks at its token, and works with a child of it unless vault.skipChildToken is set.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/create" {
  capabilities = ["update"]
}
