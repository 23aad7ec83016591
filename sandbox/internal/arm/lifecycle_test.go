package arm_test

import (
	"context"
	"maps"
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

func TestEveryTypeIsCreatedReadImportedUpdatedAndDeleted(t *testing.T) {
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
		imported := c.read(deployed{sample: s, id: d.id})
		for input := range d.inputs {
			assert.Contains(t, imported.Inputs, input, "%s: an import knows the inputs from the id and the document", s.name)
		}

		changed := s
		if d.inputs["location"].IsString() {
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
}

func TestAnUnknownTypeIsRefusedWithTheListOfKnownOnes(t *testing.T) {
	c := newCloud(t)
	s := sample{"azure-native:network:VirtualNetwork", "net", object{}}
	_, err := c.engine.Check(context.Background(), plugin.CheckRequest{URN: s.urn(), News: s.properties()})
	require.ErrorContains(t, err, "no azure-native:network:VirtualNetwork")
	require.ErrorContains(t, err, "azure-native:keyvault/v20230201:Vault")
}

func TestOutputsHaveTheNamesAndValuesOfAzureNative(t *testing.T) {
	all := newCloud(t).createAll(program...)
	for path, want := range map[string]any{
		"identity.principalId":                 arm.PrincipalID(strings.ToLower(identityID)),
		"identity.clientId":                    arm.ClientID(identityID),
		"identity.tenantId":                    arm.TenantID,
		"storage.enableHttpsTrafficOnly":       true,
		"storage.primaryEndpoints.blob":        "https://stml.blob.core.windows.net/",
		"storage.networkRuleSet":               all["storage"].outputs["networkRuleSet"].Mappable(),
		"storage.networkRuleSet.defaultAction": "Deny",
		"vault.properties.vaultUri":            "https://kv-ml.vault.azure.net/",
		"insights.applicationId":               "appi-ml",
		"workspace.identity.principalId":       arm.PrincipalID(mlID),
		"records.name":                         "records", // a subresource is named as the program does
		"link.name":                            "link",
		"assignment.scope":                     mlID,
	} {
		name, path, _ := strings.Cut(path, ".")
		parsed, err := resource.ParsePropertyPath(path)
		require.NoError(t, err)
		value, _ := parsed.Get(resource.NewObjectProperty(all[name].outputs))
		assert.Equal(t, want, value.Mappable(), "%s.%s", name, path)
	}
	assert.NotEqual(t, arm.PrincipalID(identityID), arm.ClientID(identityID))
	for id, assigned := range all["workspace"].outputs["identity"].ObjectValue()["userAssignedIdentities"].ObjectValue() {
		assert.True(t, strings.EqualFold(identityID, string(id)))
		assert.Equal(t, arm.PrincipalID(identityID), assigned.ObjectValue()["principalId"].StringValue())
	}
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
	d = c.refreshed(d)
	assert.Equal(t, written.inputs["keyVault"], d.inputs["keyVault"].StringValue(), "the user's spelling stays")
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
		path     string
		replaces bool
	}{
		{"nothing for no change", "workspace", nil, "", false},
		{"nothing for another spelling of the location", "storage", object{"location": "West Europe"}, "", false},
		{"nothing for a tag", "workspace", object{"tags": object{"environment": "prod"}}, "tags.environment", false},
		{"a path parameter", "workspace", object{"workspaceName": "other"}, "workspaceName", true},
		{"the location of a group", "group", object{"location": "northeurope"}, "location", true},
		{"the principal of an assignment", "assignment", object{"principalId": arm.DeployerID}, "principalId", true},
		// no x-ms-mutability, no forceNewMap entry: azure-native updates, and ARM refuses
		{"nothing for a workspace's key vault", "workspace", object{"keyVault": vaultID + "2"}, "keyVault", false},
		{"nothing for a value that the service had chosen", "storage", object{"isHnsEnabled": nil}, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := made[test.of]
			diff := c.diff(d, d.edited(test.change))
			assert.Equal(t, strings.Fields(test.path), slices.AppendSeq([]string{}, maps.Keys(diff.DetailedDiff)))
			assert.Equal(t, test.replaces, len(diff.ReplaceKeys) > 0)
			assert.Equal(t, test.replaces, diff.DetailedDiff[test.path].Kind.IsReplace())
			assert.Equal(t, test.replaces, diff.DeleteBeforeReplace, "the names are the user's own")
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
	assert.Empty(t, c.List("Microsoft.MachineLearningServices/workspaces"))

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
	c.destroy(c.createAll(before(lock)...)["group"])
	assert.Len(t, c.List(""), 2, "what other groups hold")

	other := keyVault.edited(object{"vaultName": "kv-other"})
	c.createAll(group, identity, storage, other, logs, insights, registry)
	_, err := c.create(keyVault)
	require.ErrorContains(t, err, vaultID+`: Status=409 Code="ConflictError"`)
	_, err = c.create(workspace.edited(object{"keyVault": strings.Replace(vaultID, "kv-ml", "kv-other", 1)}))
	require.ErrorContains(t, err, `Status=400 Code="BadRequest" Message="Soft-deleted workspace exists.`)
	c.mustCreate(elsewhere)
	_, err = c.create(keyVault.edited(object{"resourceGroupName": "rg-two", "vaultName": "KV-ML"}))
	require.ErrorContains(t, err, `Status=409 Code="ConflictError"`, "the name is held in every group")
}

func TestWhatOthersMadeIsAccepted(t *testing.T) {
	c := newCloud(t)
	c.createAll(group, identity, keyVault, logs, insights, registry)
	const theirs = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/rg-shared/providers/Microsoft.Storage/storageAccounts/stshared"
	written := workspace.edited(object{"storageAccount": theirs})
	_, err := c.create(written)
	require.ErrorContains(t, err, "stshared")

	require.NoError(t, c.Seed(theirs, arm.Document{"sku": object{"name": "Premium_LRS"}}))
	_, err = c.create(written)
	require.ErrorContains(t, err, "cannot be the default storage account")

	require.NoError(t, c.Seed(theirs, arm.Document{"sku": object{"name": "Standard_LRS"}}))
	c.mustCreate(written)
	require.Error(t, c.Seed("not an id", nil))
}

func TestALockKeepsWhatIsBelowAndAboveIt(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(program...)
	for _, kept := range []string{"vault", "group"} {
		require.ErrorContains(t, c.tryDestroy(made[kept]), `Status=409 Code="ScopeLocked"`, kept)
	}
	c.destroy(made["lock"])
	c.destroy(made["vault"])
}

// e2e/faults shows the same through the engine.
func TestWhatPassesIsRetriedAndWhatStaysIsReported(t *testing.T) {
	c := newCloud(t)
	busy := arm.Fault{Method: "PUT", Times: 3, Status: 429, Code: "TooManyRequests", Message: "slow down", RetryAfter: time.Millisecond}
	c.Inject(busy)
	c.mustCreate(group)
	assert.Equal(t, map[string]int{"GET": 2, "PUT": 4}, c.Requests(), "one create is GET, PUT, GET, and three more PUTs")

	busy.Times = 4
	c.Inject(busy)
	_, err := c.create(identity)
	require.ErrorContains(t, err, "PUT "+identityID+`: Status=429 Code="TooManyRequests" Message="slow down"`)
	c.Inject(arm.Fault{Method: "PUT", Status: 409, Code: "Conflict", Message: "another request"})
	_, err = c.create(identity)
	require.ErrorContains(t, err, `Status=409 Code="Conflict"`, "a plain conflict is not retried")

	c.Inject(arm.Fault{Type: "Microsoft.KeyVault/vaults", Status: 500, Code: "InternalServerError"})
	c.Inject(arm.Fault{Method: "PUT", Status: 409, Code: "AnotherOperationInProgress"})
	c.Inject(arm.Fault{Method: "PUT", Latency: 50 * time.Millisecond})
	start := time.Now()
	c.mustCreate(keyVault)
	assert.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
}

func TestDocumentsOutliveTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "arm.json")
	first := openCloud(t, path)
	made := first.createAll(before(compute)...)
	second := openCloud(t, path)
	assert.Equal(t, first.List(""), second.List(""))
	assert.Equal(t, made["workspace"].outputs, second.read(made["workspace"]).Outputs)
	second.destroy(made["workspace"])
	_, err := openCloud(t, path).create(workspace)
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
