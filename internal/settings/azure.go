package settings

import (
	"regexp"
	"strings"
)

// Azure says how the Azure half is built. An id or a name of something that exists takes the place
// of what the program would make; it is used as it stands, and neither tagged nor protected nor
// deleted.
type Azure struct {
	Names Names
	Tags  map[string]string
	// IgnoreTags are names of tags that a policy adds.
	IgnoreTags []string

	ExistingResourceGroup string

	// WorkspaceID is the ARM id of a workspace that exists: see [Azure.WorkspaceExists].
	WorkspaceID string
	// Retain leaves in Azure what leaves the program, for a stack that gives its workspace away.
	Retain bool

	// What exists, by ARM id. A Log Analytics workspace is made only where something writes to it
	// ([Azure.NeedsLogAnalytics]). Where there is no registry, neither here nor made, Azure ML
	// makes one when it builds the first image.
	StorageAccountID        string
	KeyVaultID              string
	ApplicationInsightsID   string
	LogAnalyticsWorkspaceID string
	ContainerRegistryID     string

	CreateContainerRegistry bool
	// ContainerRegistrySKU is that of the registry that is made. Private endpoints need Premium.
	ContainerRegistrySKU string

	// Storage and Logs are how what is made is built.
	Storage Storage
	Logs    Logs

	PublicNetworkAccess string
	// ManagedNetwork is the network that Azure ML keeps for the compute.
	ManagedNetwork *ManagedNetwork
	// PrivateEndpoints lead to what is made, all of which then refuses public access.
	PrivateEndpoints *PrivateEndpoints
	// ServerlessComputeSettings are for jobs without a cluster. Without them these run in Azure's
	// network.
	ServerlessComputeSettings *Serverless

	// HBIWorkspace marks high business impact. It cannot be changed later.
	HBIWorkspace bool
	// CustomerManagedKey takes the place of Microsoft's key.
	CustomerManagedKey *CustomerManagedKey
	// KeyVaultPurgeProtection cannot be taken back.
	KeyVaultPurgeProtection bool
	Diagnostics             bool
	RoleAssignments         []RoleAssignment
	// WorkspaceIdentity gives the workspace a user-assigned identity. It cannot be taken back.
	WorkspaceIdentity bool
	// WorkspaceIdentityID is a user-assigned identity that exists, which the workspace gets. Only
	// such a one can have a role before the first up.
	WorkspaceIdentityID string
	// UserAssignedIdentityIDs exist, and are attached to the workspace besides. Its serverless jobs
	// and endpoints may run as one of them.
	UserAssignedIdentityIDs []string
	// JobIdentityRoles are roles that some jobs need. An ordinary command job needs none.
	JobIdentityRoles []string
	// Lock is on what is made and holds data.
	Lock string
	// Protect lets Pulumi refuse to delete what holds data.
	Protect bool
}

// States of public access to a workspace.
const (
	accessEnabled  = "Enabled"
	accessDisabled = "Disabled"
)

// Sizes of a container registry.
const (
	registryStandard = "Standard"
	registryPremium  = "Premium"
)

func (a *Azure) defaults() {
	a.Storage.defaults()
	a.Logs.defaults()
}

// defaultsFromOthers are the defaults that follow from other settings of Azure. An empty text is
// refused where it is written, so that what is empty here was left out.
func (a *Azure) defaultsFromOthers() {
	if a.PublicNetworkAccess == "" {
		a.PublicNetworkAccess = accessEnabled
		if a.PrivateEndpoints != nil {
			a.PublicNetworkAccess = accessDisabled
		}
	}
	if a.CreateContainerRegistry && a.ContainerRegistrySKU == "" {
		a.ContainerRegistrySKU = registryStandard
		if a.IsClosed() || a.PrivateEndpoints != nil {
			a.ContainerRegistrySKU = registryPremium
		}
	}
}

