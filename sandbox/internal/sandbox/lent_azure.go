package sandbox

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"mlvault/internal/settings"
	"mlvault/sandbox/internal/arm"
)

// armID is an ARM id as a settings file has it.
var armID = regexp.MustCompile(`/subscriptions/[^\s"',\]}]+`)

// lendAzure makes each resource that the settings name, and returns their names.
func (s *Sandbox) lendAzure(stack *Stack) ([]string, error) {
	file, err := s.settingsFile(stack.Name())
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", stack.Name(), err)
	}
	ids := armID.FindAllString(string(text), -1)
	if group := stack.Config.Azure.ExistingResourceGroup; group != "" {
		ids = append(ids, "/subscriptions/"+arm.SubscriptionID+"/resourceGroups/"+group)
	}
	slices.Sort(ids)
	var names []string
	for _, id := range slices.Compact(ids) {
		names = append(names, path.Base(path.Dir(id))+" "+path.Base(id))
		if err := s.lendOnce(id, stack.Config); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
	}
	return names, nil
}

// lendOnce makes a resource that is not there.
func (s *Sandbox) lendOnce(id string, cfg *settings.Settings) error {
	if _, exists := s.ARM.Resource(id); exists {
		return nil
	}
	kind := path.Base(path.Dir(id))
	namespace := path.Base(path.Dir(path.Dir(id)))
	isWorkspace := strings.EqualFold(namespace, "Microsoft.MachineLearningServices")
	document := lentDocument(cfg.Location, kind)
	switch {
	case kind == "userAssignedIdentities":
		document["properties"] = map[string]any{
			"clientId":    arm.ClientID(id),
			"principalId": arm.PrincipalID(id),
			"tenantId":    arm.TenantID,
		}
	case kind == "computes":
		lentCluster(document, cfg.Workload.IdentityID)
	case isWorkspace:
		if err := s.lentWorkspace(document, id, cfg); err != nil {
			return err
		}
	}
	return s.ARM.Seed(id, document)
}

// lentDocument is a resource as a careful owner has it: ARM refuses a registry without endpoints in
// a closed network, and a key in a vault that can be purged.
func lentDocument(location, kind string) arm.Document {
	document := arm.Document{
		"location": location,
		"tags":     map[string]any{"owner": "platform"},
	}
	switch kind {
	case "storageAccounts":
		document["sku"] = map[string]any{"name": "Standard_LRS"}
	case "registries":
		document["sku"] = map[string]any{"name": "Premium"}
	case "vaults":
		document["properties"] = map[string]any{"enablePurgeProtection": true}
	}
	return document
}

// lentWorkspace is a workspace with all its parts, in its own group.
func (s *Sandbox) lentWorkspace(document arm.Document, id string, cfg *settings.Settings) error {
	group, _, _ := strings.Cut(id, "/providers/")
	name := strings.ReplaceAll(path.Base(id), "-", "")
	properties := map[string]any{"publicNetworkAccess": "Enabled"}
	for property, kind := range map[string]string{
		"storageAccount":      "Microsoft.Storage/storageAccounts",
		"keyVault":            "Microsoft.KeyVault/vaults",
		"applicationInsights": "microsoft.insights/components",
		"containerRegistry":   "Microsoft.ContainerRegistry/registries",
	} {
		part := group + "/providers/" + kind + "/" + name
		if err := s.lendOnce(part, cfg); err != nil {
			return err
		}
		properties[property] = part
	}
	document["kind"] = "Default"
	document["identity"] = map[string]any{
		"type":        "SystemAssigned",
		"principalId": arm.PrincipalID(id),
	}
	document["properties"] = properties
	return nil
}

// lentCluster is a cluster that carries the job identity, where that exists too. Else its owner
// attaches the one that the stack makes.
func lentCluster(document arm.Document, identity string) {
	document["properties"] = map[string]any{
		"computeType": "AmlCompute",
		"properties":  map[string]any{"vmSize": "Standard_D4ds_v5"},
	}
	if identity != "" {
		document["identity"] = map[string]any{
			"type":                   "UserAssigned",
			"userAssignedIdentities": map[string]any{identity: map[string]any{}},
		}
	}
}
