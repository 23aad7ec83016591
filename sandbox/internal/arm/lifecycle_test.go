package arm_test

import (
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
		_, err := c.create(s)
		require.ErrorContains(t, err, "cannot create already existing resource '"+string(d.id)+"'")
		_, found := c.Resource(strings.ToUpper(string(d.id)))
		assert.True(t, found, "ids are compared without regard to case")
		read := c.read(d)
		assert.Equal(t, d.id, read.ID)
		assert.Equal(t, d.outputs, read.Outputs, "a refresh of an unchanged %s changes no output", s.name)
		assert.Equal(t, d.inputs, read.Inputs, "nor an input, however ARM spells it")
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
		require.NoError(t, c.destroy(d))
		assert.Empty(t, c.read(d).ID, "a read finds nothing")
		require.NoError(t, c.destroy(d), "what is gone is deleted already")
	}
}

func TestOutputsHaveTheNamesAndValuesOfAzureNative(t *testing.T) {
	all := newCloud(t).createAll(program...)
	for path, want := range map[string]any{
		"identity.principalId":                 arm.PrincipalID(strings.ToLower(identityID)),
		"identity.clientId":                    arm.ClientID(identityID),
		"identity.tenantId":                    arm.TenantID,
		"storage.enableHttpsTrafficOnly":       true,
		"storage.primaryEndpoints.blob":        "https://stml.blob.core.windows.net/",
		"storage.networkRuleSet.defaultAction": "Deny",
		"vault.properties.vaultUri":            "https://kv-ml.vault.azure.net/",
		"insights.applicationId":               "appi-ml",
		// MicrosoftDocs and the AVM Terraform module: ARM spells ids its own way
		"workspace.keyVault":             strings.NewReplacer("Groups", "groups", "KeyVault", "Keyvault").Replace(vaultID),
		"workspace.identity.principalId": arm.PrincipalID(mlID),
		"records.name":                   "records", // a subresource is named as the program does
		"link.name":                      "link",
		"assignment.scope":               mlID,
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
	preview, err := c.engine.Create(t.Context(), plugin.CreateRequest{
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
	updated, err := c.engine.Update(t.Context(), plugin.UpdateRequest{
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

func TestDeletingAGroupDeletesItsChildrenAndSoftDeletesSome(t *testing.T) {
	c := newCloud(t)
	require.NoError(t, c.destroy(c.createAll(before(lock)...)["group"]))
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

func TestALockKeepsWhatIsBelowAndAboveIt(t *testing.T) {
	c := newCloud(t)
	made := c.createAll(program...)
	for _, kept := range []string{"vault", "group"} {
		require.ErrorContains(t, c.destroy(made[kept]), `Status=409 Code="ScopeLocked"`, kept)
	}
	require.NoError(t, c.destroy(made["lock"]))
	require.NoError(t, c.destroy(made["vault"]))
}

// e2e/faults shows through the engine what passes, and what does not.
func TestARetryIsARequest(t *testing.T) {
	c := newCloud(t)
	c.Inject(arm.Fault{Method: "PUT", Times: 3, Status: 429, Code: "TooManyRequests", RetryAfter: time.Millisecond})
	c.mustCreate(group)
	assert.Equal(t, map[string]int{"GET": 2, "PUT": 4}, c.Requests(), "one create is GET, PUT, GET, and three more PUTs")
	c.Inject(arm.Fault{Type: "Microsoft.KeyVault/vaults", Status: 500, Code: "InternalServerError"})
	c.Inject(arm.Fault{Method: "PUT", Status: 409, Code: "AnotherOperationInProgress"})
	c.mustCreate(keyVault)
}

func TestDocumentsOutliveTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "arm.json")
	first := openCloud(t, path)
	made := first.createAll(before(compute)...)
	second := openCloud(t, path)
	assert.Equal(t, first.List(""), second.List(""))
	assert.Equal(t, made["workspace"].outputs, second.read(made["workspace"]).Outputs)
	require.NoError(t, second.destroy(made["workspace"]))
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
