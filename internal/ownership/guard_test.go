package ownership_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"mlvault/internal/ownership"
	"mlvault/internal/settings"
	"mlvault/internal/vaultapi"
)

type object = map[string]any

// secretOf is what the program states of a secret whose jobs run as an identity.
func secretOf(stack, identity string) object {
	mark := object{"project": "mlvault", "stack": stack, "identity": identity}
	return object{
		"mount":          "kv",
		"name":           "mlvault/dev/db",
		"customMetadata": object{"data": mark},
		"options": object{
			"identity": identity,
			"vault":    dev().Fingerprint(),
			"policy":   dev().Workload.Policy,
			"project":  "mlvault",
			"stack":    stack,
		},
	}
}

// underAnotherPolicy is the state of ours whose policy had another name in the last up.
func underAnotherPolicy() object {
	inputs := secretOf("dev", "a")
	inputs["options"] = object{
		"identity": "a",
		"vault":    dev().FingerprintOf("before"),
		"policy":   "before",
		"project":  "mlvault",
		"stack":    "dev",
	}
	return inputs
}

// renamed is the state of ours whose stack had another name in the last up, and renamedBackend its
// backend, which keeps its path and the description of that name.
func renamed() object {
	inputs := secretOf("before", "a")
	inputs["name"] = "mlvault/before/db"
	return inputs
}

func renamedBackend(identity string) map[string]object {
	before := dev()
	before.Stack = "before"
	return map[string]object{backendPath: {"description": before.BackendDescription() + identity}}
}

// metadataOf is what Vault has of it.
func metadataOf(stack, identity, deletedAt string) object {
	return object{
		"custom_metadata": object{"project": "mlvault", "stack": stack, "identity": identity},
		"current_version": 2,
		"versions":        object{"2": object{"deletion_time": deletedAt, "destroyed": false}},
	}
}

// labelled is the state of ours whose mark has the fingerprint too, and marked is what Vault has of
// such a one.
func labelled(fingerprint string) object {
	inputs := secretOf("dev", "a")
	inputs["customMetadata"] = object{"data": markOf("a", fingerprint)}
	return inputs
}

func marked(identity, fingerprint string) object {
	metadata := metadataOf("dev", identity, "")
	metadata["custom_metadata"] = markOf(identity, fingerprint)
	return metadata
}

func markOf(identity, fingerprint string) object {
	return object{
		"project":  "mlvault",
		"stack":    "dev",
		"identity": identity,
		"vault":    fingerprint,
	}
}

// inAnotherVault is the state of ours that was written elsewhere.
func inAnotherVault() object {
	inputs := secretOf("dev", "a")
	inputs["options"] = object{"identity": "a", "vault": "another", "policy": dev().Workload.Policy}
	return inputs
}

// unmarked is what a run leaves that was killed between the value and the mark.
func unmarked() object {
	return object{"current_version": 1, "versions": object{"1": object{"deletion_time": ""}}}
}

// dev are the settings of the stack.
func dev() *settings.Settings {
	return &settings.Settings{
		Project: "mlvault",
		Stack:   "dev",
		Address: settings.NewSecret("https://vault.example.com"),
		Workload: settings.Workload{
			AuthPath: "jwt-dev", CreateAuthBackend: true,
			Role: "dev-role", CreateRole: true,
			Policy: "dev-policy",
		},
	}
}

// ourRole and ourBackend are what shows that this Vault is the stack's.
func ourRole() map[string]object {
	return map[string]object{"/v1/" + dev().RolePath(): {"bound_claims": object{"oid": []string{"a", "more"}}}}
}

func backendBy(identity string) map[string]object {
	return map[string]object{backendPath: {"description": dev().BackendDescription() + identity}}
}

// afterARefresh is a state whose marks are those that a refresh read: none.
func afterARefresh(inputs object) object {
	inputs["customMetadata"] = object{"data": object{}}
	return inputs
}

// readBack is a state after a refresh has read the mark of another stack.
func readBack(inputs object, stack string) object {
	inputs["customMetadata"] = object{"data": object{"project": "mlvault", "stack": stack, "identity": "z"}}
	return inputs
}

// refreshed is the state of ours after a refresh has read theirs in another Vault.
func refreshed() object {
	inputs := secretOf("dev", "b")
	inputs["options"] = object{"identity": "a", "vault": dev().Fingerprint()}
	return inputs
}

func roleOf(identity string) object {
	return object{"backend": "jwt-dev", "roleName": "dev", "boundClaims": object{"oid": identity}}
}

func policyOf(text string) object { return object{"name": "dev", "policy": text} }

func backendOf(description string) object {
	return object{"path": "jwt-dev", "description": description}
}