func (a *Azure) fields() []field {
	var all []field
	all = append(all, a.fieldsOfNames()...)
	all = append(all, a.fieldsOfWhatExists()...)
	all = append(all, a.fieldsOfNetwork()...)
	return append(all, a.fieldsOfProtection()...)
}

func (a *Azure) fieldsOfNames() []field {
	return []field{
		{
			key:   "names",
			value: object(func() section { return &a.Names }),
			meaning: "Physical names. Without one Pulumi makes it, with a random suffix that never " +
				"collides with a deleted resource.",
		},
		{
			key:   "tags",
			value: textMap(&a.Tags, textRule{mayBeEmpty: true}),
			meaning: "Tags beside `project`, `stack` and `managed-by`, or in their place: of those names, " +
				"in any case, the value is yours.",
			change: Change{
				Updates: []Part{PartAzure},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:   "ignoreTags",
			value: texts(&a.IgnoreTags, anyText),
			meaning: "Names of tags that a policy of Azure adds. Needs `options: {refresh: always}` in " +
				"Pulumi.yaml: a run without a refresh would take them away.",
			change: Change{
				Note: "It counts from the next refresh on.",
				Jobs: JobsGoOn,
				Back: BackWhole,
			},
		},
	}
}

func (a *Azure) fieldsOfWhatExists() []field {
	return []field{
		{
			key:   "workspaceId",
			value: text(&a.WorkspaceID, armID(typeMLWorkspace)),
			meaning: "ARM id of a workspace to use. Neither it nor anything that it needs is made. The " +
				"job identity is made in its resource group, unless that exists too.",
			change: Change{
				IsRefused: true,
				Note:      "See [Give the workspace away](#give-the-workspace-away).",
				Jobs:      JobsGoOn,
				Back:      BackByHand,
			},
		},
		{
			key:   "existingResourceGroup",
			value: text(&a.ExistingResourceGroup, azureName(GroupName, "a resource group's name")),
			meaning: "Name of a resource group to build in. The workspace's identity gets power over all " +
				"that is in it.",
			change: Change{
				Makes:    []Part{PartGroup},
				Replaces: movesAzure.Replaces,
				Updates:  movesAzure.Updates,
				Jobs:     movesAzure.Jobs,
				Back:     movesAzure.Back,
			},
		},
		{
			key:     "storageAccountId",
			value:   text(&a.StorageAccountID, armID(typeStorageAccount)),
			meaning: "ARM id of a storage account to use. Without it one is made.",
			change: Change{
				Makes:    []Part{PartStorage},
				Replaces: []Part{PartWorkspace, PartCluster},
				Jobs:     JobsThatRun,
				Back:     BackEmpty,
			},
		},
		{
			key:     "keyVaultId",
			value:   text(&a.KeyVaultID, armID(typeKeyVault)),
			meaning: "ARM id of a key vault to use. Without it one is made.",
			change: Change{
				Makes:    []Part{PartKeyVault},
				Replaces: []Part{PartWorkspace, PartCluster},
				Jobs:     JobsThatRun,
				Back:     BackEmpty,
			},
		},
		{
			key:     "applicationInsightsId",
			value:   text(&a.ApplicationInsightsID, armID(typeInsights)),
			meaning: "ARM id of Application Insights to use. Without it they are made.",
			change: Change{
				Makes:   []Part{PartInsights, PartLogs},
				Updates: []Part{PartWorkspace},
				Jobs:    JobsGoOn,
				Back:    BackEmpty,
			},
		},
		{
			key:   "logAnalyticsWorkspaceId",
			value: text(&a.LogAnalyticsWorkspaceID, armID(typeLogAnalytics)),
			meaning: "ARM id of a Log Analytics workspace to use. Without it one is made where something " +
				"writes to it.",
			change: Change{
				Makes:   []Part{PartLogs},
				Updates: []Part{PartInsights, PartDiagnostics},
				Jobs:    JobsGoOn,
				Back:    BackEmpty,
			},
		},
		{
			key:   "containerRegistryId",
			value: text(&a.ContainerRegistryID, armID(typeRegistry)),
			meaning: "ARM id of a registry to use. Without it, and without `createContainerRegistry`, " +
				"Azure ML makes one when it builds the first image.",
			change: Change{
				Makes:   []Part{PartRegistry},
				Updates: []Part{PartWorkspace},
				Note:    imagesAnew + " A workspace without either setting keeps the one that it has.",
				Jobs:    JobsGoOn,
				Back:    BackEmpty,
			},
		},
		{
			key:     "createContainerRegistry",
			value:   flag(&a.CreateContainerRegistry),
			meaning: "Make a registry, without an admin user.",
			change: Change{
				Makes:   []Part{PartRegistry},
				Updates: []Part{PartWorkspace},
				Note:    "From there it goes to another one only (`containerRegistryId`).",
				Jobs:    JobsGoOn,
				Back:    BackUnknown,
			},
		},
		{
			key:          "containerRegistrySku",
			value:        text(&a.ContainerRegistrySKU, oneOf("Basic", registryStandard, registryPremium)),
			shownDefault: "Standard, or Premium without public access",
			meaning:      "Size of the registry that is made.",
			change: Change{
				Updates: []Part{PartRegistry},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:     "storage",
			value:   object(func() section { return &a.Storage }),
			meaning: "The storage account that is made.",
		},
		{
			key:     "logs",
			value:   object(func() section { return &a.Logs }),
			meaning: "The Log Analytics workspace and the Application Insights that are made.",
		},
	}
}

func (a *Azure) fieldsOfNetwork() []field {
	return []field{
		{
			key:          "publicNetworkAccess",
			value:        text(&a.PublicNetworkAccess, oneOf(accessEnabled, accessDisabled)),
			shownDefault: "Enabled, or Disabled with private endpoints",
			meaning: "Whether the workspace can be reached from anywhere, by who has a role. `Disabled` " +
				"closes the storage account, key vault and registry that are made, too.",
			change: Change{
				Updates: whatIsClosed,
				Jobs:    JobsThatUse,
				Back:    BackWhole,
			},
		},
		{
			key: "managedNetwork",
			value: object(func() section {
				a.ManagedNetwork = &ManagedNetwork{}
				return a.ManagedNetwork
			}),
			meaning: "The network that Azure ML keeps for the compute.",
		},
		{
			key: "privateEndpoints",
			value: object(func() section {
				a.PrivateEndpoints = &PrivateEndpoints{}
				return a.PrivateEndpoints
			}),
			meaning: "Endpoints into the workspace and into the storage account, key vault and registry " +
				"that are made. All of these then refuse public access.",
			change: Change{
				Makes:   []Part{PartEndpoints, PartZones},
				Updates: whatIsClosed,
				Jobs:    JobsThatUse,
				Back:    BackWhole,
			},
		},
		{
			key: "serverlessComputeSettings",
			value: object(func() section {
				a.ServerlessComputeSettings = &Serverless{}
				return a.ServerlessComputeSettings
			}),
			meaning: "Where jobs without a cluster run. Without it in Azure's network.",
			change:  changesWorkspace,
		},
	}
}

func (a *Azure) fieldsOfProtection() []field {
	return []field{
		{
			key:     "hbiWorkspace",
			value:   flag(&a.HBIWorkspace),
			meaning: "High business impact: Azure collects less.",
			change:  loses(PartWorkspace, PartCluster),
		},
		{
			key: "customerManagedKey",
			value: object(func() section {
				a.CustomerManagedKey = &CustomerManagedKey{}
				return a.CustomerManagedKey
			}),
			meaning: "A key of your own in place of Microsoft's.",
			change:  loses(PartWorkspace, PartCluster),
		},
		{
			key:     "keyVaultPurgeProtection",
			value:   flag(&a.KeyVaultPurgeProtection),
			meaning: "Purge protection of the key vault that is made.",
			change: Change{
				Updates: []Part{PartKeyVault},
				Jobs:    JobsGoOn,
				Back:    BackNever,
			},
		},
		{
			key:     "diagnostics",
			value:   flag(&a.Diagnostics),
			meaning: "Send logs and metrics to Log Analytics.",
			change: Change{
				Makes: []Part{PartDiagnostics},
				Note:  "Beside Application Insights that exist, also a Log Analytics workspace.",
				Jobs:  JobsGoOn,
				Back:  BackWhole,
			},
		},
		{
			key: "roleAssignments",
			value: objects(func() section {
				a.RoleAssignments = append(a.RoleAssignments, RoleAssignment{})
				return &a.RoleAssignments[len(a.RoleAssignments)-1]
			}),
			meaning: "Roles on the workspace, for people, groups and applications.",
		},
		{
			key:     "workspaceIdentity",
			value:   flag(&a.WorkspaceIdentity),
			meaning: "Give the workspace a user-assigned identity.",
			change: Change{
				Makes:   []Part{PartWorkspaceIdentity},
				Updates: []Part{PartWorkspace},
				Note:    "Switch it on at the start.",
				Jobs:    JobsGoOn,
				Back:    BackNever,
			},
		},
		{
			key:   "workspaceIdentityId",
			value: text(&a.WorkspaceIdentityID, armID(typeIdentity)),
			meaning: "ARM id of a user-assigned identity to give the workspace. It may have roles before " +
				"the first `up`, as a rule to a gateway needs.",
			change: Change{
				Replaces: []Part{PartWorkspaceIdentity},
				Updates:  []Part{PartWorkspace},
				Note: "From one identity to another it goes, and back without the roles that others gave " +
					"the stack's own. To none it never goes.",
				Jobs: JobsGoOn,
				Back: BackNever,
			},
		},
		{
			key:   "userAssignedIdentityIds",
			value: texts(&a.UserAssignedIdentityIDs, armID(typeIdentity)),
			meaning: "ARM ids of user-assigned identities to attach to the workspace besides. Their owner " +
				"gives them roles.",
			change: Change{
				Updates: []Part{PartWorkspace},
				Jobs:    JobsThatUse,
				Back:    BackUnknown,
			},
		},
		{
			key:     "jobIdentityRoles",
			value:   texts(&a.JobIdentityRoles, oneOf(RoleDataScientist, RoleBlobContributor)),
			meaning: "Roles that some jobs need: `MLClient` and datastores the first, blobs the second.",
			change: Change{
				Makes: []Part{PartRoles},
				Jobs:  JobsThatUse,
				Back:  BackWhole,
			},
		},
		{
			key:     "lock",
			value:   text(&a.Lock, textRule{problem: lockProblem, pattern: "^CanNotDelete$"}),
			meaning: "`CanNotDelete`: a lock on what is made and holds data.",
			change: Change{
				Makes: []Part{PartLocks},
				Jobs:  JobsGoOn,
				Back:  BackWhole,
			},
		},
		{
			key:   "retain",
			value: flag(&a.Retain),
			meaning: "Leave in Azure what leaves the program, by `workspaceId` or a destroy, but for " +
				"clusters and the job identity. For one `up`, before a workspace is given away.",
			change: Change{
				Note: "It changes the state alone.",
				Jobs: JobsGoOn,
				Back: BackWhole,
			},
		},
		{
			key:     "protect",
			value:   flag(&a.Protect),
			meaning: "Pulumi refuses to delete what holds data.",
			change: Change{
				Note: "It is in Pulumi's state alone, and counts from the end of an `up` that succeeds.",
				Jobs: JobsGoOn,
				Back: BackWhole,
			},
		},
	}
}

// lockProblem takes one kind of lock.
func lockProblem(lock string) string {
	switch lock {
	case "CanNotDelete":
		return ""
	case "ReadOnly":
		return "stops clusters from scaling: Azure ML then cannot list the storage account's keys; " +
			"write CanNotDelete"
	}
	return "is not CanNotDelete"
}

// NeedsLogAnalytics tells whether anything writes to a Log Analytics workspace.
func (a *Azure) NeedsLogAnalytics() bool {
	return a.ApplicationInsightsID == "" || a.Diagnostics
}

// HasOwnIdentity tells whether the workspace has a user-assigned identity, which gets its roles
// here.
func (a *Azure) HasOwnIdentity() bool {
	return a.WorkspaceIdentity || a.WorkspaceIdentityID != ""
}

// IsClosed tells whether the workspace, and what is made for it, refuse public access.
func (a *Azure) IsClosed() bool {
	return a.PublicNetworkAccess == accessDisabled
}

// JobHas tells whether the job identity has a role.
func (a *Azure) JobHas(role string) bool {
	for _, each := range a.JobIdentityRoles {
		if each == role {
			return true
		}
	}
	return false
}

// validate checks what depends on more than one field of Azure.
func (a *Azure) validate(r *report) {
	a.validateMade(r)
	a.validateKey(r)
	a.validateRoles(r)
	a.validateTags(r)
	if a.Retain && a.Protect {
		r.addf("azure.retain", "lets go of what is made, and azure.protect refuses that; remove one of "+
			"the two")
	}
}

// CustomerManagedKey is a key of the user's own that encrypts what Azure ML stores about the
// workspace.
type CustomerManagedKey struct {
	// KeyVaultID is the ARM id of a key vault with purge protection, in the workspace's subscription.
	KeyVaultID string
	// KeyID is https://<vault>.vault.azure.net/keys/<name>/<version>.
	KeyID string
	// IdentityID is the ARM id of a user-assigned identity that reads the key. Without it the
	// services' own principals do.
	IdentityID string
}

func (k *CustomerManagedKey) defaults() {}

func (k *CustomerManagedKey) fields() []field {
	return []field{
		{
			key:      "keyVaultId",
			value:    text(&k.KeyVaultID, armID(typeKeyVault)),
			required: "give the ARM id of the key vault that has the key",
			meaning:  "ARM id of a key vault with purge protection, in the workspace's subscription.",
			change:   loses(PartWorkspace, PartCluster),
		},
		{
			key: "keyId",
			value: text(&k.KeyID, matching(keyID, "is not a key with its version, "+
				"https://<vault>.vault.azure.net/keys/<name>/<version>")),
			required: "`az keyvault key show --query key.kid` prints it",
			meaning:  "The key's URI with its version: Azure ML does not follow a rotation.",
			change: Change{
				Updates: []Part{PartWorkspace},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:   "identityId",
			value: text(&k.IdentityID, armID(typeIdentity)),
			meaning: "ARM id of a user-assigned identity that reads the key. Without it the services' own " +
				"principals do.",
			change: Change{
				IsRefused: true,
				Note:      "Azure's update of a workspace takes no other.",
				Jobs:      JobsGoOn,
				Back:      BackNever,
			},
		},
	}
}

// keyID is a key's identifier as `az keyvault key show --query key.kid` prints it. The hosts are
// those of Microsoft's clouds.
var keyID = regexp.MustCompile(`^https://[A-Za-z0-9-]+\.vault\.` +
	`(?:azure\.net|azure\.cn|usgovcloudapi\.net)/keys/[A-Za-z0-9-]{1,127}/[0-9a-f]{32}$`)

// validateKey holds the key to its vault.
func (a *Azure) validateKey(r *report) {
	if a.CustomerManagedKey == nil || a.CustomerManagedKey.KeyID == "" {
		return
	}
	const key = "azure.customerManagedKey.keyId"
	_, vault, isKnown := strings.Cut(a.CustomerManagedKey.KeyVaultID, "/vaults/")
	host := strings.TrimPrefix(a.CustomerManagedKey.KeyID, "https://")
	vaultOfKey, _, _ := strings.Cut(host, ".")
	if isKnown && !strings.EqualFold(vaultOfKey, vault) {
		shown := r.show(key, a.CustomerManagedKey.KeyID)
		r.addf(key, "%s is not in the key vault that keyVaultId names", shown)
	}
}
