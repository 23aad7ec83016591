package stack

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"mlvault/internal/pulumitest"
)

const (
	inGroup = "/subscriptions/5a9db0c5-0000-4000-8000-000000000009/resourceGroups/data/providers/"

	storageID  = inGroup + "Microsoft.Storage/storageAccounts/mlstore"
	keyVaultID = inGroup + "Microsoft.KeyVault/vaults/mlkv"
	insightsID = inGroup + "Microsoft.Insights/components/mlinsights"
	logsID     = inGroup + "Microsoft.OperationalInsights/workspaces/mllogs"
	registryID = inGroup + "Microsoft.ContainerRegistry/registries/mlimages"

	workspaceType = "azure-native:machinelearningservices/v20241001:Workspace"
)

func withAzure(t *testing.T, settings string) *pulumitest.Recorder {
	t.Helper()
	return mustRun(t, "dev", set("mlvault:azure", settings))
}

// azureChildren are the names of the Azure half's resources.
func azureChildren(t *testing.T, settings string) []string {
	t.Helper()
	var names []string
	for _, registration := range withAzure(t, settings).Registrations() {
		if registration.Parent == "ml" {
			names = append(names, registration.Name)
		}
	}
	return names
}

// The golden file of byo has all of it, and how the workspace is wired.
func TestEachThingThatExistsTakesThePlaceOfWhatWouldBeMade(t *testing.T) {
	all := azureChildren(t, `{}`)
	for settings, replaced := range map[string][]string{
		`{"existingResourceGroup":"data"}`:               {"ml-group"},
		`{"storageAccountId":"` + storageID + `"}`:       {"mlstorage"},
		`{"keyVaultId":"` + keyVaultID + `"}`:            {"ml-kv"},
		`{"applicationInsightsId":"` + insightsID + `"}`: {"ml-insights", "ml-logs"},
		`{"logAnalyticsWorkspaceId":"` + logsID + `"}`:   {"ml-logs"},
		`{"containerRegistryId":"` + registryID + `"}`:   nil,
	} {
		isReplaced := func(name string) bool { return slices.Contains(replaced, name) }
		want := slices.DeleteFunc(slices.Clone(all), isReplaced)
		if got := azureChildren(t, settings); !slices.Equal(got, want) {
			t.Errorf("%s: made are %v, want %v", settings, got, want)
		}
	}
}

const (
	subnetID = "/subscriptions/5a9db0c5-0000-4000-8000-000000000009/resourceGroups/data/providers/" +
		"Microsoft.Network/virtualNetworks/hub/subnets/ml"

	storageType  = "azure-native:storage/v20220901:StorageAccount"
	registryType = "azure-native:containerregistry/v20230701:Registry"
	insightsType = "azure-native:insights/v20200202:Component"
	stashType    = "pulumi:index:Stash"
	identityType = "azure-native:managedidentity/v20230131:UserAssignedIdentity"
	clusterType  = "azure-native:machinelearningservices/v20241001:Compute"
)

// inputsOf are the inputs of the one resource of a type.
func inputsOf(t *testing.T, r *pulumitest.Recorder, kind, name string) map[string]any {
	t.Helper()
	registration, found := r.Find(kind, name)
	if !found {
		t.Fatalf("there is no %s %s", kind, name)
	}
	return registration.Inputs
}

func TestAServerlessJobMayRunAsTheJobIdentity(t *testing.T) {
	serverless := set("mlvault:workload", `{"audience":"api://mlvault-dev","serverless":true}`)
	const job, own = "UserAssignedIdentity/ml-identity", "UserAssignedIdentity/ml-workspace-identity"

	workspace := inputsOf(t, mustRun(t, "dev", serverless), workspaceType, "ml-workspace")
	want := map[string]any{"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": []any{job}}
	if !reflect.DeepEqual(workspace["identity"], want) {
		t.Errorf("the identities are %v, want %v", workspace["identity"], want)
	}
	if primary, isSet := workspace["primaryUserAssignedIdentity"]; isSet {
		t.Errorf("the workspace itself acts as %v, and not as its own identity", primary)
	}

	withOwn := set("mlvault:azure", `{"workspaceIdentity":true}`)
	workspace = inputsOf(t, mustRun(t, "dev", serverless, withOwn), workspaceType, "ml-workspace")
	want = map[string]any{"type": "UserAssigned", "userAssignedIdentities": []any{own, job}}
	if !reflect.DeepEqual(workspace["identity"], want) {
		t.Errorf("the identities are %v, want %v", workspace["identity"], want)
	}
	if workspace["primaryUserAssignedIdentity"] != own {
		t.Errorf("the workspace acts as %v", workspace["primaryUserAssignedIdentity"])
	}
}