const (
	secretType  = "vault:kv/secretV2:SecretV2"
	roleType    = "vault:jwt/authBackendRole:AuthBackendRole"
	policyType  = "vault:index/policy:Policy"
	backendType = "vault:jwt/authBackend:AuthBackend"

	secretPath  = "/v1/kv/metadata/mlvault/dev/db"
	renamedPath = "/v1/kv/metadata/mlvault/before/db"
	rolePath    = "/v1/auth/jwt-dev/role/dev"
	policyPath  = "/v1/sys/policies/acl/dev"
	backendPath = "/v1/sys/mounts/auth/jwt-dev"
)

func TestTheGuardLeavesAloneWhatTheStateDoesNotKnow(t *testing.T) {
	ours, theirs := secretOf("dev", "a"), metadataOf("dev", "b", "")
	for _, test := range []struct {
		name     string
		kind     string
		old, new object            // nil: a create, a delete
		others   map[string]object // what else this Vault has
		path     string
		found    object // nil: nothing
		refused  bool
	}{
		{name: "a secret where nothing is", kind: secretType, new: ours, path: secretPath},
		{
			name:    "a secret of another team's stack of the same name",
			kind:    secretType,
			new:     ours,
			path:    secretPath,
			found:   theirs,
			refused: true,
		},
		{
			name:    "a secret without a mark",
			kind:    secretType,
			new:     ours,
			path:    secretPath,
			found:   object{"current_version": 1, "versions": object{"1": object{"deletion_time": ""}}},
			refused: true,
		},
		{
			name:  "a secret that a killed run wrote",
			kind:  secretType,
			new:   ours,
			path:  secretPath,
			found: metadataOf("dev", "a", ""),
		},
		{
			name:  "a secret that a destroy left, with a new identity",
			kind:  secretType,
			new:   ours,
			path:  secretPath,
			found: metadataOf("dev", "z", "2026-11-30T00:00:00Z"),
		},
		{
			name:    "a secret that another stack deleted",
			kind:    secretType,
			new:     ours,
			path:    secretPath,
			found:   metadataOf("qa", "b", "2026-11-30T00:00:00Z"),
			refused: true,
		},
		{
			name:  "an update of ours",
			kind:  secretType,
			old:   ours,
			new:   secretOf("dev", "c"),
			path:  secretPath,
			found: metadataOf("dev", "a", ""),
		},
		{
			name: "an update of somebody's secret that was adopted", kind: secretType,
			old: object{"mount": "kv", "name": "mlvault/dev/db"}, new: ours, path: secretPath, found: unmarked(),
		},
		{
			name:    "an update in another Vault, where it is theirs",
			kind:    secretType,
			old:     ours,
			new:     secretOf("dev", "a"),
			path:    secretPath,
			found:   theirs,
			refused: true,
		},
		{name: "an update in an empty Vault", kind: secretType, old: ours, new: ours, path: secretPath},
		{name: "a delete of ours", kind: secretType, old: ours, path: secretPath, found: metadataOf("dev", "a", "")},
		{
			name: "a delete of ours, whose mark a killed run wrote for another policy", kind: secretType,
			old: labelled("before"), path: secretPath, found: marked("a", "after"),
		},
		{
			name: "a delete of theirs, which has one label of ours", kind: secretType,
			old: labelled("same"), path: secretPath, found: marked("b", "same"), refused: true,
		},
		{name: "a delete of theirs", kind: secretType, old: ours, path: secretPath, found: theirs, refused: true},
		{
			name: "a delete of ours, whose mark a kill prevented", kind: secretType,
			old: ours, path: secretPath, found: unmarked(), others: ourRole(),
		},
		{
			name: "an update of ours, whose mark a kill prevented, after a refresh", kind: secretType,
			old: afterARefresh(secretOf("dev", "a")), new: ours, path: secretPath, found: unmarked(),
			others: ourRole(),
		},
		{
			name: "an update of a secret without a mark in another Vault, after a refresh",
			kind: secretType, old: afterARefresh(inAnotherVault()), new: ours,
			path: secretPath, found: unmarked(), others: ourRole(), refused: true,
		},
		{
			name: "an update of ours, still with the mark of the stack before its destroy", kind: secretType,
			old: ours, new: ours, path: secretPath, found: metadataOf("dev", "z", ""), others: ourRole(),
		},
		{
			name: "an update of a secret with the mark of a stack of this name, whose role it is", kind: secretType,
			old: ours, new: ours, path: secretPath, found: metadataOf("dev", "b", ""), others: backendBy("b"),
			refused: true,
		},
		{
			name: "an update of a secret that another stack has marked", kind: secretType,
			old: ours, new: ours, path: secretPath, found: metadataOf("qa", "b", ""), others: ourRole(),
			refused: true,
		},
		{
			name: "a secret whose mark a kill prevented, before there is a role", kind: secretType,
			old: ours, new: ours, path: secretPath, found: unmarked(), others: backendBy("a"),
		},
		{
			name: "a delete of ours, whose mark a kill prevented, while the policy gets another name",
			kind: secretType, old: underAnotherPolicy(), path: secretPath, found: unmarked(),
			others: ourRole(),
		},
		{
			name: "the same, in a Vault with a stack of this name",
			kind: secretType, old: underAnotherPolicy(), path: secretPath, found: unmarked(),
			others: backendBy("b"), refused: true,
		},
		{
			name: "a delete of ours, whose mark a kill prevented, when the stack was renamed", kind: secretType,
			old: renamed(), path: renamedPath, found: unmarked(), others: renamedBackend("a"),
		},
		{
			name: "the same, in a Vault with a stack that had this name", kind: secretType,
			old: renamed(), path: renamedPath, found: unmarked(), others: renamedBackend("b"), refused: true,
		},
		{
			name: "a delete of ours with the mark of the stack before its destroy, when it was renamed",
			kind: secretType, old: afterARefresh(renamed()), path: renamedPath,
			found: metadataOf("before", "z", ""), others: renamedBackend("a"),
		},
		{
			name: "the same with the mark of another stack, which a refresh read", kind: secretType,
			old: readBack(renamed(), "qa"), path: renamedPath, found: metadataOf("qa", "z", ""),
			others: renamedBackend("a"), refused: true,
		},
		{
			name: "a secret without a mark in an empty Vault behind the same address", kind: secretType,
			old: ours, new: ours, path: secretPath, found: unmarked(), refused: true,
		},
		{
			name: "a secret without a mark in a Vault with a stack of this name", kind: secretType,
			old: ours, new: ours, path: secretPath, found: unmarked(), others: backendBy("b"), refused: true,
		},
		{
			name: "a delete of a secret without a mark in another Vault", kind: secretType,
			old: inAnotherVault(), path: secretPath, found: unmarked(), others: ourRole(), refused: true,
		},
		{
			name:    "a delete of theirs that a refresh read",
			kind:    secretType,
			old:     refreshed(),
			path:    secretPath,
			found:   theirs,
			refused: true,
		},
		{
			name:    "a role of another identity",
			kind:    roleType,
			new:     roleOf("a"),
			path:    rolePath,
			found:   object{"bound_claims": object{"oid": "b"}},
			refused: true,
		},
		{
			name:  "our role, whose claim Vault answers as a list",
			kind:  roleType,
			new:   roleOf("a"),
			path:  rolePath,
			found: object{"bound_claims": object{"oid": []string{"a"}}},
		},
		{
			name:    "another policy of our name",
			kind:    policyType,
			new:     policyOf("ours"),
			path:    policyPath,
			found:   object{"policy": "theirs"},
			refused: true,
		},
		{
			name:  "our policy before its update",
			kind:  policyType,
			old:   policyOf("ours"),
			new:   policyOf("next"),
			path:  policyPath,
			found: object{"policy": "ours"},
		},
		{
			name:    "a backend of another stack, to delete",
			kind:    backendType,
			old:     backendOf("ours"),
			path:    backendPath,
			found:   object{"description": "theirs"},
			refused: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects := map[string]object{test.path: test.found}
			maps.Copy(objects, test.others)
			vault := serve(t, objects)
			err := guard(t, vault.URL).Check(t.Context(), &pulumi.ResourceHookArgs{
				Type: tokens.Type(test.kind), NewInputs: stated(test.new), OldInputs: stated(test.old),
			})
			if !test.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.path[len("/v1/"):]+" is left alone")
		})
	}
}

