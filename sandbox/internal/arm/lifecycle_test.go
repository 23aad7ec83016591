package arm_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/arm"
)

func TestEveryTypeIsCreatedReadUpdatedAndDeleted(t *testing.T) {
	c := newCloud(t)
	made := map[string]deployed{}
	for _, s := range program {
		d := c.mustCreate(s)
		assert.NotEmpty(t, d.outputs["name"].StringValue())
		assert.NotEmpty(t, d.outputs["type"].StringValue())
		assert.False(t, d.outputs.ContainsUnknowns())
		_, found := c.Resource(strings.ToUpper(string(d.id)))
		assert.True(t, found, "ids are compared without regard to case")
		read := c.read(d)
		assert.Equal(t, d.id, read.ID)
		assert.Equal(t, d.outputs, read.Outputs, "a refresh of an unchanged %s changes no output", s.name)
		assert.Equal(t, d.inputs, read.Inputs, "nor an input")

		changed := s
		if inputs := s.properties(); inputs["location"].IsString() {
			changed = s.edited(object{"tags": object{"owner": "ml"}})
		}
		updated, err := c.update(d, changed)
		require.NoError(t, err, s.name)
		assert.Equal(t, d.outputs["name"], updated.outputs["name"])
		assert.Equal(t, changed.properties()["tags"], updated.outputs["tags"])
		made[s.name] = updated
	}
	for _, s := range slices.Backward(program) {
		d := made[s.name]
		c.destroy(d)
		assert.Empty(t, c.read(d).ID, "a read finds nothing")
		c.destroy(d) // what is gone is deleted already
	}
	assert.Empty(t, c.List("Microsoft.MachineLearningServices/workspaces"))
}

func TestAnUnknownTypeIsRefusedWithTheListOfKnownOnes(t *testing.T) {
	c := newCloud(t)
	s := sample{"azure-native:network:VirtualNetwork", "net", object{}}
	_, err := c.engine.Check(context.Background(), plugin.CheckRequest{URN: s.urn(), News: s.properties()})
	require.ErrorContains(t, err, "no azure-native:network:VirtualNetwork")
	require.ErrorContains(t, err, "azure-native:keyvault/v20230201:Vault")
}

func TestOutputsHaveTheNamesAndValuesOfAzureNative(t *testing.T) {
	made := newCloud(t)
	all := made.createAll(program...)

	id := all["identity"]
	assert.Equal(t, arm.PrincipalID(identityID), id.outputs["principalId"].StringValue())
	assert.Equal(t, arm.ClientID(identityID), id.outputs["clientId"].StringValue())
	assert.Equal(t, arm.TenantID, id.outputs["tenantId"].StringValue())
	assert.NotEqual(t, arm.PrincipalID(identityID), arm.ClientID(identityID))
	assert.Equal(t, arm.PrincipalID(identityID), arm.PrincipalID(strings.ToLower(identityID)))

	assert.Equal(t, resource.NewBoolProperty(true), all["storage"].outputs["enableHttpsTrafficOnly"])
	assert.Equal(t, "https://stml.blob.core.windows.net/", all["storage"].outputs["primaryEndpoints"].ObjectValue()["blob"].StringValue())
	assert.Equal(t, "Deny", all["storage"].outputs["networkRuleSet"].ObjectValue()["defaultAction"].StringValue())
	assert.Equal(t, "https://kv-ml.vault.azure.net/", all["vault"].outputs["properties"].ObjectValue()["vaultUri"].StringValue())
	assert.Equal(t, "appi-ml", all["insights"].outputs["applicationId"].StringValue())
	assert.Contains(t, all["insights"].outputs["connectionString"].StringValue(), all["insights"].outputs["instrumentationKey"].StringValue())

	own := all["workspace"].outputs["identity"].ObjectValue()
	assert.Equal(t, arm.PrincipalID(mlID), own["principalId"].StringValue())
	for id, assigned := range own["userAssignedIdentities"].ObjectValue() {
		assert.True(t, strings.EqualFold(identityID, string(id)))
		assert.Equal(t, arm.PrincipalID(identityID), assigned.ObjectValue()["principalId"].StringValue())
	}
	assert.Equal(t, mlID, all["assignment"].outputs["scope"].StringValue())
}