func TestIdentitiesThatExistAreAttachedToTheWorkspaceBesideItsOwn(t *testing.T) {
	const id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/" +
		"Microsoft.ManagedIdentity/userAssignedIdentities/"
	ids := []any{id + "scoring", id + "training"}
	attach := set("mlvault:azure", `{"userAssignedIdentityIds":["`+id+`scoring","`+id+`training"]}`)
	r := mustRun(t, "dev", attach)
	workspace := inputsOf(t, r, workspaceType, "ml-workspace")
	want := map[string]any{"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": ids}
	if !reflect.DeepEqual(workspace["identity"], want) {
		t.Errorf("the identities are %v, want %v", workspace["identity"], want)
	}
}

func TestWithoutPublicAccessAllThatIsMadeIsClosed(t *testing.T) {
	r := mustRun(t, "dev",
		set("mlvault:azure", `{"publicNetworkAccess":"Disabled","createContainerRegistry":true}`),
		set("mlvault:compute", `[{"subnetId":"`+subnetID+`"}]`))
	for kind, name := range map[string]string{
		workspaceType: "ml-workspace", storageType: "mlstorage", registryType: "mlregistry",
	} {
		if access := inputsOf(t, r, kind, name)["publicNetworkAccess"]; access != "Disabled" {
			t.Errorf("%s: public access is %v", name, access)
		}
	}
	vault := inputsOf(t, r, "azure-native:resources/v20220901:Resource", "ml-kv")
	properties, _ := vault["properties"].(map[string]any)
	if properties["publicNetworkAccess"] != "Disabled" {
		t.Errorf("ml-kv: public access is %v", properties["publicNetworkAccess"])
	}
	// Nobody outside can build an image for a registry that is closed.
	workspace := inputsOf(t, r, workspaceType, "ml-workspace")
	if workspace["imageBuildCompute"] != "ml-cluster" {
		t.Errorf("images are built on %v", workspace["imageBuildCompute"])
	}
}

func TestAClusterInANetworkOfOnesOwnWaitsForTheEndpoints(t *testing.T) {
	r := mustRun(t, "dev",
		set("mlvault:azure", `{"createContainerRegistry":true,`+
			`"privateEndpoints":{"subnetId":"`+subnetID+`"}}`),
		set("mlvault:compute", `[{"subnetId":"`+subnetID+`"}]`))
	cluster, _ := r.Find(clusterType, "ml-cluster")
	if !slices.Contains(cluster.DependsOn, "ml-amlworkspace-endpoint") {
		t.Errorf("the cluster waits for %v", cluster.DependsOn)
	}
}

// A cluster that was made outside of a managed network stays outside. Azure ML wants it deleted
// before the workspace gets the network.
func TestAManagedNetworkThatIsSwitchedOnTakesTheClusterAlong(t *testing.T) {
	without := inputsOf(t, withAzure(t, `{}`), stashType, "ml-cluster-fixed")
	r := withAzure(t, `{"managedNetwork":{"mode":"AllowInternetOutbound"}}`)
	with := inputsOf(t, r, stashType, "ml-cluster-fixed")
	if reflect.DeepEqual(with, without) {
		t.Errorf("the cluster is not made again: %v", with)
	}
	workspace, _ := r.Find(workspaceType, "ml-workspace")
	if !slices.Contains(workspace.DependsOn, "ml-cluster-fixed") {
		t.Errorf("the workspace waits for %v", workspace.DependsOn)
	}
}

