package adopt

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/operate/verify"
)

const (
	group     = "/subscriptions/s/resourceGroups/ml-rg"
	storageID = group + "/providers/Microsoft.Storage/storageAccounts/mlStore"
	vaultID   = group + "/providers/Microsoft.KeyVault/vaults/ml-kv1"
)

// wanted is what a preview would make.
const wanted = `{"nameTable":{"x":"y"},"resources":[
	{"type":"mlvault:azureml:Workspace","name":"ml","component":true},
	{"type":"pulumi:providers:vault","name":"vault"},
	{"type":"azure-native:storage:StorageAccount","name":"mlstorage","id":"<PLACEHOLDER>","parent":"ml"},
	{"type":"azure-native:machinelearningservices:Workspace","name":"ml-workspace","id":"<PLACEHOLDER>"},
	{"type":"vault:kv/secretV2:SecretV2","name":"credentials-api","id":"<PLACEHOLDER>"}]}`

// imported is the state after an import, in ARM's spelling.
func imported(storage string) string {
	return `{"version":3,"deployment":{"secrets_providers":{"type":"passphrase"},"resources":[
	{"urn":"urn:pulumi:dev::mlvault::t::ml-workspace","type":"t","id":"` + group + `/w","inputs":{"name":"ml",
	 "storageAccount":"` + storage + `","keyVault":"` + strings.ToLower(vaultID) + `"}}]}}`
}

// fake is a stack whose CLI answers as it is told.
type fake struct {
	state string
	// wanted is what a preview would make; empty: the constant.
	wanted   string
	changes  []verify.Change
	taken    string
	settings map[string]string
	writes   []string
}

func (f *fake) Export(context.Context) ([]byte, error) { return []byte(f.state), nil }

func (f *fake) Import(_ context.Context, state []byte) error {
	f.writes = append(f.writes, "import")
	f.state = string(state)
	return nil
}

func (f *fake) Configure(_ context.Context, path, value string) error {
	f.settings = map[string]string{path: value}
	return nil
}

func (f *fake) Wanted(context.Context) ([]byte, error) {
	return []byte(cmp.Or(f.wanted, wanted)), nil
}

func (f *fake) Take(_ context.Context, resources []byte) error {
	f.writes = append(f.writes, "take")
	f.taken = string(resources)
	f.state = imported(strings.ToUpper(storageID))
	return nil
}

func (f *fake) Plan(context.Context) ([]verify.Change, error) { return f.changes, nil }

const empty = `{"version":3,"deployment":{"resources":[]}}`

func existing() map[string]string {
	return map[string]string{
		"ml-workspace": group + "/w",
		"mlstorage":    storageID,
		"ml-kv":        vaultID,
	}
}

// adopt runs an adoption and returns what it said.
func adopt(t *testing.T, stack *fake, ids map[string]string) (said, backup string, err error) {
	t.Helper()
	backup = filepath.Join(t.TempDir(), "before.json")
	err = Adoption{
		Stack:    stack,
		Existing: ids,
		Backup:   backup,
		Name:     "dev",
		Say:      func(text string) { said += text + "\n" },
	}.Run(t.Context())
	return said, backup, err
}

func TestWhatExistsIsImportedInTheSpellingThatItWasGivenIn(t *testing.T) {
	stack := &fake{state: empty, changes: []verify.Change{
		{Name: "ml-identity", Operation: "create"},
		{Name: "ml-workspace", Operation: "update", Properties: []string{"tags"}},
	}}
	said, backup, err := adopt(t, stack, existing())
	require.NoError(t, err)
	kept, err := os.ReadFile(backup)
	require.NoError(t, err)
	require.Equal(t, empty, string(kept), "the state of before")
	require.Equal(t, map[string]string{"azure.keyVaultId": vaultID}, stack.settings)

	var file struct {
		NameTable map[string]string
		Resources []struct{ Name, ID string }
	}
	require.NoError(t, json.Unmarshal([]byte(stack.taken), &file))
	require.Equal(t, map[string]string{"x": "y"}, file.NameTable, "what is not looked at stays")
	require.Len(t, file.Resources, 4, "parents and provider, and of the rest what exists")
	require.Equal(t, storageID, file.Resources[2].ID)

	require.Contains(t, stack.state, `"storageAccount":"`+storageID+`"`)
	require.Contains(t, stack.state, `"keyVault":"`+vaultID+`"`)
	require.Contains(t, stack.state, `"secrets_providers":{"type":"passphrase"}`)
	require.Contains(t, said, "update ml-workspace (tags)")
	require.Contains(t, said, "pulumi stack import --file before.json --stack dev && pulumi config rm "+
		"--path azure.keyVaultId --stack dev")
}

