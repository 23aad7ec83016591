package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/operate/repair"
)

// holder is a kind of resource that holds something, and when the next up deletes or replaces it.
type holder struct {
	// kind is Pulumi's type without its version.
	kind string
	// what it is, for people.
	what string
	// holds is what is lost with it.
	holds string
	// name is the physical name that the settings give, or empty.
	name string
	// nameKey is the setting of it.
	nameKey string
	// takenOver is the setting that puts something else in its place, or takes it away. Empty: it
	// stays.
	takenOver string
}

func (c *checker) holders() []holder {
	azure := c.settings.Azure
	names := azure.Names
	given := func(key, value string) string {
		if value == "" {
			return ""
		}
		return key
	}
	noRegistry := ""
	if !azure.CreateContainerRegistry {
		noRegistry = "azure.createContainerRegistry"
	}
	noLogs := given("azure.logAnalyticsWorkspaceId", azure.LogAnalyticsWorkspaceID)
	if !azure.NeedsLogAnalytics() {
		noLogs = "azure.applicationInsightsId"
	}
	return []holder{
		{
			kind: groupKind, what: "the resource group",
			holds: "everything in it, also what this stack did not make",
			name:  names.ResourceGroup, nameKey: "azure.names.resourceGroup",
			takenOver: given("azure.existingResourceGroup", azure.ExistingResourceGroup),
		},
		{
			kind: workspaceKind, what: "the workspace", holds: "all runs, models, endpoints and schedules",
			name: names.Workspace, nameKey: "azure.names.workspace",
		},
		{
			kind: storageKind, what: "the storage account",
			holds: "all data, and what runs and models have stored",
			name:  names.StorageAccount, nameKey: "azure.names.storageAccount",
			takenOver: given("azure.storageAccountId", azure.StorageAccountID),
		},
		{
			kind: keyVaultKind, what: "the key vault", holds: "the keys of the " +
				"workspace's datastores",
			name: names.KeyVault, nameKey: "azure.names.keyVault",
			takenOver: given("azure.keyVaultId", azure.KeyVaultID),
		},
		{
			kind: "azure-native:containerregistry:Registry", what: "the container registry", holds: "all " +
				"images",
			name: names.ContainerRegistry, nameKey: "azure.names.containerRegistry",
			takenOver: noRegistry,
		},
		{
			kind: "azure-native:operationalinsights:Workspace", what: "the Log Analytics " +
				"workspace", holds: "all logs",
			name: names.LogAnalytics, nameKey: "azure.names.logAnalytics",
			takenOver: noLogs,
		},
		{
			kind: "azure-native:insights:Component", what: "Application Insights", holds: "all traces of " +
				"endpoints",
			name: names.ApplicationInsights, nameKey: "azure.names.applicationInsights",
			takenOver: given("azure.applicationInsightsId", azure.ApplicationInsightsID),
		},
		{
			kind: computeKind, what: "the cluster", holds: "the jobs that run on it",
		},
		{
			kind: identityKind, what: "the job identity",
			holds: "the login of every job, until the role in Vault and the job definitions follow",
			name:  names.JobIdentity, nameKey: "azure.names.jobIdentity",
			takenOver: given("workload.identityId", c.settings.Workload.IdentityID),
		},
	}
}

const (
	groupKind     = "azure-native:resources:ResourceGroup"
	storageKind   = "azure-native:storage:StorageAccount"
	keyVaultKind  = "azure-native:keyvault:Vault"
	workspaceKind = "azure-native:machinelearningservices:Workspace"
	computeKind   = "azure-native:machinelearningservices:Compute"
	identityKind  = "azure-native:managedidentity:UserAssignedIdentity"
)

// losses says in words what the next up would delete or replace that holds something. A preview
// says `replace`, and not what is lost with it.
func (c *checker) losses() {
	c.givenAway()
	for _, h := range c.holders() {
		isGiven := c.settings.Azure.WorkspaceExists() && !isBesideWorkspace(h.kind)
		for _, r := range c.made(h.kind) {
			if isGiven || isOfWorkspace(r) {
				continue // see givenAway, and jobs do not log in with the other
			}
			keys := c.causes(h, r)
			if len(keys) > 0 {
				c.loss(h, r, keys)
			}
		}
	}
	if !c.settings.Azure.WorkspaceExists() {
		c.refusedByAzure()
		c.protection()
	}
	c.leavingVault()
	c.waiting()
}

