package settings

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Azure says how the Azure half is built. An id or a name of something that exists takes the place of what the program
// would make; it is used as it stands, and neither tagged nor protected nor deleted.
type Azure struct {
	Names Names             `json:"names"`
	Tags  map[string]string `json:"tags"`
	// IgnoreTags are names of tags that a policy adds.
	IgnoreTags []string `json:"ignoreTags"`

	ExistingResourceGroup string `json:"existingResourceGroup"`

	// What exists, by ARM id. Log Analytics are made when something needs them; without a registry here or below Azure ML makes
	// one at the first image build.
	StorageAccountID        string `json:"storageAccountId" arm:"Microsoft.Storage/storageAccounts"`
	KeyVaultID              string `json:"keyVaultId" arm:"Microsoft.KeyVault/vaults"`
	ApplicationInsightsID   string `json:"applicationInsightsId" arm:"Microsoft.Insights/components"`
	LogAnalyticsWorkspaceID string `json:"logAnalyticsWorkspaceId" arm:"Microsoft.OperationalInsights/workspaces"`
	ContainerRegistryID     string `json:"containerRegistryId" arm:"Microsoft.ContainerRegistry/registries"`

	CreateContainerRegistry bool `json:"createContainerRegistry"`
	// ContainerRegistrySKU is that of the registry that is made. Private endpoints need Premium.
	ContainerRegistrySKU string `json:"containerRegistrySku" oneof:"Basic,Standard,Premium"`

	PublicNetworkAccess string `json:"publicNetworkAccess" oneof:"Enabled,Disabled"`
	// ManagedNetwork is the network that Azure ML keeps for the compute.
	ManagedNetwork *ManagedNetwork `json:"managedNetwork"`
	// PrivateEndpoints lead to what is made, all of which then refuses public access.
	PrivateEndpoints *PrivateEndpoints `json:"privateEndpoints"`
	// ServerlessComputeSettings are for jobs without a cluster. Without them these run in Azure's network.
	ServerlessComputeSettings *Serverless `json:"serverlessComputeSettings"`

	// HBIWorkspace marks high business impact. It cannot be changed later.
	HBIWorkspace bool `json:"hbiWorkspace"`
	// CustomerManagedKey takes the place of Microsoft's key.
	CustomerManagedKey *CustomerManagedKey `json:"customerManagedKey"`
	// KeyVaultPurgeProtection cannot be taken back.
	KeyVaultPurgeProtection bool             `json:"keyVaultPurgeProtection"`
	Diagnostics             bool             `json:"diagnostics"`
	RoleAssignments         []RoleAssignment `json:"roleAssignments"`
	// WorkspaceIdentity gives the workspace a user-assigned identity. It cannot be taken back.
	WorkspaceIdentity bool `json:"workspaceIdentity"`
	// JobIdentityRoles are roles that some jobs need. An ordinary command job needs none.
	JobIdentityRoles []string `json:"jobIdentityRoles" oneof:"AzureML Data Scientist,Storage Blob Data Contributor"`
	// Lock is on what is made and holds data.
	Lock string `json:"lock"`
	// Protect lets Pulumi refuse to delete what holds data.
	Protect bool `json:"protect"`
}

// RoleAssignment gives a person, a group or an application a role on the workspace.
type RoleAssignment struct {
	// Role is a key of [WorkspaceRoles].
	Role        string `json:"role"`
	PrincipalID string `json:"principalId"`
	// PrincipalType has no default: ARM takes an unsaid type for User, and then refuses a group or an application.
	PrincipalType string `json:"principalType" oneof:"User,Group,ServicePrincipal" required:"write User, Group or ServicePrincipal"`
}

// CustomerManagedKey is a key of the user's own that encrypts what Azure ML stores about the workspace.
type CustomerManagedKey struct {
	// KeyVaultID is the ARM id of a key vault with purge protection, in the workspace's subscription.
	KeyVaultID string `json:"keyVaultId" arm:"Microsoft.KeyVault/vaults" required:"give the ARM id of the key vault that has the key"`
	// KeyID is https://<vault>.vault.azure.net/keys/<name>/<version>.
	KeyID string `json:"keyId"`
	// IdentityID is the ARM id of a user-assigned identity that reads the key. Without it the services' own principals do.
	IdentityID string `json:"identityId" arm:"Microsoft.ManagedIdentity/userAssignedIdentities"`
}

// WorkspaceRole is a built-in role of Azure.
type WorkspaceRole struct {
	ID    string
	Short string
}

// WorkspaceRoles are the roles that roleAssignments may give (Microsoft, "Azure built-in roles for AI + machine
// learning").
var WorkspaceRoles = map[string]WorkspaceRole{
	"AzureML Data Scientist":   {"f6c7c914-8db3-469d-8ca1-694a8f32e121", "data-scientist"},
	"AzureML Compute Operator": {"e503ece1-11d0-4e8e-8e2c-7a6c3bf38815", "compute-operator"},
}

