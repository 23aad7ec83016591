// Package outputs knows the stack's outputs by name, and what a job takes from them. It is plain Go
// without Pulumi: the program exports the outputs, and whoever deploys or hands over reads them.
package outputs

import (
	"encoding/json"
	"fmt"
	"maps"
)

// The names. Scripts and other stacks read outputs by them, so a name is never changed, only added.
// None holds a value of a credential, and none is secret but the address. docs/configuration.md
// describes each.
const (
	ResourceGroup = "resourceGroup"
	WorkspaceName = "workspaceName"
	WorkspaceID   = "workspaceId"
	// ExistingWorkspace is true where the workspace is somebody else's, who gives the roles on it.
	ExistingWorkspace   = "existingWorkspace"
	JobIdentityID       = "jobIdentityId"
	JobIdentityClientID = "jobIdentityClientId"
	// ComputeCluster is the cluster for which jobs are handed over, the first of ComputeClusters.
	ComputeCluster  = "computeCluster"
	ComputeClusters = "computeClusters"
	// ExistingComputeClusters are those that somebody else made, who gives them the job identity.
	ExistingComputeClusters = "existingComputeClusters"

	PublicNetworkAccess = "publicNetworkAccess"
	Endpoints           = "endpoints"
	ServerlessIdentity  = "serverlessIdentity"
	VaultAddress        = "vaultAddress"
	VaultNamespace      = "vaultNamespace"
	VaultLoginPath      = "vaultLoginPath"
	VaultRole           = "vaultRole"
	VaultAudience       = "vaultAudience"
	VaultPolicy         = "vaultPolicy"
	// VaultCA is there only where vault.caCertFile is set.
	VaultCA         = "vaultCaCertificate"
	CredentialPaths = "credentialPaths" //nolint:gosec // G101: names and paths, no credential.
	// CredentialParameters is there only where a path answers to a write.
	CredentialParameters = "credentialParameters" //nolint:gosec // G101: as above.
	Readme               = "readme"
)

// Variable is an environment variable of a job, and the output that it is taken from.
type Variable struct {
	Name   string
	Output string
}

// JobVariables are all that job/vault_credentials needs of a stack, sorted by name.
var JobVariables = []Variable{
	{Name: "AZURE_CLIENT_ID", Output: JobIdentityClientID},
	{Name: "VAULT_ADDR", Output: VaultAddress},
	{Name: "VAULT_AUDIENCE", Output: VaultAudience},
	{Name: "VAULT_CACERT", Output: VaultCA},
	{Name: "VAULT_CREDENTIALS", Output: CredentialPaths},
	{Name: "VAULT_LOGIN_PATH", Output: VaultLoginPath},
	{Name: "VAULT_NAMESPACE", Output: VaultNamespace},
	{Name: "VAULT_ROLE", Output: VaultRole},
}

// CAFile is the file with [VaultCA] beside a job's code. The client looks for it in the working
// directory and in the folder that it lies in itself.
const CAFile = "vault-ca.pem"

// JobEnvironment is the environment of a job of the stack that has these outputs. An output that is
// missing or empty sets no variable: a stack without a namespace has none to set.
func JobEnvironment(values map[string]any) (map[string]string, error) {
	environment := make(map[string]string, len(JobVariables))
	for _, variable := range JobVariables {
		value := values[variable.Output]
		if variable.Output == CredentialPaths {
			value = withParameters(value, values[CredentialParameters])
		}
		text, err := Text(value)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", variable.Output, err)
		}
		if variable.Output == VaultCA && text != "" {
			text = CAFile
		}
		if text != "" {
			environment[variable.Name] = text
		}
	}
	return environment, nil
}

// withParameters has an object of path and parameters in the place of each path that a job writes
// to.
func withParameters(paths, parameters any) any {
	byName, _ := parameters.(map[string]any)
	plain, isMap := paths.(map[string]any)
	if !isMap || len(byName) == 0 {
		return paths
	}
	all := maps.Clone(plain)
	for name, written := range byName {
		all[name] = map[string]any{"path": all[name], "parameters": written}
	}
	return all
}

// Text is an output's value as a variable holds it: a text as it is, and an object as JSON.
func Text(value any) (string, error) {
	if value == nil {
		return "", nil
	}
	if text, isText := value.(string); isText {
		return text, nil
	}
	encoded, err := json.Marshal(value)
	return string(encoded), err
}