// isBesideWorkspace tells of a kind that a stack also makes beside a workspace that exists.
func isBesideWorkspace(kind string) bool {
	return kind == computeKind || kind == identityKind
}

// givenAway tells what becomes of a workspace that the stack made where azure.workspaceId names one
// that exists.
func (c *checker) givenAway() {
	if !c.settings.Azure.WorkspaceExists() {
		return
	}
	var lost, kept []string
	for _, h := range c.holders() {
		for _, r := range c.made(h.kind) {
			switch {
			case isBesideWorkspace(h.kind):
			case r.Retained:
				kept = append(kept, h.what)
			default:
				lost = append(lost, h.what)
			}
		}
	}
	if len(lost) > 0 {
		c.problem("azure.workspaceId: the stack has made a workspace, and the next up would delete %s. It "+
			"is refused before anything is deleted. Take the setting back, and read docs/operate.md, "+
			"\"Give the workspace away\"", strings.Join(lost, ", "))
	}
	if len(kept) > 0 {
		c.warning("azure.workspaceId: the next up forgets %s, which the stack made. They stay in Azure as "+
			"they are", strings.Join(kept, ", "))
	}
}

// made are the resources of a kind that the stack owns, whatever the version of its API.
func (c *checker) made(kind string) []rights.Resource {
	isOther := func(r rights.Resource) bool { return kindOf(r) != kind }
	return slices.DeleteFunc(c.stack.owned(), isOther)
}

// kindOf is a resource's type without its version: azure-native:storage:StorageAccount of
// azure-native:storage/v20220901:StorageAccount. The key vault is a generic resource.
func kindOf(r rights.Resource) string {
	front, name, found := strings.Cut(r.Type, "/")
	_, name, hasName := strings.Cut(name, ":")
	if !found || !hasName || !strings.HasPrefix(r.Type, "azure-native") {
		return r.Type
	}
	kind := front + ":" + name
	if kind == "azure-native:resources:Resource" && text(r.Inputs["resourceType"]) == "vaults" {
		return keyVaultKind
	}
	return kind
}

// causes are the settings that make the next up delete or replace a resource.
func (c *checker) causes(h holder, r rights.Resource) []string {
	var keys []string
	isLetGo := h.kind == identityKind && strings.EqualFold("/"+r.ID, c.settings.Workload.IdentityID)
	if isLetGo {
		return nil // the stack goes on with it
	}
	if h.takenOver != "" {
		keys = append(keys, h.takenOver)
	}
	if h.name != "" && !strings.EqualFold(h.name, path.Base(r.ID)) {
		keys = append(keys, h.nameKey)
	}
	was := text(r.Inputs["location"])
	if was != "" && region(was) != region(c.settings.Location) {
		keys = append(keys, "azure-native:location")
	}
	switch h.kind {
	case workspaceKind:
		keys = append(keys, c.workspaceCauses(r)...)
	case computeKind:
		keys = append(keys, c.clusterCauses(r)...)
	}
	return keys
}

// region is a location as Azure compares it.
func region(location string) string {
	return strings.ToLower(strings.ReplaceAll(location, " ", ""))
}

func (c *checker) workspaceCauses(r rights.Resource) []string {
	azure := c.settings.Azure
	var keys []string
	if was, _ := r.Inputs["hbiWorkspace"].(bool); was != azure.HBIWorkspace {
		keys = append(keys, "azure.hbiWorkspace")
	}
	for _, part := range []struct {
		input string
		key   string
		given string
		kind  string
	}{
		{
			input: "storageAccount",
			key:   "azure.storageAccountId",
			given: azure.StorageAccountID,
			kind:  storageKind,
		},
		{
			input: "keyVault",
			key:   "azure.keyVaultId",
			given: azure.KeyVaultID,
			kind:  keyVaultKind,
		},
	} {
		was := text(r.Inputs[part.input])
		isOther := part.given != "" && was != "" && !strings.EqualFold(part.given, was)
		isMadeAnew := part.given == "" && len(c.made(part.kind)) == 0
		if isOther || isMadeAnew {
			keys = append(keys, part.key)
		}
	}
	if keyVaultOfUser(r.Inputs) != keyVaultOf(azure.CustomerManagedKey) {
		keys = append(keys, "azure.customerManagedKey.keyVaultId")
	}
	return keys
}