func (a *Azure) normalise() {
	access, sku := "Enabled", "Standard"
	if a.PrivateEndpoints != nil {
		access, sku = "Disabled", "Premium" // without an endpoint Disabled locks every laptop out of the studio
	}
	a.PublicNetworkAccess = cmp.Or(a.PublicNetworkAccess, access)
	if a.CreateContainerRegistry {
		a.ContainerRegistrySKU = cmp.Or(a.ContainerRegistrySKU, sku)
	}
}

var location = regexp.MustCompile(`^[A-Za-z0-9 ]+$`)

func (cfg *Settings) validateAzure(c *collector) {
	switch {
	case cfg.Location == "":
		c.addf("azure-native:location", "is missing; set it with `pulumi config set azure-native:location westeurope`")
	case !location.MatchString(cfg.Location):
		c.addf("azure-native:location", "%s is not an Azure region such as westeurope", c.show("azure-native:location", cfg.Location))
	}
	cfg.Azure.Names.validate(c)
	cfg.validateExisting(c)
	cfg.Azure.validateKey(c)
	cfg.validateNetwork(c)
	cfg.validateEndpoints(c)
	cfg.Azure.validateAccess(c)
	cfg.Azure.validateRoles(c)
	cfg.Azure.validateTags(c)
}

// keyID is a key's identifier as `az keyvault key show --query key.kid` prints it, with its version: Azure ML encrypts
// with one version and does not follow a rotation. The hosts are those of Microsoft's clouds.
var keyID = regexp.MustCompile(
	`^https://([A-Za-z0-9-]+)\.vault\.(?:azure\.net|azure\.cn|usgovcloudapi\.net)/keys/[A-Za-z0-9-]{1,127}/[0-9a-f]{32}$`)

func (a *Azure) validateKey(c *collector) {
	k := a.CustomerManagedKey
	if k == nil {
		return
	}
	const key = "azure.customerManagedKey"
	_, vault, _ := strings.Cut(k.KeyVaultID, "/vaults/")
	match := keyID.FindStringSubmatch(k.KeyID)
	switch {
	case k.KeyID == "":
		c.addf(key+".keyId", "is missing; `az keyvault key show --query key.kid` prints it")
	case match == nil:
		c.addf(key+".keyId", "%s is not a key with its version, https://<vault>.vault.azure.net/keys/<name>/<version>", c.show(key+".keyId", k.KeyID))
	case vault != "" && !strings.EqualFold(match[1], vault):
		c.addf(key+".keyId", "%s is not in the key vault that keyVaultId names", c.show(key+".keyId", k.KeyID))
	}
}

func (a *Azure) validateRoles(c *collector) {
	seen := map[RoleAssignment]bool{}
	for i, assignment := range a.RoleAssignments {
		key := element("azure.roleAssignments", i)
		if _, known := WorkspaceRoles[assignment.Role]; !known {
			c.addf(key+".role", "%s is not one of %s", c.show(key, assignment.Role), strings.Join(slices.Sorted(maps.Keys(WorkspaceRoles)), ", "))
		}
		if !guid.MatchString(assignment.PrincipalID) {
			c.addf(key+".principalId", "%s is not an object id (a GUID in lower case)", c.show(key, assignment.PrincipalID))
		}
		// ARM holds one assignment for each role and principal, whatever the type is said to be.
		pair := RoleAssignment{Role: assignment.Role, PrincipalID: assignment.PrincipalID}
		if seen[pair] {
			c.addf(key, "gives the same role to the same principal as another entry")
		}
		seen[pair] = true
	}
}

// reservedTags are the program's own: a resource says which stack made it, and a query by them finds all of a stack.
var reservedTags = []string{"project", "stack", "managed-by"}

// validateTags applies the narrowest limits of the tagged resources: storage accounts take names of 128 characters
// at most, and 50 tags are a resource's limit (Azure Resource Manager, "Use tags to organize your resources").
func (a *Azure) validateTags(c *collector) {
	if most := 50 - len(reservedTags); len(a.Tags) > most {
		c.addf("azure.tags", "has %d tags; at most %d, the program adds %d of its own", len(a.Tags), most, len(reservedTags))
	}
	seen := map[string]bool{}
	for name, value := range a.Tags {
		key, folded := "azure.tags."+name, strings.ToLower(name)
		switch {
		case slices.Contains(reservedTags, folded):
			c.addf(key, "is set by the program; choose another name")
		case name == "" || len(name) > 128 || strings.ContainsAny(name, `<>%&\?/`):
			c.addf(key, `has a name that Azure refuses: 1 to 128 characters, none of < > %% & \ ? /`)
		case seen[folded]:
			c.addf(key, "differs from another tag by case only, and Azure's tag names have none")
		case len(value) > 256:
			c.addf(key, "has a value of more than 256 characters")
		}
		seen[folded] = true
	}
}