// MicrosoftDocs and the AVM Terraform module: the service returns Microsoft.insights and Microsoft.Keyvault.
func TestARMSpellsIdsItsOwnWayAndRefreshDoesNotMind(t *testing.T) {
	c := newCloud(t)
	c.createAll(before(workspace)...)
	written := workspace.edited(object{"applicationInsights": strings.Replace(insightsID, "microsoft.insights", "Microsoft.Insights", 1)})
	d := c.mustCreate(written)

	assert.Contains(t, d.outputs["applicationInsights"].StringValue(), "/microsoft.insights/")
	assert.Contains(t, d.outputs["keyVault"].StringValue(), "/Microsoft.Keyvault/")
	for id := range d.outputs["identity"].ObjectValue()["userAssignedIdentities"].ObjectValue() {
		assert.Contains(t, string(id), "/resourcegroups/")
	}
	refreshed := c.read(d)
	assert.Equal(t, written.inputs["keyVault"], refreshed.Inputs["keyVault"].StringValue(), "the user's spelling stays")
	d.inputs, d.outputs = refreshed.Inputs, refreshed.Outputs
	assert.Equal(t, plugin.DiffNone, c.diff(d, written).Changes)
}

func TestARefreshFindsWhatSomebodyElseChanged(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(before(compute)...)
	doc, _ := c.Resource(mlID)
	doc["tags"] = object{"environment": "dev", "touched": "by hand"}
	properties, isObject := doc["properties"].(object)
	require.True(t, isObject)
	properties["publicNetworkAccess"] = "Disabled"
	require.NoError(t, c.Seed(mlID, doc))

	read := c.read(made["workspace"])
	assert.Equal(t, "Disabled", read.Inputs["publicNetworkAccess"].StringValue())
	assert.Equal(t, "by hand", read.Inputs["tags"].ObjectValue()["touched"].StringValue())
	assert.Equal(t, storageID, read.Inputs["storageAccount"].StringValue())
	assert.NotContains(t, read.Inputs, resource.PropertyKey("workspaceId"))
}

func TestAnImportReadsInputsFromTheIdAndTheDocument(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(program...)
	for _, name := range []string{"storage", "workspace", "compute", "assignment", "diagnostics"} {
		read, err := c.engine.Read(context.Background(), plugin.ReadRequest{URN: made[name].urn(), ID: made[name].id})
		require.NoError(t, err)
		for input := range made[name].inputs {
			assert.Contains(t, read.Inputs, input, name)
		}
	}
}

func TestAutomaticNames(t *testing.T) {
	c := newCloud(t)
	unnamed := group.edited(object{"resourceGroupName": nil})
	first, second := c.check(unnamed, nil), c.check(unnamed, nil)
	assert.Regexp(t, `^group[0-9a-f]{8}$`, first.Properties["resourceGroupName"].StringValue())
	assert.Equal(t, first.Properties, second.Properties, "they are made from the engine's seed")

	d := c.mustCreate(unnamed)
	updated, err := c.update(d, unnamed.edited(object{"tags": object{"a": "b"}}))
	require.NoError(t, err)
	assert.Equal(t, d.inputs["resourceGroupName"], updated.inputs["resourceGroupName"], "they are kept on every update")
	assert.Equal(t, plugin.DiffNone, c.diff(d, unnamed).Changes)
	replaced := c.diff(d, unnamed.edited(object{"location": "northeurope"}))
	assert.False(t, replaced.DeleteBeforeReplace, "a made-up name lets the new one be created first")

	name := c.check(assignment.edited(object{"roleAssignmentName": nil}), nil).Properties["roleAssignmentName"]
	assert.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, name.StringValue())

	s := storage.edited(object{"accountName": nil})
	s.name = "ml-storage"
	failures := c.check(s, nil).Failures
	require.Len(t, failures, 1, "azure-native does not make a name fit a storage account")
	assert.Equal(t, resource.PropertyKey("accountName"), failures[0].Property)
}

