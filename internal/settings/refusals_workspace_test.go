package settings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	aWorkspace = providers + "Microsoft.MachineLearningServices/workspaces/mine"
	anIdentity = providers + "Microsoft.ManagedIdentity/userAssignedIdentities/jobs"
)

// besideTheirs has a workspace that exists, and some fields of azure beside it.
func besideTheirs(fields string) func(fake) {
	return set("azure", `{"workspaceId":"`+aWorkspace+`"`+fields+`}`)
}

// theirJobs has a job identity that exists, and some fields of workload beside it.
func theirJobs(fields string) func(fake) {
	return set("workload", `{"audience":"a","identityId":"`+anIdentity+`"`+fields+`}`)
}

var refusalsOfWhatExists = []refusal{
	{
		name: "a workspace that is none",
		edit: set("azure", `{"workspaceId":"`+storageID+`"}`),
		want: "azure.workspaceId: \"" + storageID + "\" is the id of a Microsoft.Storage/storageAccounts",
	},
	{
		name: "the default of what only a made workspace has",
		edit: besideTheirs(`,"publicNetworkAccess":"Enabled"`),
		want: "azure.publicNetworkAccess: is for a workspace that the program makes",
	},
	{
		name: "a name of what is not made",
		edit: besideTheirs(`,"names":{"keyVault":"kv-ml"}`),
		want: "azure.names.keyVault: is for a workspace that the program makes",
	},
	{
		name: "the name of an identity that exists",
		edit: func(f fake) {
			besideTheirs(`,"names":{"jobIdentity":"id-ml"}`)(f)
			theirJobs(``)(f)
		},
		want: "azure.names.jobIdentity: is for an identity that the program makes",
	},
	{
		name: "a group for nothing",
		edit: func(f fake) {
			besideTheirs(`,"existingResourceGroup":"rg"`)(f)
			theirJobs(``)(f)
		},
		want: "azure.existingResourceGroup: is used by nothing",
	},
	{
		name: "an identity that the workspace's owner attaches",
		edit: func(f fake) {
			besideTheirs(``)(f)
			theirJobs(`,"serverless":true`)(f)
		},
		want: "workload.serverless: changes the workspace, and azure.workspaceId names one that exists",
	},
	{
		name: "roles that their owner gives",
		edit: func(f fake) {
			besideTheirs(``)(f)
			theirJobs(`,"endpoints":true`)(f)
		},
		want: "workload.endpoints: gives roles on what is made with a workspace",
	},
	{
		name: "rules of a network of theirs",
		edit: besideTheirs(`,"managedNetwork":{"mode":"AllowInternetOutbound","outboundRules":[]}`),
		want: "azure.managedNetwork.outboundRules: is for a workspace that the program makes",
	},
	{
		name: "a cluster of another workspace",
		edit: func(f fake) {
			besideTheirs(``)(f)
			set("compute", `[{"computeId":"`+aWorkspace+`s/computes/gpu"}]`)(f)
		},
		want: "compute[0].computeId: is not a cluster of the workspace that azure.workspaceId names",
	},
	{
		name: "jobs as the workspace's own identity",
		edit: func(f fake) {
			set("azure", `{"workspaceIdentityId":"`+anIdentity+`"}`)(f)
			theirJobs(``)(f)
		},
		want: "workload.identityId: is the workspace's own identity",
	},
	{
		name: "the job identity attached twice",
		edit: func(f fake) {
			set("azure", `{"userAssignedIdentityIds":["`+anIdentity+`"]}`)(f)
			theirJobs(`,"serverless":true`)(f)
		},
		want: "azure.userAssignedIdentityIds: has the identity of workload.identityId",
	},
	{
		name: "what is let go of and protected",
		edit: set("azure", `{"retain":true,"protect":true}`),
		want: "azure.retain: lets go of what is made, and azure.protect refuses that",
	},
}

func TestWhatExistsIsTakenAsItIs(t *testing.T) {
	s := with(
		besideTheirs(`,"tags":{"team":"ml"},"ignoreTags":["CostCenter"],"names":{"jobIdentity":"id-ml"}`),
		set("compute", `[{},{"computeId":"`+aCluster+`"}]`),
	).load(t)
	if s.Azure.WorkspaceGroup() != "rg" || s.Azure.WorkspaceSubscription() != aGUID {
		t.Errorf("it is in %s of %s", s.Azure.WorkspaceGroup(), s.Azure.WorkspaceSubscription())
	}
	if s := with(besideTheirs(``), theirJobs(``)).load(t); !s.Workload.IdentityExists() {
		t.Error("the job identity is made")
	}
	if s := with(theirJobs(`,"serverless":true`)).load(t); s.Azure.WorkspaceExists() {
		t.Error("the workspace is not made")
	}
}

// A field that is new is refused beside azure.workspaceId until somebody decides otherwise.
func TestEveryFieldOfAzureIsDecidedBesideAWorkspaceThatExists(t *testing.T) {
	written := map[Kind]any{
		KindText: "x", KindFlag: true, KindNumber: 1, KindTexts: []string{"x"},
		KindTextMap: map[string]string{"a": "x"}, KindObject: map[string]any{}, KindObjects: []any{},
	}
	fields := fieldsOf(t, "azure")
	fields = append(fields, fieldsOf(t, "azure.names")...)
	for _, field := range fields {
		section := map[string]any{"workspaceId": aWorkspace}
		value := written[field.Kind]
		switch name, isName := strings.CutPrefix(field.Key, "azure.names."); {
		case field.Name == "workspaceId":
			continue
		case isName:
			section["names"] = map[string]any{name: value}
		default:
			section[field.Name] = value
		}
		text, err := json.Marshal(section)
		if err != nil {
			t.Fatal(err)
		}
		_, err = From(with(set("azure", string(text))).source())
		refusal := field.Key + ": is for a workspace that the program makes"
		isRefused := strings.Contains(fmt.Sprint(err), refusal)
		if isTaken := slices.Contains(besideWorkspace, field.Key); isTaken == isRefused {
			t.Errorf("%s: taken %t, and refused %t: %v", field.Key, isTaken, isRefused, err)
		}
	}
}

// fieldsOf are the settings of an object of the reference.
func fieldsOf(t *testing.T, key string) []Setting {
	t.Helper()
	fields := Reference()
	for _, step := range strings.Split(key, ".") {
		at := slices.IndexFunc(fields, func(s Setting) bool { return s.Name == step })
		if at < 0 {
			t.Fatal("there is no", key)
		}
		fields = fields[at].Settings
	}
	return fields
}