// Two teams may call project and stack alike, and jobs of both may run as the one identity that the
// company has for them.
func TestStacksOfOneNameAndOneIdentityAreToldApart(t *testing.T) {
	ours := secretOf("dev", "a")
	same := metadataOf("dev", "a", "")
	shared := dev()
	shared.Workload.IdentityID = "/subscriptions/x"
	for _, test := range []struct {
		name     string
		kind     string
		old, new object
		path     string
		found    object
		refused  bool
	}{
		{name: "nothing", kind: secretType, new: ours, path: secretPath},
		{name: "a secret of the other one", kind: secretType, new: ours, path: secretPath, found: same, refused: true},
		{name: "an update of our own secret", kind: secretType, old: ours, new: ours, path: secretPath, found: same},
		{name: "a delete of our own secret", kind: secretType, old: ours, path: secretPath, found: same},
		{
			name: "a secret that a destroy left", kind: secretType, new: ours, path: secretPath,
			found: metadataOf("dev", "a", "2026-11-30T00:00:00Z"),
		},
		{
			name: "a secret of another stack with the identity", kind: secretType, new: ours,
			path: secretPath, found: metadataOf("qa", "a", ""), refused: true,
		},
		{
			name: "a role of the other one", kind: roleType, new: roleOf("a"), path: rolePath,
			found: object{"bound_claims": object{"oid": "a"}}, refused: true,
		},
		{
			name: "a policy of the other one", kind: policyType, new: policyOf("same"), path: policyPath,
			found: object{"policy": "same"}, refused: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			vault := serve(t, map[string]object{test.path: test.found})
			err := guardOf(t, vault.URL, shared).Check(t.Context(), &pulumi.ResourceHookArgs{
				Type: tokens.Type(test.kind), NewInputs: stated(test.new), OldInputs: stated(test.old),
			})
			if !test.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.path[len("/v1/"):]+" is left alone")
		})
	}
}