func TestStorageAndLogsMayBeClosedFurther(t *testing.T) {
	r := withAzure(t, `{
		"storage": {"sharedKeys": false, "infrastructureEncryption": false},
		"logs": {"publicIngestion": false, "publicQuery": false, "localAuth": false}
	}`)
	account := inputsOf(t, r, storageType, "mlstorage")
	encryption, _ := account["encryption"].(map[string]any)
	if account["allowSharedKeyAccess"] != false {
		t.Errorf("the keys open the account: %v", account)
	}
	if encryption["requireInfrastructureEncryption"] != false {
		t.Errorf("the account is encrypted twice: %v", account)
	}
	for kind, name := range map[string]string{
		"azure-native:operationalinsights/v20221001:Workspace": "ml-logs",
		insightsType: "ml-insights",
	} {
		inputs := inputsOf(t, r, kind, name)
		for _, access := range []string{"Ingestion", "Query"} {
			if inputs["publicNetworkAccessFor"+access] != "Disabled" {
				t.Errorf("%s: %s is %v", name, access, inputs)
			}
		}
	}
	if inputsOf(t, r, insightsType, "ml-insights")["disableLocalAuth"] != true {
		t.Error("Application Insights take telemetry without an identity")
	}
}

// The golden files of prod and closed have the other kinds, and the rules that are made by
// themselves.
func TestAServiceTagAndAnEndpointForSparkAreSentAsARMNamesThem(t *testing.T) {
	r := withAzure(t, `{"managedNetwork": {
		"mode": "AllowOnlyApprovedOutbound",
		"firewallSku": "Basic",
		"outboundRules": [
			{"name": "logs", "serviceTag": "AzureMonitor", "portRanges": "443"},
			{"name": "store", "subresource": "blob", "sparkEnabled": true,
				"serviceResourceId": "`+storageID+`"}
		]
	}}`)
	workspace, _ := r.Find(workspaceType, "ml-workspace")
	network, _ := workspace.Inputs["managedNetwork"].(map[string]any)
	rules, _ := network["outboundRules"].(map[string]any)
	requireRule(t, rules["logs"], "ServiceTag", map[string]any{
		"serviceTag": "AzureMonitor", "protocol": "TCP", "portRanges": "443",
	})
	requireRule(t, rules["store"], "PrivateEndpoint", map[string]any{
		"serviceResourceId": storageID, "subresourceTarget": "blob", "sparkEnabled": true,
	})
	if network["firewallSku"] != "Basic" {
		t.Errorf("the network is %v", network)
	}
}

func requireRule(t *testing.T, got any, kind string, destination map[string]any) {
	t.Helper()
	want := map[string]any{"type": kind, "category": "UserDefined", "destination": destination}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the rule is %v, want %v", got, want)
	}
}

