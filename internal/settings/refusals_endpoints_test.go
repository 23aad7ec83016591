package settings

var refusalsOfEndpoints = []refusal{
	{
		name: "endpoints from nowhere",
		edit: endpoints(``),
		want: "azure.privateEndpoints.subnetId: is missing",
	},
	{
		name: "endpoints from a network",
		edit: endpoints(`"subnetId":"` + aNetwork + `"`),
		want: "is the id of a Microsoft.Network/virtualNetworks, not of a Microsoft.Network/virtualNetworks/subnets",
	},
	{
		name: "endpoints beside public access",
		edit: alter(endpoints(aSubnet), "azure", `{`, `{"publicNetworkAccess":"Enabled",`),
		want: "azure.publicNetworkAccess: is Enabled, and azure.privateEndpoints closes it",
	},
	{
		name: "endpoints without a cluster",
		edit: alter(endpoints(aSubnet), "compute", `[{"maxNodes":2}]`, `[]`),
		want: "compute: makes no cluster, and azure.privateEndpoints needs one",
	},
	{
		name: "endpoints beside a cluster that somebody else makes",
		edit: alter(endpoints(aSubnet), "compute", `"maxNodes":2`, `"computeId":"`+aCluster+`"`),
		want: "compute: makes no cluster, and azure.privateEndpoints needs one",
	},
	{
		name: "endpoints that the cluster does not reach",
		edit: alter(endpoints(aSubnet), "azure", "AllowInternetOutbound", "Disabled"),
		want: "compute[0].subnetId: is missing, and azure.privateEndpoints closes",
	},
	{
		name: "endpoints beside a public registry",
		edit: alter(endpoints(aSubnet), "azure", `"createContainerRegistry":true`, `"hbiWorkspace":true`),
		want: "azure.privateEndpoints: needs a registry",
	},
	{
		name: "endpoints to a registry that has none",
		edit: alter(endpoints(aSubnet), "azure", `{`, `{"containerRegistrySku":"Basic",`),
		want: `azure.containerRegistrySku: "Basic" has no private endpoint`,
	},
	{
		name: "zones that are made and brought",
		edit: endpoints(aSubnet + `,"virtualNetworkId":"` + aNetwork + `","dnsZoneIds":["` + zoneID + `"]`),
		want: "azure.privateEndpoints.virtualNetworkId: is for zones that are made",
	},
	{
		name: "zones that lack one",
		edit: endpoints(aSubnet + `,"dnsZoneIds":["` + zoneID + `"]`),
		want: "dnsZoneIds: lacks privatelink.api.azureml.ms, privatelink.azurecr.io, ",
	},
	{
		name: "zones for a subnet",
		edit: endpoints(aSubnet + `,"virtualNetworkId":"` + aNetwork + `/subnets/a"`),
		want: "azure.privateEndpoints.virtualNetworkId: ",
	},
	{
		name: "nodes without public addresses, and no endpoint of the workspace",
		edit: set("compute", `[{`+aSubnet+`}]`),
		want: "compute[0].subnetId: needs a private endpoint of the workspace",
	},
	{
		name: "serverless nodes without public addresses, and no endpoint of the workspace",
		edit: set("azure", `{"serverlessComputeSettings":{`+aSubnet+`,"noPublicIp":true}}`),
		want: "azure.serverlessComputeSettings.noPublicIp: needs a private endpoint of the workspace",
	},
	{
		name: "a closed registry that nobody builds for",
		edit: set("azure", `{"publicNetworkAccess":"Disabled","createContainerRegistry":true}`),
		want: "compute: makes no cluster, and azure.publicNetworkAccess needs one",
	},
	{
		name: "a closed storage account that the cluster does not reach",
		edit: func(f fake) {
			set("compute", `[{"maxNodes":2}]`)(f)
			set("azure", `{"publicNetworkAccess":"Disabled"}`)(f)
		},
		want: "compute[0].subnetId: is missing, and azure.publicNetworkAccess closes",
	},
	{
		name: "a closed registry of a size that cannot be closed",
		edit: func(f fake) {
			set("compute", `[{`+aSubnet+`}]`)(f)
			set("azure", `{"publicNetworkAccess":"Disabled","createContainerRegistry":true,`+
				`"containerRegistrySku":"Basic"}`)(f)
		},
		want: `azure.containerRegistrySku: "Basic" has no private endpoint`,
	},
	{
		name: "a subnet beside a managed network",
		edit: alter(endpoints(aSubnet), "compute", `{`, `{`+aSubnet+`,`),
		want: "compute[0].subnetId: and azure.managedNetwork exclude each other",
	},
	{
		name: "serverless jobs beside a managed network",
		edit: alter(endpoints(aSubnet), "azure", `{`, `{"serverlessComputeSettings":{`+aSubnet+`},`),
		want: "azure.serverlessComputeSettings.subnetId: and azure.managedNetwork exclude",
	},
}