// Whoever deploys dev could else give its jobs the credentials of prod.
func TestThePolicyGrantsNoCredentialWhoseOwnerDoesNotLendIt(t *testing.T) {
	for _, test := range []struct {
		name    string
		labels  object // nil: no secret
		refused bool
	}{
		{name: "another stack's", labels: object{"project": "mlvault", "stack": "prod"}, refused: true},
		{
			name:    "another stack's, lent to a third",
			labels:  object{"project": "mlvault", "stack": "prod", "readers": "mlvault/qa"},
			refused: true,
		},
		{
			name:   "another stack's, lent to this one",
			labels: object{"project": "mlvault", "stack": "prod", "readers": "mlvault/qa,mlvault/dev"},
		},
		{name: "this stack's own", labels: object{"project": "mlvault", "stack": "dev"}},
		{name: "one that bears no mark", labels: object{}},
		{name: "none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects := map[string]object{}
			if test.labels != nil {
				objects["/v1/kv/metadata/mlvault/prod/db"] = object{"custom_metadata": test.labels}
			}
			s := dev()
			s.Vault.Reads = map[string]settings.Read{
				"theirs": {Path: "kv/data/mlvault/prod/db"},
				"users":  {Path: "database/creds/ml-reader"},
			}
			made := guardOf(t, serve(t, objects).URL, s)
			policy := stated(policyOf("ours"))
			for _, old := range []resource.PropertyMap{nil, policy} {
				args := &pulumi.ResourceHookArgs{Type: policyType, OldInputs: old, NewInputs: policy}
				err := made.Check(t.Context(), args)
				if !test.refused {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, "vault.reads.theirs: it is a credential of the stack mlvault/prod")
			}
			gone := &pulumi.ResourceHookArgs{Type: policyType, OldInputs: policy}
			require.NoError(t, made.Check(t.Context(), gone), "a destroy needs nobody's consent")
		})
	}
}

func TestWhatCannotBeSeenIsLeftAloneAndNoErrorQuotesTheAddress(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":["permission denied"]}`))
	}
	handler := http.NewServeMux()
	handler.HandleFunc("/", refuse)
	handler.HandleFunc("/v1/auth/token/lookup-self", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"data":{"type":"service"}}`))
	})
	forbidden := httptest.NewServer(handler)
	defer forbidden.Close()
	// OpenBao says of a dead token what it says of one without rights.
	dead := httptest.NewServer(http.HandlerFunc(refuse))
	defer dead.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for url, want := range map[string]string{
		forbidden.URL: "`make policy` prints the policy",
		dead.URL:      "Vault does not accept the deployer's token",
		gone.URL:      "nothing listens there",
	} {
		err := guard(t, url).Check(t.Context(), &pulumi.ResourceHookArgs{
			Type: secretType, NewInputs: stated(secretOf("dev", "a")),
		})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "127.0.0.1")
		require.NotContains(t, err.Error(), "the-token")
	}
}

func guard(t *testing.T, url string) *ownership.Guard {
	t.Helper()
	return guardOf(t, url, dev())
}

func guardOf(t *testing.T, url string, s *settings.Settings) *ownership.Guard {
	t.Helper()
	options := vaultapi.Options{Address: url, Token: "the-token", Patience: 5 * time.Second}
	made, err := ownership.New(options, s)
	require.NoError(t, err)
	return made
}

// serve answers as Vault does: an object, or 404 where there is none.
func serve(t *testing.T, objects map[string]object) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found := objects[r.URL.Path]
		if found == nil {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"errors":[]}`))
			return
		}
		_ = json.NewEncoder(w).Encode(object{"data": found})
	}))
	t.Cleanup(server.Close)
	return server
}

// stated are inputs as the engine hands them over.
func stated(inputs object) resource.PropertyMap {
	if inputs == nil {
		return nil
	}
	return resource.NewPropertyMapFromMap(inputs)
}
