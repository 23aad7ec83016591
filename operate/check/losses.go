package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"mlvault/internal/losses"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/operate/repair"
)

// holder is a kind of resource that holds something, and when the next up deletes or replaces it.
type holder struct {
	losses.Holding

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
	ofKind := map[string]holder{
		losses.Group: {
			name: names.ResourceGroup, nameKey: "azure.names.resourceGroup",
			takenOver: given("azure.existingResourceGroup", azure.ExistingResourceGroup),
		},
		losses.Workspace: {name: names.Workspace, nameKey: "azure.names.workspace"},
		losses.Storage: {
			name: names.StorageAccount, nameKey: "azure.names.storageAccount",
			takenOver: given("azure.storageAccountId", azure.StorageAccountID),
		},
		losses.KeyVault: {
			name: names.KeyVault, nameKey: "azure.names.keyVault",
			takenOver: given("azure.keyVaultId", azure.KeyVaultID),
		},
		losses.Registry: {
			name: names.ContainerRegistry, nameKey: "azure.names.containerRegistry",
			takenOver: noRegistry,
		},
		losses.Logs: {
			name: names.LogAnalytics, nameKey: "azure.names.logAnalytics",
			takenOver: noLogs,
		},
		losses.Insights: {
			name: names.ApplicationInsights, nameKey: "azure.names.applicationInsights",
			takenOver: given("azure.applicationInsightsId", azure.ApplicationInsightsID),
		},
		losses.Identity: {
			name: names.JobIdentity, nameKey: "azure.names.jobIdentity",
			takenOver: given("workload.identityId", c.settings.Workload.IdentityID),
		},
	}
	var all []holder
	for _, holding := range losses.Holdings {
		each := ofKind[holding.Kind]
		each.Holding = holding
		all = append(all, each)
	}
	return all
}

// holder is the one of a kind.
func (c *checker) holder(kind string) holder {
	all := c.holders()
	at := slices.IndexFunc(all, func(h holder) bool { return h.Kind == kind })
	return all[at]
}