// Microsoft, "Access Azure resources from an online endpoint with a managed identity": a
// user-assigned identity gets neither role by itself.
func TestEndpointsGiveTheJobIdentityWhatAnOnlineEndpointNeeds(t *testing.T) {
	const (
		workload = `{"audience":"api://x","endpoints":true}`
		reads    = "ml-job-blob-reader"
		pulls    = "ml-registry-pull"
	)
	for _, test := range []struct {
		azure string
		want  []string
	}{
		{azure: `{"createContainerRegistry":true}`, want: []string{reads, pulls}},
		{
			azure: `{"createContainerRegistry":true,"jobIdentityRoles":["Storage Blob Data Contributor"]}`,
			want:  []string{"ml-job-blobs", pulls},
		},
		{
			azure: `{"createContainerRegistry":true,"storageAccountId":"` + storageID + `"}`,
			want:  []string{pulls},
		},
	} {
		made := mustRun(t, "dev", set("mlvault:workload", workload), set("mlvault:azure", test.azure))
		var got []string
		for _, registration := range made.Registrations() {
			isRole := registration.Inputs["roleDefinitionId"] != nil
			if isRole && strings.HasPrefix(registration.Name, "ml-") {
				got = append(got, registration.Name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: roles are %v, want %v", test.azure, got, test.want)
		}
	}
}

const (
	workspaceID = "/subscriptions/5a9db0c5-0000-4000-8000-000000000008/resourceGroups/theirs/providers/" +
		"Microsoft.MachineLearningServices/workspaces/their-ml"
	identityID = "/subscriptions/5a9db0c5-0000-4000-8000-000000000007/resourceGroups/ids/providers/" +
		"Microsoft.ManagedIdentity/userAssignedIdentities/their-jobs"
)

// The golden file of brownfield has a stack that makes nothing in Azure.
func TestBesideAWorkspaceThatExistsOnlyTheJobIdentityAndClustersAreMade(t *testing.T) {
	r := mustRun(t, "dev",
		set("mlvault:azure", `{"workspaceId":"`+workspaceID+`","tags":{"team":"ml"}}`),
		set("mlvault:compute", `[{"maxNodes":2},{"computeId":"`+workspaceID+`/computes/gpu"}]`))
	var names []string
	for _, registration := range r.Registrations() {
		if registration.Parent == "ml" {
			names = append(names, registration.Name)
		}
	}
	want := []string{"ml-cluster", "ml-existing-workspace", "ml-identity", "ml-cluster-fixed"}
	if !slices.Equal(names, want) {
		t.Errorf("beside it there are %v, want %v", names, want)
	}
	workspace, _ := r.Find(workspaceType, "ml-existing-workspace")
	if workspace.Read != workspaceID {
		t.Errorf("the workspace is not read but made: %+v", workspace)
	}
	cluster := inputsOf(t, r, clusterType, "ml-cluster")
	identity := inputsOf(t, r, identityType, "ml-identity")
	for _, made := range []map[string]any{cluster, identity} {
		if made["resourceGroupName"] != "theirs" || made["location"] != "northeurope" {
			t.Errorf("it is not where the workspace is: %v", made)
		}
	}
	if cluster["workspaceName"] != "their-ml" {
		t.Errorf("the cluster is in another workspace: %v", cluster)
	}
}

func TestTheJobIdentityIsMadeInTheGroupThatTheSettingsName(t *testing.T) {
	r := mustRun(t, "dev",
		set("mlvault:azure", `{"workspaceId":"`+workspaceID+`","existingResourceGroup":"ids"}`))
	identity := inputsOf(t, r, identityType, "ml-identity")
	cluster := inputsOf(t, r, clusterType, "ml-cluster")
	if identity["resourceGroupName"] != "ids" || cluster["resourceGroupName"] != "theirs" {
		t.Errorf("the identity is in %v, the cluster in %v",
			identity["resourceGroupName"], cluster["resourceGroupName"])
	}
}

func TestAnIdentityThatExistsIsTheJobIdentityOfWhatIsMade(t *testing.T) {
	r := mustRun(t, "dev",
		set("mlvault:azure", `{"createContainerRegistry":true}`),
		set("mlvault:workload", `{"audience":"api://x","serverless":true,"identityId":"`+identityID+`"}`))
	read, _ := r.Find(identityType, "ml-identity")
	if read.Read != identityID {
		t.Errorf("the identity is not read but made: %+v", read)
	}
	for kind, name := range map[string]string{clusterType: "ml-cluster", workspaceType: "ml-workspace"} {
		identity, _ := inputsOf(t, r, kind, name)["identity"].(map[string]any)
		if !reflect.DeepEqual(identity["userAssignedIdentities"], []any{identityID}) {
			t.Errorf("%s carries %v", name, identity)
		}
	}
	pull := inputsOf(t, r, "azure-native:authorization/v20220401:RoleAssignment", "ml-registry-pull")
	if pull["principalId"] != "22222222-2222-2222-2222-222222222222" {
		t.Errorf("who may pull is %v", pull["principalId"])
	}
}

func TestWhatIsMadeIsKeptUntilItIsLetGoOf(t *testing.T) {
	made := withAzure(t, `{"diagnostics":true,"lock":"CanNotDelete","workspaceIdentity":true}`)
	let := withAzure(t, `{"diagnostics":true,"lock":"CanNotDelete","workspaceIdentity":true,"retain":true}`)
	for _, registration := range made.Registrations() {
		if !strings.HasPrefix(registration.Type, "azure-native:") {
			continue
		}
		isKept := slices.Contains(registration.Hooks, "delete mlvault:workspace-stays")
		if !isKept || registration.RetainOnDelete {
			t.Errorf("%s may be lost", registration.Name)
		}
		released, _ := let.Find(registration.Type, registration.Name)
		isKept = slices.Contains(released.Hooks, "delete mlvault:workspace-stays")
		isOwn := slices.Contains([]string{"ml-cluster", "ml-identity"}, registration.Name)
		if isKept != isOwn || released.RetainOnDelete == isOwn {
			t.Errorf("%s is not let go of as it should be", registration.Name)
		}
	}
}
