package settings

// KeyVaultAPI is the API version of the key vault. It is an input of the resource, because no SDK
// of azure-native v2 has a version that will be served: docs/decisions/0018-key-vault-api.md.
const KeyVaultAPI = "2026-02-01"

// MachineLearningAPI is the API version of workspaces and clusters, and of what the preflight asks
// about them. The SDK's package in use is of the same version.
const MachineLearningAPI = "2024-10-01"

// AuthorizationAPI is the API version of role assignments, and of what the preflight asks about
// them. The SDK's package in use is of the same version.
const AuthorizationAPI = "2022-04-01"

// APIVersion says of an API version that the program uses how long Azure will serve it.
type APIVersion struct {
	// Type is the ARM type, as Microsoft's documentation writes it.
	Type string
	// Version is the version in use. It begins with the day on which Microsoft made it.
	Version string
	// Ends is what is announced, and nil where nothing is.
	Ends *Retirement
	// Seen is where a retirement is, or would be, announced.
	Seen Lookup
}

// Retirement is the end of old API versions of a type.
type Retirement struct {
	// On is the day on which Azure stops to serve what is older than Oldest.
	On     string
	Oldest string
}

// Lookup is a source, and the day of the newest edition of it that was read.
type Lookup struct {
	On     string
	Source string
}

var (
	// listOfEnds is Microsoft's list of what ends, of all services.
	listOfEnds = Lookup{On: "2025-12-18", Source: "https://github.com/Azure/EOL"}

	keyVaultPage = Lookup{
		On:     "2026-11-30",
		Source: "https://learn.microsoft.com/azure/key-vault/general/migrate-api-version",
	}
)

// APIVersions are the versions that the program uses, by type. A test holds the list to what the
// program registers, and docs/azure.md to the list. `make audit` prints it.
var APIVersions = []APIVersion{
	{Type: "Microsoft.Authorization/locks", Version: "2020-05-01", Seen: listOfEnds},
	{
		Type:    "Microsoft.Authorization/roleAssignments",
		Version: AuthorizationAPI,
		Seen:    listOfEnds,
	},
	{Type: "Microsoft.ContainerRegistry/registries", Version: "2023-07-01", Seen: listOfEnds},
	{Type: "Microsoft.Insights/components", Version: "2020-02-02", Seen: listOfEnds},
	{Type: "Microsoft.Insights/diagnosticSettings", Version: "2021-05-01-preview", Seen: listOfEnds},
	{
		Type:    "Microsoft.KeyVault/vaults",
		Version: KeyVaultAPI,
		Ends:    &Retirement{On: "2027-02-27", Oldest: "2026-02-01"},
		Seen:    keyVaultPage,
	},
	{
		Type:    "Microsoft.MachineLearningServices/workspaces",
		Version: MachineLearningAPI,
		Seen:    listOfEnds,
	},
	{
		Type:    "Microsoft.MachineLearningServices/workspaces/computes",
		Version: MachineLearningAPI,
		Seen:    listOfEnds,
	},
	{
		Type:    "Microsoft.ManagedIdentity/userAssignedIdentities",
		Version: "2023-01-31",
		Seen:    listOfEnds,
	},
	{Type: "Microsoft.Network/privateDnsZones", Version: "2020-06-01", Seen: listOfEnds},
	{
		Type:    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
		Version: "2020-06-01",
		Seen:    listOfEnds,
	},
	{Type: "Microsoft.Network/privateEndpoints", Version: "2023-02-01", Seen: listOfEnds},
	{
		Type:    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
		Version: "2023-02-01",
		Seen:    listOfEnds,
	},
	{Type: "Microsoft.OperationalInsights/workspaces", Version: "2022-10-01", Seen: listOfEnds},
	{Type: "Microsoft.Resources/resourceGroups", Version: "2022-09-01", Seen: listOfEnds},
	{Type: "Microsoft.Storage/storageAccounts", Version: "2022-09-01", Seen: listOfEnds},
}

// Serves tells whether Azure serves a version of the type after the retirement that is announced.
// A version begins with its day, so that texts compare as days do.
func (v APIVersion) Serves(version string) bool {
	return v.Ends == nil || version >= v.Ends.Oldest
}
