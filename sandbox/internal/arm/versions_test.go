package arm_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/stretchr/testify/require"
)

func (c cloud) refresh(d deployed) plugin.ReadResponse {
	c.Helper()
	read, err := c.engine.Read(c.Context(), plugin.ReadRequest{
		URN: d.urn(), ID: d.id, Inputs: d.inputs, State: d.outputs,
	})
	require.NoError(c, err)
	return read
}

func property(values resource.PropertyMap, name resource.PropertyKey) any {
	return values["properties"].ObjectValue()[name].V
}

// azure-native asks for a generic resource with the API version of its module right after it made
// it, and with that of the inputs ever after (pulumi-azure-native#4337, #4043).
func TestAGenericResourceHasTheAnswerOfThePutUntilARefresh(t *testing.T) {
	c := newCloud(t, nil)
	made := c.mustCreate(keyVault)
	require.Equal(t, "RegisteringDns", property(made.outputs, "provisioningState"))

	read := c.refresh(made)
	require.Equal(t, "Succeeded", property(read.Outputs, "provisioningState"))
	require.Equal(t, "Succeeded", property(read.Inputs, "provisioningState"),
		"azure-native takes what changed for a setting: it does not know that only Azure sets it")
	require.Equal(t, "2026-02-01", read.Inputs["apiVersion"].StringValue())

	require.NoError(t, c.update(made, keyVault.edited(object{"tags": object{"a": "b"}})))
	require.NoError(t, c.destroy(made))
	_, exists := c.Resource(string(made.id))
	require.False(t, exists)
}

func TestAnEndpointShowsInTheVaultThatItLeadsTo(t *testing.T) {
	c := newCloud(t, nil)
	made := c.mustCreate(keyVault)
	c.mustCreate(endpoint.edited(object{"privateLinkServiceConnections": []any{
		object{"name": "vault", "privateLinkServiceId": string(made.id), "groupIds": []any{"vault"}},
	}}))
	require.Len(t, property(c.refresh(made).Outputs, "privateEndpointConnections"), 1)
}

func TestAGenericResourceCannotBeImported(t *testing.T) {
	c := newCloud(t, nil)
	_, err := c.engine.Read(t.Context(), plugin.ReadRequest{URN: keyVault.urn(), ID: vaultID})
	require.ErrorContains(t, err, `Status=400 Code="NoRegisteredProviderFound"`)
	require.ErrorContains(t, err, "API version '2022-09-01' for type 'Microsoft.KeyVault/vaults'")
}

func TestAVaultOfAVersionThatEndsCanOnlyBeMovedOn(t *testing.T) {
	c := newCloud(t, nil)
	made := c.mustCreate(keyVault)
	made.inputs = made.inputs.Copy()
	made.inputs["apiVersion"] = resource.NewStringProperty("2024-11-01")
	require.ErrorContains(t, c.destroy(made), `DELETE `)
	_, err := c.engine.Read(t.Context(), plugin.ReadRequest{
		URN: made.urn(), ID: made.id, Inputs: made.inputs, State: made.outputs,
	})
	require.ErrorContains(t, err, "NoRegisteredProviderFound")
	require.NoError(t, c.update(made, keyVault))
}

func TestAnotherTypeOfGenericResourceIsRefused(t *testing.T) {
	c := newCloud(t, nil)
	other := keyVault.edited(object{"resourceType": "managedHSMs"})
	_, err := c.engine.Check(t.Context(), plugin.CheckRequest{
		URN: other.urn(), News: resource.NewPropertyMapFromMap(other.inputs),
	})
	known := "azure-native:resources/v20220901:Resource of Microsoft.KeyVault/vaults"
	require.ErrorContains(t, err, known)
}
