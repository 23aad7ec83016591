# Deploys mlvault stack mlvault/dev. Whoever holds it can write policies and roles, which equals root in effect.
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
path "sys/policies/acl/mlvault-dev-ae5143b98a56bf8e" {
  capabilities = ["read", "update", "delete"]
}
# Vault asks for sudo wherever an auth method is enabled or disabled.
path "sys/auth/jwt-mlvault-dev-ae5143b98a56bf8e" {
  capabilities = ["update", "delete", "sudo"]
}
path "sys/mounts/auth/jwt-mlvault-dev-ae5143b98a56bf8e" {
  capabilities = ["read"]
}
path "sys/mounts/auth/jwt-mlvault-dev-ae5143b98a56bf8e/tune" {
  capabilities = ["read"]
}
path "auth/jwt-mlvault-dev-ae5143b98a56bf8e/config" {
  capabilities = ["read", "update"]
}
path "auth/jwt-mlvault-dev-ae5143b98a56bf8e/role/mlvault-dev-ae5143b98a56bf8e" {
  capabilities = ["create", "read", "update", "delete"]
}
# The plugin looks at its token, and works with a child of it unless vault.skipChildToken is set.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/create" {
  capabilities = ["update"]
}
