# shellcheck shell=bash disable=SC1091 # for bash, which sources it; azure.env is made by azure_token.py
# What preview, deploy and drift have in common. They source it: . "$(dirname "$0")/lib.sh"
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PULUMI_SKIP_UPDATE_CHECK=true
# A refresh and a destroy then use the address and the token of this run, not those of the state.
export PULUMI_RUN_PROGRAM=true

# A folder of this job that the vendor removes. What is in it after a job that was killed is what
# .ci/logout gives back.
find_folder() {
  local parent=${RUNNER_TEMP:-${AGENT_TEMPDIRECTORY:-${CI_PROJECT_DIR:+$CI_PROJECT_DIR.tmp}}}
  if [ -z "$parent" ]; then
    echo "error: this is no job of GitHub, Azure DevOps or GitLab; run pulumi yourself" >&2
    exit 1
  fi
  folder=$parent/mlvault
}

# The CLI of .ci/pulumi-version: the one on PATH, or Pulumi's own archive.
install_pulumi() {
  local version archive
  version=$(cat .ci/pulumi-version)
  if [ "$(pulumi version 2>/dev/null || true)" = "v$version" ]; then
    return
  fi
  archive=https://get.pulumi.com/releases/sdk/pulumi-v$version-linux-x64.tar.gz
  curl --fail --silent --show-error --location "$archive" | tar -xz -C "$folder"
  export PATH=$folder/pulumi:$PATH
}

# The job's own token for Azure, and whoever needs it again gets a fresh one: .ci/azure_token.py.
login_azure() {
  if [ -n "${TF_BUILD:-}" ]; then
    # Of the task's service connection.
    ARM_CLIENT_ID=${AZURESUBSCRIPTION_CLIENT_ID:?} ARM_TENANT_ID=${AZURESUBSCRIPTION_TENANT_ID:?}
    ARM_SUBSCRIPTION_ID=$(az account show --query id --output tsv)
    export ARM_CLIENT_ID ARM_TENANT_ID ARM_SUBSCRIPTION_ID
  fi
  export AZURE_CLIENT_ID=${ARM_CLIENT_ID:?} AZURE_TENANT_ID=${ARM_TENANT_ID:?}
  python3 .ci/azure_token.py "$folder" &
  keeper=$!
  until [ -e "$folder/azure.env" ]; do
    if ! kill -0 "$keeper" 2>/dev/null; then
      wait "$keeper"
      exit 1
    fi
    sleep 0.1
  done
  . "$folder/azure.env"
}

# The preflight asks Azure through its CLI. Without one it says what it has not seen.
login_azure_cli() {
  if command -v az >/dev/null && ! az account show >/dev/null 2>&1; then
    az login --service-principal --username "$ARM_CLIENT_ID" --tenant "$ARM_TENANT_ID" \
      --federated-token "$(cat "$AZURE_FEDERATED_TOKEN_FILE")" --output none
    az account set --subscription "${ARM_SUBSCRIPTION_ID:?}"
  fi
}

# Late in a job, because the token lives shortly.
login_vault() {
  python3 .ci/vault_token.py login "$folder/vault-token"
  VAULT_TOKEN=$(cat "$folder/vault-token")
  export VAULT_TOKEN
}

# Shows what a command prints, in the log and to the reviewers, and returns its status.
show() { # title, command...
  local title=$1 status=0
  shift
  "$@" 2>&1 | tee "$folder/plan.txt" || status=$?
  if ! python3 .ci/comment.py "$title" "$folder/plan.txt"; then
    status=$((status ? status : 1))
  fi
  return "$status"
}

# Gives back what the job has, whatever happened, and keeps its status unless that fails.
finish() {
  local status=$?
  trap - EXIT
  if [ -n "${keeper:-}" ]; then
    kill "$keeper" 2>/dev/null || true
  fi
  if ! python3 .ci/vault_token.py logout "$folder/vault-token"; then
    status=$((status ? status : 1))
  fi
  rm -rf "$folder"
  exit "$status"
}

begin() {
  find_folder
  rm -rf "$folder"
  mkdir -p "$folder"
  trap finish EXIT
  install_pulumi
}