// losses says in words what the next up would delete or replace that holds something. A preview
// says `replace`, and not what is lost with it.
func (c *checker) losses() {
	c.givenAway()
	for _, h := range c.holders() {
		isGiven := c.settings.Azure.WorkspaceExists() && !losses.IsBesideWorkspace(h.Kind)
		for _, r := range c.made(h.Kind) {
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

// givenAway tells what becomes of a workspace that the stack made where azure.workspaceId names one
// that exists.
func (c *checker) givenAway() {
	if !c.settings.Azure.WorkspaceExists() {
		return
	}
	var lost, kept []string
	for _, h := range c.holders() {
		for _, r := range c.made(h.Kind) {
			switch {
			case losses.IsBesideWorkspace(h.Kind):
			case r.Retained:
				kept = append(kept, h.What)
			default:
				lost = append(lost, h.What)
			}
		}
	}
	if len(lost) > 0 {
		c.problem("azure.workspaceId: the stack has made a workspace, and the next up would delete %s. "+
			"It is refused before anything is deleted. Take the setting back, and read docs/operate.md, "+
			"\"Give the workspace away\"", strings.Join(lost, ", "))
	}
	if len(kept) > 0 {
		c.warning("azure.workspaceId: the next up forgets %s, which the stack made. They stay in Azure "+
			"as they are", strings.Join(kept, ", "))
	}
}

// made are the resources of a kind that the stack owns, whatever the version of its API.
func (c *checker) made(kind string) []rights.Resource {
	isOther := func(r rights.Resource) bool { return kindOf(r) != kind }
	return slices.DeleteFunc(c.stack.owned(), isOther)
}

// kindOf is a resource's type without its version.
func kindOf(r rights.Resource) string {
	return losses.KindOf(r.Type, text(r.Inputs["resourceType"]))
}

// causes are the settings that make the next up delete or replace a resource.
func (c *checker) causes(h holder, r rights.Resource) []string {
	var keys []string
	isLetGo := h.Kind == losses.Identity && strings.EqualFold("/"+r.ID, c.settings.Workload.IdentityID)
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
	isMoved := was != "" && region(was) != region(c.settings.Location)
	if isMoved && !c.settings.Azure.WorkspaceExists() { // whose location it would have
		keys = append(keys, "azure-native:location")
	}
	keys = append(keys, c.groupCauses(h, r)...)
	switch h.Kind {
	case losses.Workspace:
		keys = append(keys, c.workspaceCauses(r)...)
	case losses.Cluster:
		keys = append(keys, c.clusterCauses(r)...)
	}
	return onceEach(keys)
}

// onceEach is a list without what it has already.
func onceEach(keys []string) []string {
	var once []string
	for _, key := range keys {
		if !slices.Contains(once, key) {
			once = append(once, key)
		}
	}
	return once
}

// groupCauses are the settings that put a resource into another resource group. Azure moves none:
// it is deleted and made again.
func (c *checker) groupCauses(h holder, r rights.Resource) []string {
	was := text(r.Inputs["resourceGroupName"])
	if h.Kind == losses.Group || was == "" {
		return nil
	}
	azure := c.settings.Azure
	key := "azure.existingResourceGroup"
	group := azure.ExistingResourceGroup
	isBesideWorkspace := h.Kind == losses.Cluster || group == ""
	if azure.WorkspaceExists() && isBesideWorkspace {
		key = "azure.workspaceId"
		group = azure.WorkspaceGroup()
	}
	if group != "" {
		return keyOfOther(key, group, was)
	}
	// A group that the stack makes.
	if causes, isMade := c.causesOfMade(losses.Group); isMade {
		return causes
	}
	if len(c.made(losses.Workspace)) == 0 {
		return []string{"azure.workspaceId"}
	}
	return []string{key}
}

// keyOfOther is a setting whose value is another one than before. Azure ignores case.
func keyOfOther(key, now, was string) []string {
	if strings.EqualFold(now, was) {
		return nil
	}
	return []string{key}
}

// causesOfMade are the causes of what the stack has of a kind, for what goes along with it.
func (c *checker) causesOfMade(kind string) (causes []string, isMade bool) {
	made := c.made(kind)
	if len(made) == 0 {
		return nil, false
	}
	return c.causes(c.holder(kind), made[0]), true
}

// region is a location as Azure compares it.
func region(location string) string {
	return strings.ToLower(strings.ReplaceAll(location, " ", ""))
}

// workspaceCauses are those of the workspace itself, and those of the parts that it keeps for life.
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
			kind:  losses.Storage,
		},
		{
			input: "keyVault",
			key:   "azure.keyVaultId",
			given: azure.KeyVaultID,
			kind:  losses.KeyVault,
		},
	} {
		was := text(r.Inputs[part.input])
		causes, isMade := c.causesOfMade(part.kind)
		switch {
		case part.given != "" && was != "":
			keys = append(keys, keyOfOther(part.key, part.given, was)...)
		case part.given == "" && isMade:
			keys = append(keys, causes...)
		case part.given == "":
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
	keys := c.causesOfItsWorkspace(r)
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

// causesOfItsWorkspace are the settings that put a cluster into another workspace.
func (c *checker) causesOfItsWorkspace(r rights.Resource) []string {
	const key = "azure.workspaceId"
	if c.settings.Azure.WorkspaceExists() {
		was := "/" + path.Dir(path.Dir(r.ID)) // <workspace>/computes/<cluster>
		return keyOfOther(key, c.settings.Azure.WorkspaceID, was)
	}
	causes, isMade := c.causesOfMade(losses.Workspace)
	if !isMade {
		return []string{key}
	}
	return causes
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
	refused := losses.RefusedDeletion(h.Kind, c.settings)
	if refused != "" {
		c.problem("%s", refused)
		return
	}
	cause := strings.Join(keys, ", ")
	isRetained := c.settings.Azure.Retain && r.Retained
	if isRetained && !losses.IsBesideWorkspace(h.Kind) {
		c.warning("%s: the next up lets go of %s (%s), which stays in Azure as it is", cause, h.What,
			path.Base(r.ID))
		return
	}
	if h.HasData && c.settings.Azure.Protect {
		c.problem("%s: the next up would delete %s (%s), and with it %s. azure.protect forbids that. "+
			"Set %s back", cause, h.What, path.Base(r.ID), h.Holds, cause)
		return
	}
	c.warning("%s: the next up deletes %s (%s), and with it %s. If that is not meant, set %s back",
		cause, h.What, path.Base(r.ID), h.Holds, cause)
}

// refusedByAzure are changes that Azure refuses, by then with half of the run done.
func (c *checker) refusedByAzure() {
	for _, kind := range []string{losses.Workspace, losses.KeyVault, losses.Storage} {
		for _, r := range c.made(kind) {
			for _, refused := range losses.Refused(kind, r.Inputs, c.settings) {
				c.problem("%s", refused)
			}
		}
	}
}

// protection tells where the state and the settings differ, which a preview shows as no change.
func (c *checker) protection() {
	var protected, bare []string
	for _, h := range c.holders() {
		for _, r := range c.made(h.Kind) {
			switch {
			case r.Protected:
				protected = append(protected, h.What)
			case h.HasData:
				bare = append(bare, h.What)
			}
		}
	}
	switch {
	case !c.settings.Azure.Protect && len(protected) > 0:
		c.warning("%s", losses.StillProtected(strings.Join(protected, ", ")))
	case c.settings.Azure.Protect && len(bare) > 0:
		c.warning("%s", losses.NotYetProtected(strings.Join(bare, ", ")))
	}
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
		c.warning("credentials: the next up %s", losses.PurgesSecrets(listed(purged)))
	}
	if len(deleted) > 0 {
		c.warning("credentials: the next up %s", losses.DeletesSecrets(listed(deleted)))
	}
	c.leavingRights()
	for _, path := range c.stack.State.IDs(rights.TypeBackend) {
		isLeft := !c.settings.Workload.CreateAuthBackend || path != c.settings.Workload.AuthPath
		if isLeft {
			c.warning("workload.authPath: the next up %s", losses.DeletesBackend(path))
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
