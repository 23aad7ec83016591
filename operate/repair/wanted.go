package repair

import (
	"slices"
	"strings"

	"mlvault/internal/settings"
)

// WantedBy tells of an id whether a configuration asks for it. In Vault every id follows from the
// settings. In Azure that holds only for a name that the settings give: the others are random.
func WantedBy(s *settings.Settings) func(id string) bool {
	inVault := map[string]bool{}
	for _, each := range []struct {
		id     string
		isMade bool
	}{
		{id: s.Workload.Policy, isMade: s.Workload.CreatePolicy},
		{id: s.RolePath(), isMade: s.Workload.CreateRole},
		{id: s.Workload.AuthPath, isMade: s.Workload.CreateAuthBackend},
		{id: s.Vault.Mount, isMade: s.Vault.CreateMount},
	} {
		inVault[each.id] = inVault[each.id] || each.isMade // a policy may be called as a mount
	}
	for _, credential := range s.Credentials {
		inVault[s.DataPath(credential.Name)] = true
	}
	names := s.Azure.Names
	var clusters []string
	for _, cluster := range s.MadeClusters() {
		clusters = append(clusters, cluster.Name)
	}
	inAzure := map[string]string{
		"resourcegroups":                               names.ResourceGroup,
		"microsoft.storage/storageaccounts":            names.StorageAccount,
		"microsoft.keyvault/vaults":                    names.KeyVault,
		"microsoft.operationalinsights/workspaces":     names.LogAnalytics,
		"microsoft.insights/components":                names.ApplicationInsights,
		"microsoft.containerregistry/registries":       names.ContainerRegistry,
		"microsoft.machinelearningservices/workspaces": names.Workspace,
	}
	identities := []string{names.JobIdentity, names.WorkspaceIdentity}
	return func(id string) bool {
		if !strings.HasPrefix(id, "/subscriptions/") {
			return inVault[strings.Trim(id, "/")]
		}
		kind, name := kindAndName(id)
		if name == "" {
			return false
		}
		switch kind {
		case "microsoft.managedidentity/userassignedidentities":
			return slices.Contains(identities, name)
		case "microsoft.machinelearningservices/computes":
			return slices.Contains(clusters, name)
		}
		return inAzure[kind] == name
	}
}

// kindAndName are, of an ARM id, the provider with the last type, in lower case, and the last name.
// Azure varies the case of types.
func kindAndName(id string) (kind, name string) {
	parts := strings.Split(strings.Trim(id, "/"), "/")
	if len(parts) < 4 {
		return "", ""
	}
	kind = strings.ToLower(parts[len(parts)-2])
	name = parts[len(parts)-1]
	for i, part := range parts {
		if strings.EqualFold(part, "providers") && i+1 < len(parts) {
			kind = strings.ToLower(parts[i+1]) + "/" + strings.ToLower(parts[len(parts)-2])
		}
	}
	return kind, name
}