func TestADiffReplacesWhatAzureNativeReplaces(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(program...)
	for _, test := range []struct {
		name     string
		of       string
		change   object
		replaces []resource.PropertyKey
		paths    []string
	}{
		{"nothing for no change", "workspace", nil, nil, nil},
		{"nothing for another spelling of the location", "storage", object{"location": "West Europe"}, nil, nil},
		{"nothing for a tag", "workspace", object{"tags": object{"environment": "prod"}}, nil, []string{"tags.environment"}},
		{"a path parameter", "workspace", object{"workspaceName": "other"}, []resource.PropertyKey{"workspaceName"}, []string{"workspaceName"}},
		{"the location of a group", "group", object{"location": "northeurope"}, []resource.PropertyKey{"location"}, []string{"location"}},
		{"the principal of an assignment", "assignment", object{"principalId": arm.DeployerID}, []resource.PropertyKey{"principalId"}, []string{"principalId"}},
		// no x-ms-mutability, no forceNewMap entry: azure-native updates, and ARM refuses
		{"nothing for a workspace's key vault", "workspace", object{"keyVault": vaultID + "2"}, nil, []string{"keyVault"}},
		{"nothing for a value that the service had chosen", "storage", object{"isHnsEnabled": nil}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := made[test.of]
			diff := c.diff(d, d.edited(test.change))
			assert.Equal(t, test.replaces, diff.ReplaceKeys)
			var paths []string
			for path, change := range diff.DetailedDiff {
				paths = append(paths, path)
				assert.Equal(t, test.replaces != nil, change.Kind.IsReplace())
			}
			assert.Equal(t, test.paths, paths)
			assert.Equal(t, test.replaces != nil, diff.DeleteBeforeReplace, "the names are the user's own")
		})
	}
}

func TestAPreviewKnowsTheInputsAndSendsNothing(t *testing.T) {
	c := newCloud(t)
	checked := c.check(workspace, nil)
	preview, err := c.engine.Create(context.Background(), plugin.CreateRequest{
		URN: workspace.urn(), Properties: checked.Properties, Preview: true,
	})
	require.NoError(t, err)
	assert.Empty(t, preview.ID)
	assert.Equal(t, "westeurope", preview.Properties["location"].StringValue())
	assert.Equal(t, "dev", preview.Properties["tags"].ObjectValue()["environment"].StringValue())
	for _, unknown := range []resource.PropertyKey{"workspaceId", "name", "identity"} {
		assert.True(t, preview.Properties[unknown].IsComputed(), unknown)
	}
	assert.Empty(t, c.Requests())
	assert.Empty(t, c.List(""))

	d := c.mustCreate(group)
	updated, err := c.engine.Update(context.Background(), plugin.UpdateRequest{
		URN: d.urn(), ID: d.id, OldInputs: d.inputs, OldOutputs: d.outputs, NewInputs: d.inputs, Preview: true,
	})
	require.NoError(t, err)
	assert.Equal(t, "rg-ml", updated.Properties["name"].StringValue(), "an update changes no name")
}

func TestASecretInputIsASecretOutput(t *testing.T) {
	c := newCloud(t)
	inputs := c.check(group, nil).Properties
	inputs["tags"] = resource.NewObjectProperty(resource.PropertyMap{
		"owner": resource.MakeSecret(resource.NewStringProperty("somebody")),
	})
	d, err := c.createUnchecked(group, inputs)
	require.NoError(t, err)
	assert.True(t, d.outputs["tags"].ObjectValue()["owner"].IsSecret())
	assert.True(t, c.read(d).Outputs["tags"].ObjectValue()["owner"].IsSecret())
}

func TestAnExistingResourceIsNotTakenOver(t *testing.T) {
	c := newCloud(t)
	c.mustCreate(group)
	_, err := c.create(group)
	require.ErrorContains(t, err, "cannot create already existing resource '"+groupID+"'")
}

func TestDeletingAGroupDeletesItsChildrenAndSoftDeletesSome(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(program...)
	c.destroy(made["group"])
	assert.Empty(t, c.List(""))

	c.createAll(group, identity, storage, logs, insights, registry)
	_, err := c.create(keyVault)
	require.ErrorContains(t, err, `Status=409 Code="ConflictError"`)
	require.ErrorContains(t, err, vaultID)
	purged, err := c.Purge(vaultID)
	require.NoError(t, err)
	require.True(t, purged)
	c.mustCreate(keyVault)

	_, err = c.create(workspace)
	require.ErrorContains(t, err, `Status=400 Code="BadRequest" Message="Soft-deleted workspace exists.`)
	purged, err = c.Purge(strings.ToLower(mlID))
	require.NoError(t, err)
	require.True(t, purged)
	c.mustCreate(workspace)

	purged, err = c.Purge(mlID)
	require.NoError(t, err)
	require.False(t, purged, "there is nothing left to purge")
}

func TestASoftDeletedVaultHoldsItsNameInEveryGroup(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(group, keyVault, group2())
	elsewhere := keyVault.edited(object{"resourceGroupName": "rg-two", "vaultName": "KV-ML"})
	_, err := c.create(elsewhere)
	require.ErrorContains(t, err, `Status=409 Code="VaultAlreadyExists"`)
	c.destroy(made["vault"])
	_, err = c.create(elsewhere)
	require.ErrorContains(t, err, `Status=409 Code="ConflictError"`)
}

