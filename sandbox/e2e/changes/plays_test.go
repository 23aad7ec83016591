package changes

import (
	"maps"

	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
)

// texts are settings by path. An empty one is taken out.
type texts map[string]string

// with is both, the second one's where they differ.
func (t texts) with(more texts) texts {
	both := maps.Clone(t)
	maps.Copy(both, more)
	return both
}

// What others have, by ARM id.
const (
	theirGroup = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/platform"
	provider   = theirGroup + "/providers/"

	theirStorage  = provider + "Microsoft.Storage/storageAccounts/theirstore"
	otherStorage  = provider + "Microsoft.Storage/storageAccounts/otherstore"
	theirKeys     = provider + "Microsoft.KeyVault/vaults/theirkeys"
	otherKeys     = provider + "Microsoft.KeyVault/vaults/otherkeys"
	theirInsights = provider + "Microsoft.Insights/components/theirinsights"
	theirLogs     = provider + "Microsoft.OperationalInsights/workspaces/theirlogs"
	theirRegistry = provider + "Microsoft.ContainerRegistry/registries/theirimages"
	theirIdentity = provider + "Microsoft.ManagedIdentity/userAssignedIdentities/theirs"
	otherIdentity = provider + "Microsoft.ManagedIdentity/userAssignedIdentities/other"
	theirML       = provider + "Microsoft.MachineLearningServices/workspaces/theirs"
	theirCluster  = provider + "Microsoft.MachineLearningServices/workspaces/theirs/computes/gpu"
	theirNetwork  = provider + "Microsoft.Network/virtualNetworks/theirs"
	otherNetwork  = provider + "Microsoft.Network/virtualNetworks/other"
	theirZones    = provider + "Microsoft.Network/privateDnsZones/"
)

// zones are all that the closed stack's endpoints need.
var zones = []string{
	"privatelink.api.azureml.ms", "privatelink.notebooks.azure.net",
	"privatelink.blob.core.windows.net", "privatelink.file.core.windows.net",
	"privatelink.queue.core.windows.net", "privatelink.table.core.windows.net",
	"privatelink.vaultcore.azure.net", "privatelink.azurecr.io",
}

const (
	somebody = "11111111-1111-4111-8111-111111111111"
	another  = "22222222-2222-4222-8222-222222222222"
)

// first are the stacks before the change, beside the settings of dev.
var first = map[string]texts{
	"open": {
		"azure.createContainerRegistry":          "true",
		"azure.containerRegistrySku":             "Premium",
		"azure.diagnostics":                      "true",
		"azure.roleAssignments[0].role":          "AzureML Data Scientist",
		"azure.roleAssignments[0].principalId":   somebody,
		"azure.roleAssignments[0].principalType": "User",
		"azure.workspaceIdentity":                "true",
		"workload.principalIds[0]":               somebody,
		"vault.reads.shared":                     "secret/data/somebody/else",
	},
	"closed": {
		"azure.publicNetworkAccess":                               "", // the endpoints close it
		"azure.createContainerRegistry":                           "true",
		"azure.privateEndpoints.subnetId":                         theirNetwork + "/subnets/endpoints",
		"azure.privateEndpoints.virtualNetworkId":                 theirNetwork,
		"azure.workspaceIdentity":                                 "true",
		"azure.customerManagedKey.keyVaultId":                     theirKeys,
		"azure.customerManagedKey.keyId":                          keyOf("theirkeys", "0"),
		"azure.managedNetwork.mode":                               "AllowOnlyApprovedOutbound",
		"azure.managedNetwork.outboundRules[0].name":              "packages",
		"azure.managedNetwork.outboundRules[0].fqdn":              "pypi.org",
		"azure.managedNetwork.outboundRules[1].name":              "monitor",
		"azure.managedNetwork.outboundRules[1].serviceTag":        "AzureMonitor",
		"azure.managedNetwork.outboundRules[1].portRanges":        "443,445",
		"azure.managedNetwork.outboundRules[2].name":              "data",
		"azure.managedNetwork.outboundRules[2].serviceResourceId": theirStorage,
		"azure.managedNetwork.outboundRules[2].subresource":       "blob",
		"vault.mount":       "own-kv",
		"vault.createMount": "true",
	},
	// plain has nothing that only a workspace of its own could have, but that workspace.
	"plain": {
		"azure.publicNetworkAccess": "",
	},
	"subnet": {
		"azure.publicNetworkAccess":                  "Disabled",
		"azure.serverlessComputeSettings.subnetId":   theirNetwork + "/subnets/jobs",
		"azure.serverlessComputeSettings.noPublicIp": "true",
		"compute[0].subnetId":                        theirNetwork + "/subnets/jobs",
	},
}