// After an up that failed at something that exists, the state has the rest. What is imported keeps
// the type and the parent that the program gives it: with others it would have another URN.
func TestOneResourceAloneIsImportedWithItsTypeAndItsParent(t *testing.T) {
	const id = storageID + "/providers/Microsoft.Authorization/roleAssignments/g"
	stack := &fake{state: imported(storageID), wanted: `{
		"nameTable":{"ml":"urn:pulumi:dev::mlvault::mlvault:azureml:Workspace::ml"},"resources":[
		{"type":"azure-native:authorization/v20220401:RoleAssignment","name":"ml-registry-pull","parent":"ml"},
		{"type":"azure-native:authorization/v20220401:RoleAssignment","name":"ml-another","parent":"ml"}]}`}
	_, _, err := adopt(t, stack, map[string]string{"ml-registry-pull": id})
	require.NoError(t, err)
	require.JSONEq(t, `{
		"nameTable":{"ml":"urn:pulumi:dev::mlvault::mlvault:azureml:Workspace::ml"},"resources":[
		{"type":"azure-native:authorization/v20220401:RoleAssignment","name":"ml-registry-pull",
		 "parent":"ml","id":"`+id+`"}]}`, stack.taken)
}

// What an import and ARM return is not what the program sends, and each difference would replace a
// role, an endpoint or a lock.
func TestWhatHangsOnAPartIsSpelledAsTheProgramSpellsIt(t *testing.T) {
	const (
		role      = "/providers/Microsoft.Authorization/roleDefinitions/7f951dda"
		elsewhere = "/subscriptions/s/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v"
	)
	inputs := map[string]any{
		"scope":            strings.TrimPrefix(storageID, "/"),
		"resourceUri":      strings.ToUpper(storageID[1:]),
		"roleDefinitionId": "/subscriptions/s" + role,
		"privateLinkServiceConnections": []any{map[string]any{
			"privateLinkServiceId": strings.ToLower(storageID),
		}},
		"subnet":   map[string]any{"id": elsewhere},
		"category": "scope",
		"days":     json.Number("12345678901234567890"),
	}
	state, err := json.Marshal(map[string]any{"deployment": map[string]any{"resources": []any{
		map[string]any{"urn": "urn:pulumi:dev::mlvault::t::ml-thing", "inputs": inputs},
	}}})
	require.NoError(t, err)
	spelled, err := Respell(state, map[string]string{"ml-thing": "x", "mlstorage": storageID})
	require.NoError(t, err)
	var read struct {
		Deployment struct {
			Resources []struct{ Inputs map[string]json.RawMessage }
		}
	}
	require.NoError(t, json.Unmarshal(spelled, &read))
	for field, want := range map[string]string{
		"scope":                         `"` + storageID + `"`,
		"resourceUri":                   `"` + storageID + `"`,
		"roleDefinitionId":              `"` + role + `"`,
		"privateLinkServiceConnections": `[{"privateLinkServiceId":"` + storageID + `"}]`,
		"subnet":                        `{"id":"` + elsewhere + `"}`,
		"category":                      `"scope"`,
		"days":                          "12345678901234567890",
	} {
		require.Equal(t, want, string(read.Deployment.Resources[0].Inputs[field]), field)
	}
}

func TestAPlanThatReplacesOrDeletesStopsTheAdoption(t *testing.T) {
	for _, operation := range []string{"replace", "create-replacement", "delete-replaced", "delete"} {
		stack := &fake{state: empty, changes: []verify.Change{{Name: "ml-workspace", Operation: operation}}}
		_, _, err := adopt(t, stack, existing())
		require.ErrorContains(t, err, "the next up would replace or delete ml-workspace", operation)
		require.ErrorContains(t, err, "pulumi stack import --file before.json --stack dev")
	}
}

func TestAWorkspaceThatUsesOtherPartsIsRefused(t *testing.T) {
	ids := existing()
	ids["mlstorage"] = group + "/providers/Microsoft.Storage/storageAccounts/another"
	_, _, err := adopt(t, &fake{state: empty}, ids)
	require.ErrorContains(t, err, "the workspace uses another storageAccount than mlstorage")
}

func TestANameThatTheStackDoesNotMakeIsRefusedBeforeAnythingIsImported(t *testing.T) {
	ids := existing()
	ids["ml-worksapce"] = "x"
	stack := &fake{state: empty}
	_, _, err := adopt(t, stack, ids)
	require.ErrorContains(t, err, "the stack makes nothing called ml-worksapce")
	require.Empty(t, stack.writes)
}

// After a correction it is run again, and what it has imported is in the state by then.
func TestWhatIsInTheStateAlreadyIsNotImportedAgain(t *testing.T) {
	stack := &fake{state: imported(storageID), wanted: `{"resources":[]}`}
	_, _, err := adopt(t, stack, map[string]string{"ml-workspace": group + "/w"})
	require.NoError(t, err)
	require.Equal(t, []string{"import"}, stack.writes, "the spelling alone")
}