func group2() sample {
	s := group.edited(object{"resourceGroupName": "rg-two"})
	s.name = "group2"
	return s
}

func TestADependentOfAnotherMakerIsAccepted(t *testing.T) {
	c := newCloud(t)
	c.createAll(group, identity, keyVault, logs, insights, registry)
	const theirs = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/rg-shared/providers/Microsoft.Storage/storageAccounts/stshared"
	_, err := c.create(workspace.edited(object{"storageAccount": theirs}))
	require.ErrorContains(t, err, "stshared")

	require.NoError(t, c.Seed(theirs, arm.Document{"sku": object{"name": "Premium_LRS"}}))
	_, err = c.create(workspace.edited(object{"storageAccount": theirs}))
	require.ErrorContains(t, err, "cannot be the default storage account")

	require.NoError(t, c.Seed(theirs, arm.Document{"sku": object{"name": "Standard_LRS"}}))
	c.mustCreate(workspace.edited(object{"storageAccount": theirs}))
	require.Error(t, c.Seed("not an id", nil))
}

func TestThrottlingAndServerErrorsAreRetried(t *testing.T) {
	c := newCloud(t)
	c.Inject(arm.Fault{
		Method: "PUT", Times: 3, Status: 429, Code: "TooManyRequests", Message: "slow down", RetryAfter: time.Millisecond,
	})
	c.mustCreate(group)
	assert.Equal(t, map[string]int{"GET": 2, "PUT": 4}, c.Requests(), "one create is GET, PUT, GET, and three more PUTs")

	c.Inject(arm.Fault{Type: "Microsoft.KeyVault/vaults", Times: 1, Status: 500, Code: "InternalServerError"})
	c.Inject(arm.Fault{Method: "PUT", Status: 409, Code: "AnotherOperationInProgress"})
	c.mustCreate(keyVault)
}

func TestAFaultThatDoesNotPassIsReported(t *testing.T) {
	c := newCloud(t)
	c.mustCreate(group)
	c.Inject(arm.Fault{Method: "PUT", Times: 4, Status: 429, Code: "TooManyRequests", Message: "slow down", RetryAfter: time.Millisecond})
	_, err := c.create(identity)
	require.ErrorContains(t, err, "PUT "+identityID+`: Status=429 Code="TooManyRequests" Message="slow down"`)

	c.Inject(arm.Fault{Method: "PUT", Status: 409, Code: "Conflict", Message: "another request"})
	_, err = c.create(identity)
	require.ErrorContains(t, err, `Status=409 Code="Conflict"`, "a plain conflict is not retried")
	c.mustCreate(identity)
}

func TestASlowOperationTakesItsTime(t *testing.T) {
	c := newCloud(t)
	c.Inject(arm.Fault{Method: "PUT", Latency: 50 * time.Millisecond})
	start := time.Now()
	c.mustCreate(group)
	assert.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
}

func TestDocumentsOutliveTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "arm.json")
	first := openCloud(t, path)
	made := first.createAll(program...)
	first.destroy(made["compute"])
	want := first.List("")

	second := openCloud(t, path)
	assert.Equal(t, want, second.List(""))
	d := made["workspace"]
	assert.Equal(t, d.outputs, second.read(d).Outputs)
	second.destroy(d)

	third := openCloud(t, path)
	_, err := third.create(workspace)
	require.ErrorContains(t, err, "Soft-deleted workspace exists")
}

func TestAFileThatIsNoStoreIsRefusedAndKept(t *testing.T) {
	for name, content := range map[string]string{"not JSON": "hello", "another format": `{"format": 2}`, "other JSON": `{"format":1}`} {
		path := filepath.Join(t.TempDir(), "arm.json")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := arm.Open(path)
		require.ErrorContains(t, err, path, name)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(kept))
	}
}

func TestManyCreatesAtOnceAreAllKept(t *testing.T) {
	c := newCloud(t)
	c.mustCreate(group)
	done := make(chan error)
	names := strings.Fields("id-a id-b id-c id-d id-e id-f id-g id-h")
	for _, name := range names {
		go func() {
			_, err := c.createUnchecked(identity, identity.edited(object{"resourceName": name}).properties())
			done <- err
		}()
	}
	for range names {
		require.NoError(t, <-done)
	}
	assert.Len(t, c.List("Microsoft.ManagedIdentity/userAssignedIdentities"), len(names))
}