// keyVaultOfUser is where the key is with which a workspace is encrypted, in lower case, or empty.
func keyVaultOfUser(inputs map[string]any) string {
	encryption, _ := inputs["encryption"].(map[string]any)
	properties, _ := encryption["keyVaultProperties"].(map[string]any)
	return strings.ToLower(text(properties["keyVaultArmId"]))
}

func keyVaultOf(key *settings.CustomerManagedKey) string {
	if key == nil {
		return ""
	}
	return strings.ToLower(key.KeyVaultID)
}

func (c *checker) clusterCauses(r rights.Resource) []string {
	key, compute := c.clusterOf(r)
	if compute == nil {
		return []string{"compute"}
	}
	outer, _ := r.Inputs["properties"].(map[string]any)
	inner, _ := outer["properties"].(map[string]any)
	subnet, _ := inner["subnet"].(map[string]any)
	var keys []string
	if was := text(inner["vmSize"]); was != "" && !strings.EqualFold(was, compute.VMSize) {
		keys = append(keys, key+".vmSize")
	}
	if (text(inner["vmPriority"]) == "LowPriority") != compute.LowPriority {
		keys = append(keys, key+".lowPriority")
	}
	if !strings.EqualFold(text(subnet["id"]), compute.SubnetID) {
		keys = append(keys, key+".subnetId")
	}
	// Without public addresses and without a subnet of its own it is in the managed network.
	isManaged := inner["enableNodePublicIp"] == false && text(subnet["id"]) == ""
	if isManaged != c.settings.Azure.ManagedNetwork.IsOn() {
		keys = append(keys, "azure.managedNetwork.mode")
	}
	return keys
}

// clusterOf is the cluster of the settings that a resource is, and its key; nil: none.
func (c *checker) clusterOf(r rights.Resource) (string, *settings.Cluster) {
	for i := range c.settings.Compute {
		cluster := &c.settings.Compute[i]
		if !cluster.Exists() && strings.EqualFold(cluster.Name, path.Base(r.ID)) {
			return fmt.Sprintf("compute[%d]", i), cluster
		}
	}
	return "", nil
}

func (c *checker) loss(h holder, r rights.Resource, keys []string) {
	cause := strings.Join(keys, ", ")
	if r.Protected && c.settings.Azure.Protect {
		c.problem("%s: the next up would delete %s (%s), and with it %s. azure.protect refuses that, "+
			"and the run fails "+
			"half-way. Set %s back", cause, h.what, path.Base(r.ID), h.holds, cause)
		return
	}
	c.warning("%s: the next up deletes %s (%s), and with it %s. If that is not meant, set %s back",
		cause, h.what, path.Base(r.ID), h.holds, cause)
}

// refusedByAzure are changes that Azure refuses, by then with half of the run done.
func (c *checker) refusedByAzure() {
	azure := c.settings.Azure
	for _, r := range c.made(workspaceKind) {
		network, _ := r.Inputs["managedNetwork"].(map[string]any)
		was := text(network["isolationMode"])
		if strictness(was) > strictness(networkMode(azure.ManagedNetwork)) {
			c.problem("azure.managedNetwork.mode: the workspace has %s, and Azure lets a mode become "+
				"stricter only. Set it back",
				was)
		}
		identity, _ := r.Inputs["identity"].(map[string]any)
		if strings.HasPrefix(text(identity["type"]), "UserAssigned") && !azure.HasOwnIdentity() {
			c.problem("azure.workspaceIdentity: the workspace has an identity of its own, and Azure takes " +
				"none back. " +
				"Set it to true")
		}
	}
	for _, r := range c.made(keyVaultKind) {
		properties, _ := r.Inputs["properties"].(map[string]any)
		was, _ := properties["enablePurgeProtection"].(bool)
		if was && azure.KeyVaultID == "" && !azure.KeyVaultPurgeProtection {
			c.problem("azure.keyVaultPurgeProtection: the key vault has it, and Azure never switches it " +
				"off. Set it to true")
		}
	}
}

func networkMode(network *settings.ManagedNetwork) string {
	if network == nil {
		return ""
	}
	return network.Mode
}

// strictness orders the modes of a managed network.
func strictness(mode string) int {
	modes := []string{"Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound"}
	return slices.Index(modes, mode)
}