// keyOf is a key in a key vault, with a version that ends in a digit.
func keyOf(vault, digit string) string {
	return "https://" + vault + ".vault.azure.net/keys/key/0123456789abcdef0123456789abcde" + digit
}

// play is one change of one setting.
type play struct {
	// key is the setting's in the reference.
	key string
	// stack is the one that is changed.
	stack string
	// to are the settings that are then others, all of them part of the same change.
	to texts
	// does is for what no setting of the stack's file says.
	does func(*stage)
	// before an up, others do what the change needs: another Vault, a token, a cluster of their own.
	before func(s *stage, first *deployed)
	// after an up, others write to Vault what the note of the row says, at the path that it returns.
	after func(s *stage, changed *deployed) string
	// lasts is of what others made: definitions that name it go on when the change is taken back.
	lasts bool
	// again is of an up that fails, as the note of the row says, before one with a refresh. The way
	// back ends with one too.
	again bool
	// goesBack is of a change with a way back, without what was in it, as the note of the row says.
	// Where the row says that there is none, that is of another change.
	goesBack bool
	// unplayed says why no up here can play it.
	unplayed string
	// really are what an up does besides, where the plan does not show it.
	really []string
	// remains is what the way back leaves, as the note of the row says.
	remains string
	// taken are the jobs from which the change takes something, where the row leaves it to the case.
	taken taken
	// besides are what else a plan shows: what an up then does not do, because to the plan whatever is
	// updated may answer with something else, or what another setting of the same change does.
	besides []string
}

// changed is a play of an open stack whose setting is written with its own key.
func changed(key, to string) play {
	return play{key: key, stack: "open", to: texts{key: to}}
}

func closed(key, path, to string) play {
	return play{key: key, stack: "closed", to: texts{path: to}}
}

var plays = concat(
	playsOfTheTop, playsOfVault, playsOfWorkload, playsOfCompute,
	playsOfNames, playsOfWhatExists, playsOfNetwork, playsOfProtection,
)