// protection tells where the state and the settings differ, which a preview shows as no change.
func (c *checker) protection() {
	var protected, bare []string
	for _, h := range c.holders() {
		for _, r := range c.made(h.kind) {
			switch {
			case r.Protected:
				protected = append(protected, h.what)
			case holdsData(h.kind):
				bare = append(bare, h.what)
			}
		}
	}
	switch {
	case !c.settings.Azure.Protect && len(protected) > 0:
		c.warning("azure.protect: is off, and the state protects %s still. The next up takes that "+
			"away, and may delete and "+
			"replace them in the same run", strings.Join(protected, ", "))
	case c.settings.Azure.Protect && len(bare) > 0:
		c.warning("azure.protect: is on, and %s will be protected only when an up has ended well. "+
			"Until then an up can delete "+
			"and replace them", strings.Join(bare, ", "))
	}
}

// holdsData tells whether azure.protect is for this kind.
func holdsData(kind string) bool {
	return slices.Contains([]string{
		groupKind,
		storageKind,
		keyVaultKind,
		workspaceKind,
	}, kind)
}

// leavingVault says what the next up deletes in Vault.
func (c *checker) leavingVault() {
	var deleted, purged []string
	stays := map[string]bool{}
	for _, credential := range c.settings.Credentials {
		stays[c.settings.DataPath(credential.Name)] = true
	}
	for _, r := range c.made(rights.TypeSecret) {
		if stays[r.ID] {
			continue
		}
		if purges, _ := r.Inputs["deleteAllVersions"].(bool); purges {
			purged = append(purged, r.ID)
		} else {
			deleted = append(deleted, r.ID)
		}
	}
	if len(purged) > 0 {
		c.warning("credentials: the next up purges every version of %s, which nobody can bring "+
			"back", listed(purged))
	}
	if len(deleted) > 0 {
		c.warning("credentials: the next up deletes %s. `vault kv undelete` brings a value "+
			"back", listed(deleted))
	}
	c.leavingRights()
	for _, path := range c.stack.State.IDs(rights.TypeBackend) {
		isLeft := !c.settings.Workload.CreateAuthBackend || path != c.settings.Workload.AuthPath
		if isLeft {
			c.warning("workload.authPath: the next up disables the auth backend auth/%s with every role "+
				"in it. Whoever else "+
				"logs in by it loses their access", path)
		}
	}
}

// leavingRights refuses a name that the Vault team is to use and that the stack's own object has:
// the next up deletes that one, and cannot tell it from theirs.
func (c *checker) leavingRights() {
	workload := c.settings.Workload
	isLost := !workload.CreatePolicy && c.stack.State.Has(rights.TypePolicy, workload.Policy)
	if isLost {
		c.problem("workload.createPolicy: is false, and the next up deletes the policy %s, which this "+
			"stack has made. Have the Vault team make it under another name, and set workload.policy to "+
			"that", workload.Policy)
	}
	isLost = !workload.CreateRole && c.stack.State.Has(rights.TypeRole, c.settings.RolePath())
	if isLost {
		c.problem("workload.createRole: is false, and the next up deletes the role %s, which this stack "+
			"has made. Have the Vault team make it under another name, and set workload.role to that",
			workload.Role)
	}
}

// waiting says what an earlier run left to be deleted. Under the id of something that the
// configuration asks for, the next up would write it and then delete it.
func (c *checker) waiting() {
	isWanted := repair.WantedBy(c.settings)
	for _, r := range c.stack.State.Resources {
		if r.Pending == "creating" {
			c.problem("state: a run was cut off while it was creating %s. Run `make repair STACK=%s`",
				nameOf(r.URN), c.settings.Stack)
		}
		if !r.Replaced || r.Pending != "" {
			continue
		}
		if isWanted(r.ID) {
			c.problem("state: %s waits for its deletion, and the configuration asks for it again. The "+
				"next up would write it "+
				"and then delete it. Run `make repair STACK=%s`", r.ID, c.settings.Stack)
			continue
		}
		c.warning("state: an earlier run replaced %s and left the old one. The next up deletes %s",
			nameOf(r.URN), path.Base(r.ID))
	}
}

// nameOf is the last part of a URN, which is the program's own name of a resource.
func nameOf(urn string) string { return urn[strings.LastIndex(urn, ":")+1:] }

// listed are some paths, and how many more there are.
func listed(paths []string) string {
	const shown = 5
	slices.Sort(paths)
	if len(paths) <= shown {
		return strings.Join(paths, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(paths[:shown], ", "), len(paths)-shown)
}