func concat(parts ...[]play) []play {
	var all []play
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

var playsOfTheTop = []play{
	changed("azure-native:location", "northeurope"),
	{
		key:    "vaultAddress",
		stack:  "open",
		does:   (*stage).otherAddress,
		before: (*stage).otherVault,
		again:  true,
		really: []string{"makes or deletes the auth backend"},
	},
	{key: "vaultToken", stack: "open", does: (*stage).newToken, before: (*stage).otherToken},
	{
		key:   "credentials",
		stack: "open",
		does:  func(s *stage) { delete(s.credentials, "ml_api_key") },
		taken: fromBefore,
	},
	{key: "credentials", stack: "open", does: func(s *stage) {
		s.credentials["ml_api_key"] = map[string]any{"api_key": "rotated"}
	}},
}

var playsOfVault = []play{
	changed("vault.mount", "team-kv"),
	closed("vault.createMount", "vault.createMount", "false"),
	changed("vault.prefix", "teams/ml"),
	{
		key:   "vault.reads",
		stack: "open",
		to:    texts{"vault.reads.more": "secret/data/somebody/other"},
		taken: fromAfter,
	},
	{key: "vault.readers", stack: "open", to: texts{"vault.readers[0]": "mlvault/qa"}},
	{
		key:      "vault.namespace",
		stack:    "open",
		to:       texts{"vault.namespace": "team"},
		unplayed: "the Vault here has no namespaces",
	},
	{key: "vault.caCertFile", stack: "open", does: (*stage).otherCACertFile},
	changed("vault.skipChildToken", "true"),
	changed("vault.maxLeaseTtlSeconds", "900"),
	changed("vault.disableRead", "true"),
	changed("vault.deleteOnDestroy", "true"),
}

var playsOfWorkload = []play{
	changed("workload.audience", "api://other"),
	changed("workload.previousAudience", "api://other"),
	{key: "workload.issuer", stack: "open", does: (*stage).otherIssuer, taken: fromAll},
	{key: "workload.issuerCaPem", stack: "open", does: (*stage).otherIssuerCA},
	changed("workload.authPath", "jwt-moved"),
	{key: "workload.createAuthBackend", stack: "open", to: texts{
		"workload.authPath":          "jwt-theirs",
		"workload.createAuthBackend": "false",
	}},
	changed("workload.role", "jobs"),
	{
		key:   "workload.createRole",
		stack: "open",
		to: texts{
			"workload.authPath":          "jwt-theirs",
			"workload.createAuthBackend": "false",
			"workload.createRole":        "false",
		},
		besides: []string{"makes or deletes the auth backend"},
		after:   (*stage).theirRole,
		lasts:   true,
	},
	changed("workload.policy", "jobs"),
	{
		key:   "workload.createPolicy",
		stack: "open",
		to: texts{
			"workload.policy":       "theirs",
			"workload.createPolicy": "false",
		},
		after: (*stage).theirPolicy,
	},
	{key: "workload.identityId", stack: "plain", to: texts{"workload.identityId": otherIdentity}},
	{key: "workload.principalIds", stack: "open", to: texts{"workload.principalIds[1]": another}},
	changed("workload.serverless", "true"),
	changed("workload.publishAddress", "true"),
	changed("workload.endpoints", "true"),
	changed("workload.tokenTtlSeconds", "600"),
}

var playsOfCompute = []play{
	{key: "compute", stack: "open", to: texts{"compute": ""}, taken: fromAll},
	cluster("open", "name", "cpu"),
	cluster("open", "vmSize", "Standard_E8ds_v5"),
	cluster("open", "maxNodes", "3"),
	cluster("open", "minNodes", "1"),
	cluster("open", "idleSeconds", "300"),
	cluster("open", "lowPriority", "true"),
	cluster("subnet", "subnetId", theirNetwork+"/subnets/others"),
	{
		key:   "compute[].computeId",
		stack: "open",
		to: texts{
			"compute[0].vmSize":    "",
			"compute[0].maxNodes":  "",
			"compute[0].computeId": theirCluster,
		},
		before: (*stage).theirClusterHere,
		lasts:  true,
	},
}

// cluster is a play of one field of the first cluster.
func cluster(stack, field, to string) play {
	return play{key: "compute[]." + field, stack: stack, to: texts{"compute[0]." + field: to}}
}

var playsOfNames = []play{
	changed("azure.names.template", "ml-{stack}-{kind}"),
	changed("azure.names.resourceGroup", "rg-ml"),
	{
		key:     "azure.names.jobIdentity",
		stack:   "open",
		to:      texts{"azure.names.jobIdentity": "id-ml"},
		besides: []string{"updates the key vault"},
	},
	changed("azure.names.workspaceIdentity", "id-ml-workspace"),
	changed("azure.names.storageAccount", "mlnamedstore"),
	changed("azure.names.keyVault", "kv-ml-named"),
	changed("azure.names.logAnalytics", "log-ml"),
	changed("azure.names.applicationInsights", "appi-ml"),
	changed("azure.names.containerRegistry", "mlnamedimages"),
	changed("azure.names.workspace", "mlw-ml"),
	{
		key:   "azure.tags",
		stack: "open",
		to:    texts{"azure.tags.team": "ml"},
		besides: []string{
			"replaces role assignments", "updates the jobs' role", "updates the secrets",
		},
	},
	{key: "azure.ignoreTags", stack: "open", to: texts{"azure.ignoreTags[0]": "CostCenter"}},
}

var playsOfWhatExists = []play{
	{key: "azure.workspaceId", stack: "plain", to: texts{"azure.workspaceId": theirML}},
	changed("azure.existingResourceGroup", "platform"),
	{
		key:    "azure.storageAccountId",
		stack:  "open",
		to:     texts{"azure.storageAccountId": theirStorage},
		before: (*stage).ownersGiveRoles,
	},
	{
		key:    "azure.keyVaultId",
		stack:  "open",
		to:     texts{"azure.keyVaultId": otherKeys},
		before: (*stage).ownersGiveRoles,
	},
	{key: "azure.applicationInsightsId", stack: "open", to: texts{
		"azure.applicationInsightsId": theirInsights,
	}},
	{key: "azure.applicationInsightsId", stack: "subnet", to: texts{
		"azure.applicationInsightsId": theirInsights,
	}},
	changed("azure.logAnalyticsWorkspaceId", theirLogs),
	{key: "azure.containerRegistryId", stack: "open", to: texts{
		"azure.createContainerRegistry": "",
		"azure.containerRegistrySku":    "",
		"azure.containerRegistryId":     theirRegistry,
	}},
	{key: "azure.createContainerRegistry", stack: "subnet", to: texts{
		"azure.createContainerRegistry": "true",
	}},
	changed("azure.containerRegistrySku", "Standard"),
	changed("azure.storage.sharedKeys", "false"),
	changed("azure.storage.infrastructureEncryption", "false"),
	changed("azure.logs.publicIngestion", "false"),
	changed("azure.logs.publicQuery", "false"),
	changed("azure.logs.localAuth", "false"),
}

var playsOfNetwork = []play{
	{
		key:   "azure.publicNetworkAccess",
		stack: "subnet",
		to: texts{
			"azure.publicNetworkAccess":                  "Enabled",
			"azure.serverlessComputeSettings.noPublicIp": "",
			"compute[0].subnetId":                        "",
		},
		besides: []string{"replaces the cluster"},
	},
	{
		key:   "azure.publicNetworkAccess",
		stack: "open", // which makes a registry
		to: texts{
			"azure.publicNetworkAccess": "Disabled",
			"compute[0].subnetId":       theirNetwork + "/subnets/jobs",
		},
		besides: []string{"replaces the cluster"},
	},
	changed("azure.managedNetwork.mode", "AllowInternetOutbound"),
	closed("azure.managedNetwork.firewallSku", "azure.managedNetwork.firewallSku", "Basic"),
	{
		key:   "azure.managedNetwork.vaultRule",
		stack: "closed",
		to:    texts{"azure.managedNetwork.vaultRule": "false"},
		does:  func(s *stage) { s.address = sandbox.NamedAddress },
	},
	rule("name", 0, "files"),
	rule("fqdn", 0, "files.pythonhosted.org"),
	rule("serviceTag", 1, "AzureActiveDirectory"),
	rule("protocol", 1, "UDP"),
	rule("portRanges", 1, "80,443"),
	rule("serviceResourceId", 2, otherStorage),
	rule("subresource", 2, "file"),
	rule("sparkEnabled", 2, "true"),
	{
		key:   "azure.privateEndpoints",
		stack: "open",
		to: texts{
			"azure.publicNetworkAccess":       "", // the endpoints close it
			"azure.privateEndpoints.subnetId": theirNetwork + "/subnets/endpoints",
			"compute[0].subnetId":             theirNetwork + "/subnets/jobs",
		},
		besides: []string{"replaces the cluster"},
	},
	{
		key:   "azure.privateEndpoints",
		stack: "subnet",
		to: texts{
			"azure.containerRegistryId":               theirRegistry,
			"azure.privateEndpoints.subnetId":         theirNetwork + "/subnets/endpoints",
			"azure.privateEndpoints.virtualNetworkId": theirNetwork,
		},
		remains: ".properties.containerRegistry is",
	},
	closed("azure.privateEndpoints.subnetId", "azure.privateEndpoints.subnetId",
		theirNetwork+"/subnets/others"),
	{key: "azure.privateEndpoints.dnsZoneIds", stack: "closed", to: theirZonesInstead()},
	closed("azure.privateEndpoints.virtualNetworkId", "azure.privateEndpoints.virtualNetworkId",
		otherNetwork),
	closed("azure.privateEndpoints.virtualNetworkId", "azure.privateEndpoints.virtualNetworkId", ""),
	{key: "azure.serverlessComputeSettings", stack: "open", to: texts{
		"azure.serverlessComputeSettings.subnetId": theirNetwork + "/subnets/jobs",
	}},
	{key: "azure.serverlessComputeSettings.subnetId", stack: "subnet", to: texts{
		"azure.serverlessComputeSettings.subnetId": theirNetwork + "/subnets/others",
	}},
	{key: "azure.serverlessComputeSettings.noPublicIp", stack: "subnet", to: texts{
		"azure.serverlessComputeSettings.noPublicIp": "false",
	}},
}

// rule is a play of one field of an outbound rule.
func rule(field string, index int, to string) play {
	list := "azure.managedNetwork.outboundRules"
	at := list + "[" + string(rune('0'+index)) + "]." + field
	return closed(list+"[]."+field, at, to)
}

func theirZonesInstead() texts {
	to := texts{"azure.privateEndpoints.virtualNetworkId": ""}
	for i, zone := range zones {
		to["azure.privateEndpoints.dnsZoneIds["+string(rune('0'+i))+"]"] = theirZones + zone
	}
	return to
}

var playsOfProtection = []play{
	changed("azure.hbiWorkspace", "true"),
	{key: "azure.customerManagedKey", stack: "open", to: texts{
		"azure.customerManagedKey.keyVaultId": theirKeys,
		"azure.customerManagedKey.keyId":      keyOf("theirkeys", "0"),
	}},
	{key: "azure.customerManagedKey.keyVaultId", stack: "closed", to: texts{
		"azure.customerManagedKey.keyVaultId": otherKeys,
		"azure.customerManagedKey.keyId":      keyOf("otherkeys", "0"),
	}},
	closed("azure.customerManagedKey.keyId", "azure.customerManagedKey.keyId", keyOf("theirkeys", "1")),
	closed("azure.customerManagedKey.identityId", "azure.customerManagedKey.identityId", otherIdentity),
	changed("azure.keyVaultPurgeProtection", "true"),
	changed("azure.diagnostics", "false"),
	{key: "azure.diagnostics", stack: "subnet", to: texts{"azure.diagnostics": "true"}},
	{key: "azure.roleAssignments[].role", stack: "open", to: texts{
		"azure.roleAssignments[0].role": "AzureML Compute Operator",
	}},
	{key: "azure.roleAssignments[].principalId", stack: "open", to: texts{
		"azure.roleAssignments[0].principalId": another,
	}},
	{key: "azure.roleAssignments[].principalType", stack: "open", to: texts{
		"azure.roleAssignments[0].principalType": "Group",
	}},
	{key: "azure.workspaceIdentity", stack: "subnet", to: texts{"azure.workspaceIdentity": "true"}},
	{
		key:   "azure.workspaceIdentityId",
		stack: "open", // which makes one
		to: texts{
			"azure.workspaceIdentity":   "",
			"azure.workspaceIdentityId": theirIdentity,
		},
		goesBack: true,
	},
	{key: "azure.workspaceIdentityId", stack: "subnet", to: texts{
		"azure.workspaceIdentityId": theirIdentity,
	}},
	{key: "azure.userAssignedIdentityIds", stack: "open", to: texts{
		"azure.userAssignedIdentityIds[0]": otherIdentity,
	}},
	{key: "azure.jobIdentityRoles", stack: "open", to: texts{
		"azure.jobIdentityRoles[0]": "Storage Blob Data Contributor",
	}},
	changed("azure.lock", "CanNotDelete"),
	changed("azure.protect", "true"),
	changed("azure.retain", "true"),
}
