package check

import (
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/internal/losses"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

const (
	deployedTenant = "33333333-3333-4333-8333-333333333333"

	deployedGroup    = "/subscriptions/99999999-9999-4999-8999-999999999999/resourceGroups/ml-group1"
	deployedIdentity = deployedGroup +
		"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ml-identity1"
	deployedWorkspace = deployedGroup +
		"/providers/Microsoft.MachineLearningServices/workspaces/ml-workspace1"
	workspaceOfOthers = "/subscriptions/99999999-9999-4999-8999-999999999999/resourceGroups/others" +
		"/providers/Microsoft.MachineLearningServices/workspaces/theirs"
)

// resource is one of a state, as JSON.
func resource(t *testing.T, kind, name, id, inputs string) rights.Resource {
	t.Helper()
	r := rights.Resource{Type: kind, ID: strings.Trim(id, "/"), URN: "urn:pulumi:dev::mlvault::" + kind + "::" + name}
	require.NoError(t, json.Unmarshal([]byte(inputs), &r.Inputs))
	return r
}

// ofDeployed is what the last up knew.
var ofDeployed = losses.Facts{
	Identity: deployedIdentity,
	Issuer:   "https://sts.windows.net/" + deployedTenant + "/",
}

// inGroup is a resource in the stack's group, in its region.
func inGroup(t *testing.T, kind, name, id, inputs string) rights.Resource {
	t.Helper()
	r := resource(t, kind, name, id, inputs)
	r.Inputs["location"] = "westeurope"
	r.Inputs["resourceGroupName"] = "ml-group1"
	return r
}

// deployed is a stack as its last up left it.
func deployed(t *testing.T) (*checker, *settings.Settings) {
	t.Helper()
	s := &settings.Settings{
		Project:     "mlvault",
		Stack:       "dev",
		Location:    "westeurope",
		Address:     settings.NewSecret("https://vault.example.com"),
		Credentials: []settings.Credential{{Name: "ml_api_key"}},
		Vault:       settings.Vault{Mount: "secret", Prefix: "mlvault/dev"},
		Workload: settings.Workload{
			Audience:          "api://x",
			AuthPath:          "jwt-x",
			CreateAuthBackend: true,
			Role:              "ml",
			CreateRole:        true,
			Policy:            "ml-read",
			CreatePolicy:      true,
		},
		Compute: []settings.Cluster{{Name: "ml-cluster", VMSize: "Standard_D4ds_v5", MaxNodes: 1}},
	}
	workspace := inGroup(t, "azure-native:machinelearningservices/v20241001:Workspace", "ml-workspace",
		deployedWorkspace, `{"hbiWorkspace":false,"identity":{"type":"SystemAssigned"},
		  "storageAccount":"/st","keyVault":"/kv"}`)
	identity := inGroup(t, "azure-native:managedidentity/v20230131:UserAssignedIdentity", "ml-identity",
		deployedIdentity, `{}`)
	identity.Outputs = map[string]any{"principalId": "2", "tenantId": deployedTenant}
	cluster := inGroup(t, "azure-native:machinelearningservices/v20241001:Compute", "ml-cluster",
		deployedWorkspace+"/computes/ml-cluster", `{"properties":{"properties":{"vmSize":"Standard_D4ds_v5"}}}`)
	stack := rights.Resource{Type: "pulumi:pulumi:Stack", URN: "urn:pulumi:dev::mlvault::pulumi:pulumi:Stack::x"}
	stack.Outputs = map[string]any{
		"vaultAudience":   "api://x",
		"vaultLoginPath":  s.LoginPath(),
		"vaultRole":       s.Workload.Role,
		"vaultPolicy":     s.Workload.Policy,
		"vaultNamespace":  "",
		"credentialPaths": map[string]any{"ml_api_key": "secret/data/mlvault/dev/ml_api_key"},
	}
	c := &checker{settings: s, stack: Stack{Settings: s, State: rights.State{Resources: []rights.Resource{
		stack,
		resource(t, "azure-native:resources/v20220901:ResourceGroup", "ml-group", deployedGroup,
			`{"location":"westeurope"}`),
		inGroup(t, "azure-native:storage/v20220901:StorageAccount", "mlstorage",
			deployedGroup+"/providers/Microsoft.Storage/storageAccounts/mlstorage1", `{}`),
		inGroup(t, "azure-native:resources/v20220901:Resource", "ml-kv",
			deployedGroup+"/providers/Microsoft.KeyVault/vaults/ml-kv1", `{"resourceType":"vaults","properties":{}}`),
		identity,
		workspace,
		cluster,
		resource(t, rights.TypeBackend, "credentials-jwt", "jwt-x", `{"path":"jwt-x"}`),
		resource(t, rights.TypeRole, "credentials-role", s.RolePath(), `{"boundAudiences":["api://x"]}`),
		{
			Type:   typeStash,
			URN:    "urn:pulumi:dev::mlvault::pulumi:index:Stash::" + losses.DefinitionName,
			Inputs: map[string]any{"input": losses.Definition(s, ofDeployed)},
		},
		resource(t, rights.TypeSecret, "credentials-ml_api_key", "secret/data/mlvault/dev/ml_api_key", `{}`),
		resource(t, rights.TypePolicy, "credentials-read", s.Workload.Policy, `{"policy":"`+
			`# Fingerprint of the Vault address: `+s.Fingerprint()+`. A new one"}`),
	}}}}
	return c, s
}

// edit changes a resource of the state.
func edit(c *checker, name string, does func(*rights.Resource)) {
	for i := range c.stack.State.Resources {
		if nameOf(c.stack.State.Resources[i].URN) == name {
			does(&c.stack.State.Resources[i])
		}
	}
}

// folderWithCA has a file ca.pem.
func folderWithCA(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	folder := t.TempDir()
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	file := filepath.Join(folder, "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	return folder
}

func protectAll(c *checker) {
	for _, name := range []string{"ml-group", "mlstorage", "ml-kv", "ml-workspace"} {
		edit(c, name, func(r *rights.Resource) { r.Protected = true })
	}
}

func TestWhatTheNextUpWouldLoseIsSaidInWords(t *testing.T) {
	folder := folderWithCA(t)
	for _, row := range []struct {
		name    string
		problem string
		warning string
		// outdates is a warning about job definitions beside the other.
		outdates string
		does     func(*checker, *settings.Settings)
	}{
		{name: "nothing changes", does: func(*checker, *settings.Settings) {}},
		{
			name:    "protect off",
			warning: "azure.protect: is off, and the state protects the resource group, the workspace, the storage account",
			does:    func(c *checker, _ *settings.Settings) { protectAll(c) },
		},
		{
			name:    "protect that no up has switched on yet",
			warning: "azure.protect: is on, and the state does not protect the resource group, the workspace",
			does:    func(_ *checker, s *settings.Settings) { s.Azure.Protect = true },
		},
		{
			name:    "the name that it has",
			warning: "",
			does:    func(_ *checker, s *settings.Settings) { s.Azure.Names.KeyVault = "ML-kv1" },
		},
		{
			name:     "the job identity's name",
			warning:  "azure.names.jobIdentity: the next up deletes the job identity",
			outdates: "the job identity changes",
			does:     func(_ *checker, s *settings.Settings) { s.Azure.Names.JobIdentity = "ml-job" },
		},
		{
			name:    "a size of the cluster",
			warning: "compute[0].vmSize: the next up deletes the cluster (ml-cluster), and with it the jobs that run on it",
			does:    func(_ *checker, s *settings.Settings) { s.Compute[0].VMSize = "Standard_D8ds_v5" },
		},
		{
			name:    "a managed network, outside of which the cluster was made",
			warning: "azure.managedNetwork.mode: the next up deletes the cluster (ml-cluster)",
			does: func(_ *checker, s *settings.Settings) {
				s.Azure.ManagedNetwork = &settings.ManagedNetwork{Mode: "AllowInternetOutbound"}
			},
		},
		{
			name: "its own workspace, named as one that exists",
			problem: "azure.workspaceId: the stack has made a workspace, and the next up would delete the " +
				"resource group, the workspace, the storage account, the key vault",
			does: func(_ *checker, s *settings.Settings) { s.Azure.WorkspaceID = deployedWorkspace },
		},
		{
			name:    "a workspace that is let go of",
			warning: "azure.workspaceId: the next up forgets the resource group, the workspace",
			does: func(c *checker, s *settings.Settings) {
				s.Azure.WorkspaceID = deployedWorkspace
				for i := range c.stack.State.Resources {
					c.stack.State.Resources[i].Retained = true
				}
			},
		},
		{
			name:     "another job identity",
			warning:  "workload.identityId: the next up deletes the job identity",
			outdates: "the job identity changes",
			does:     func(_ *checker, s *settings.Settings) { s.Workload.IdentityID = "/subscriptions/x" },
		},
		{
			name: "its own job identity",
			does: func(c *checker, s *settings.Settings) { s.Workload.IdentityID = c.jobIdentity() },
		},
		{
			name:    "a priority of the cluster",
			warning: "compute[0].lowPriority: the next up deletes the cluster",
			does:    func(_ *checker, s *settings.Settings) { s.Compute[0].LowPriority = true },
		},
		{
			name:     "another name of the cluster",
			warning:  "compute: the next up deletes the cluster (ml-cluster)",
			outdates: "cluster ml-cluster goes",
			does:     func(_ *checker, s *settings.Settings) { s.Compute[0].Name = "cpu" },
		},
		{
			name: "a cluster of others beside it",
			does: func(_ *checker, s *settings.Settings) {
				s.Compute = append(s.Compute, settings.Cluster{ComputeID: "/subscriptions/x/computes/gpu"})
			},
		},
		{
			name:     "another CA than the jobs have",
			outdates: "vault.caCertFile has a CA that they do not trust",
			does: func(c *checker, s *settings.Settings) {
				c.stack.Root = folder
				s.Vault.CACertFile = "ca.pem"
			},
		},
		{
			name: "a CA that is not there, of which the look at Vault tells",
			does: func(_ *checker, s *settings.Settings) { s.Vault.CACertFile = "missing.pem" },
		},
		{
			name:     "no cluster",
			warning:  "compute: the next up deletes the cluster",
			outdates: "cluster ml-cluster goes",
			does:     func(_ *checker, s *settings.Settings) { s.Compute = nil },
		},
		{
			name:    "a looser network",
			problem: "azure.managedNetwork.mode: the workspace has AllowOnlyApprovedOutbound",
			does: func(c *checker, s *settings.Settings) {
				edit(c, "ml-cluster", func(r *rights.Resource) {
					inside := map[string]any{"vmSize": "Standard_D4ds_v5", "enableNodePublicIp": false}
					r.Inputs["properties"] = map[string]any{"properties": inside}
				})
				edit(c, "ml-workspace", func(r *rights.Resource) {
					r.Inputs["managedNetwork"] = map[string]any{"isolationMode": "AllowOnlyApprovedOutbound"}
				})
				s.Azure.ManagedNetwork = &settings.ManagedNetwork{Mode: "AllowInternetOutbound"}
			},
		},
		{
			name:    "the workspace's own identity taken back",
			problem: "azure.workspaceIdentity: the workspace has an identity of its own",
			does: func(c *checker, _ *settings.Settings) {
				edit(c, "ml-workspace", func(r *rights.Resource) {
					r.Inputs["identity"] = map[string]any{"type": "UserAssigned"}
				})
			},
		},
		{
			name:    "purge protection taken back",
			problem: "azure.keyVaultPurgeProtection: the key vault has it",
			does: func(c *checker, _ *settings.Settings) {
				edit(c, "ml-kv", func(r *rights.Resource) {
					r.Inputs["properties"] = map[string]any{"enablePurgeProtection": true}
				})
			},
		},
		{
			name:    "an auth backend given away",
			warning: "the next up deletes the auth backend auth/jwt-x with every role in it",
			does:    func(_ *checker, s *settings.Settings) { s.Workload.CreateAuthBackend = false },
		},
		{
			name: "a policy that the Vault team is to make under the same name",
			problem: "workload.createPolicy: is false, and the next up deletes the policy ml-read, which this stack " +
				"has made. Have the Vault team make it under another name",
			warning: "workload.policy: the up deletes the policy ml-read",
			does:    func(_ *checker, s *settings.Settings) { s.Workload.CreatePolicy = false },
		},
		{
			name:    "a policy that the Vault team has made under another name",
			warning: "workload.policy: the up deletes the policy ml-read",
			does: func(c *checker, s *settings.Settings) {
				s.Workload.CreatePolicy = false
				s.Workload.Policy = "teams-ml-read"
			},
		},
		{
			name:    "a role that the Vault team is to make under the same name",
			problem: "workload.createRole: is false, and the next up deletes the role ml, which this stack has made",
			does: func(c *checker, s *settings.Settings) {
				s.Workload.CreateRole = false
				s.Workload.CreateAuthBackend = false
			},
			warning: "the next up deletes the auth backend auth/jwt-x",
		},
		{
			name: "another audience",
			warning: "fail after the up: audience api://x goes (workload.previousAudience keeps it). " +
				"Then run `make job STACK=dev`",
			does: func(_ *checker, s *settings.Settings) { s.Workload.Audience = "api://y" },
		},
		{
			name:    "another issuer",
			warning: "workload.issuer: Vault admits tokens of https://login.microsoftonline.com/t/v2.0 after the up",
			does: func(_ *checker, s *settings.Settings) {
				s.Workload.Issuer = "https://login.microsoftonline.com/t/v2.0"
			},
		},
		{
			name: "the tenant's own issuer, written out",
			does: func(_ *checker, s *settings.Settings) {
				s.Workload.Issuer = "https://sts.windows.net/" + deployedTenant + "/"
			},
		},
		{
			name: "an issuer of a tenant that the state does not tell",
			does: func(c *checker, _ *settings.Settings) {
				edit(c, "ml-identity", func(r *rights.Resource) { r.Outputs = nil })
			},
		},
		{
			name:    "a reader less",
			warning: "workload.principalIds: somebody can no longer log in after the up",
			does: func(c *checker, s *settings.Settings) {
				s.Workload.PrincipalIDs = []string{"somebody"}
				before := losses.Definition(s, ofDeployed)
				edit(c, losses.DefinitionName, func(r *rights.Resource) { r.Inputs["input"] = before })
				s.Workload.PrincipalIDs = nil
			},
		},
		{
			name:    "another name of the policy",
			warning: "workload.policy: the up deletes the policy ml-read, and jobs that run by then can read nothing",
			does:    func(_ *checker, s *settings.Settings) { s.Workload.Policy = "jobs" },
		},
		{
			name:    "a creation that was cut off",
			problem: "while it was creating credentials-new. Run `make repair STACK=dev`",
			does: func(c *checker, _ *settings.Settings) {
				c.stack.State.Resources = append(c.stack.State.Resources, rights.Resource{
					Type: rights.TypeSecret, URN: "urn:pulumi:dev::mlvault::x::credentials-new", Pending: "creating",
				})
			},
		},
		{
			name:    "a replaced one that the configuration asks for again",
			problem: "waits for its deletion, and the configuration asks for it again",
			does: func(c *checker, _ *settings.Settings) {
				edit(c, "credentials-ml_api_key", func(r *rights.Resource) { r.Replaced = true })
			},
		},
		{
			name:    "a replaced one",
			warning: "an earlier run replaced credentials-ml_api_key and left the old one. The next up deletes ml_api_key",
			does: func(c *checker, _ *settings.Settings) {
				edit(c, "credentials-ml_api_key", func(r *rights.Resource) {
					r.Replaced = true
					r.ID = "secret/data/old/ml_api_key"
				})
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, s := deployed(t)
			row.does(c, s)
			c.losses()
			c.definitions()
			requireOne(t, row.problem, c.report.Problems)
			warnings := c.report.Warnings
			if row.outdates != "" {
				last := len(warnings) - 1
				require.Contains(t, warnings[last], row.outdates)
				warnings = warnings[:last]
			}
			requireOne(t, row.warning, warnings)
		})
	}
}

// What the holdings are called, in the order in which they are told.
var (
	workspaceAndCluster = []string{"the workspace (ml-workspace1)", "the cluster (ml-cluster)"}
	inTheGroup          = []string{
		"the workspace (ml-workspace1)", "the storage account (mlstorage1)", "the key vault (ml-kv1)",
		"the cluster (ml-cluster)", "the job identity (ml-identity1)",
	}
	allInAzure = append([]string{"the resource group (ml-group1)"}, inTheGroup...)
)

// bringGroup makes the stack's group that of somebody else.
func bringGroup(c *checker, s *settings.Settings) {
	s.Azure.ExistingResourceGroup = "ml-group1"
	forget(c, "ml-group")
}

// bringWorkspace makes the stack's workspace that of somebody else, with all that it needs.
func bringWorkspace(c *checker, s *settings.Settings) {
	s.Azure.WorkspaceID = deployedWorkspace
	forget(c, "ml-group", "mlstorage", "ml-kv", "ml-workspace")
}

// forget takes resources out of the state.
func forget(c *checker, names ...string) {
	isOne := func(r rights.Resource) bool { return slices.Contains(names, nameOf(r.URN)) }
	c.stack.State.Resources = slices.DeleteFunc(c.stack.State.Resources, isOne)
}

// A preview says of each no more than `replace`.
func TestWhatGoesAlongIsNamedToo(t *testing.T) {
	for _, row := range []struct {
		name string
		key  string
		goes []string
		// before is how the stack was at its last up, if otherwise.
		before func(*checker, *settings.Settings)
		does   func(*settings.Settings)
	}{
		{
			name: "another location",
			key:  "azure-native:location",
			goes: allInAzure,
			does: func(s *settings.Settings) { s.Location = "North Europe" },
		},
		{
			name: "the same location in other words",
			does: func(s *settings.Settings) { s.Location = "West Europe" },
		},
		{
			name: "another name of the group",
			key:  "azure.names.resourceGroup",
			goes: allInAzure,
			does: func(s *settings.Settings) { s.Azure.Names.ResourceGroup = "rg-ml" },
		},
		{
			name: "a group of others in place of the stack's own",
			key:  "azure.existingResourceGroup",
			goes: allInAzure,
			does: func(s *settings.Settings) { s.Azure.ExistingResourceGroup = "platform" },
		},
		{
			name:   "one group of others in place of another",
			key:    "azure.existingResourceGroup",
			goes:   inTheGroup,
			before: bringGroup,
			does:   func(s *settings.Settings) { s.Azure.ExistingResourceGroup = "platform" },
		},
		{
			name:   "the same group of others in other letters",
			before: bringGroup,
			does:   func(s *settings.Settings) { s.Azure.ExistingResourceGroup = "ML-Group1" },
		},
		{
			name:   "a group of the stack's own in place of one of others",
			key:    "azure.existingResourceGroup",
			goes:   inTheGroup,
			before: bringGroup,
			does:   func(s *settings.Settings) { s.Azure.ExistingResourceGroup = "" },
		},
		{
			name: "another name of the storage account",
			key:  "azure.names.storageAccount",
			goes: []string{"the workspace", "the storage account", "the cluster"},
			does: func(s *settings.Settings) { s.Azure.Names.StorageAccount = "mlstorage2" },
		},
		{
			name: "a storage account of others",
			key:  "azure.storageAccountId",
			goes: []string{"the workspace", "the storage account", "the cluster"},
			does: func(s *settings.Settings) { s.Azure.StorageAccountID = "/subscriptions/s/theirs" },
		},
		{
			name: "another name of the key vault",
			key:  "azure.names.keyVault",
			goes: []string{"the workspace", "the key vault", "the cluster"},
			does: func(s *settings.Settings) { s.Azure.Names.KeyVault = "ml-kv2" },
		},
		{
			name: "a key vault of others",
			key:  "azure.keyVaultId",
			goes: []string{"the workspace", "the key vault", "the cluster"},
			does: func(s *settings.Settings) { s.Azure.KeyVaultID = "/subscriptions/s/theirs" },
		},
		{
			name: "another name of the workspace",
			key:  "azure.names.workspace",
			goes: workspaceAndCluster,
			does: func(s *settings.Settings) { s.Azure.Names.Workspace = "mlw" },
		},
		{
			name: "a workspace of high business impact",
			key:  "azure.hbiWorkspace",
			goes: workspaceAndCluster,
			does: func(s *settings.Settings) { s.Azure.HBIWorkspace = true },
		},
		{
			name: "a key of one's own",
			key:  "azure.customerManagedKey.keyVaultId",
			goes: workspaceAndCluster,
			does: func(s *settings.Settings) {
				s.Azure.CustomerManagedKey = &settings.CustomerManagedKey{KeyVaultID: "/subscriptions/s/keys"}
			},
		},
		{
			name:   "one workspace of others in place of another",
			key:    "azure.workspaceId",
			goes:   []string{"the cluster", "the job identity"},
			before: bringWorkspace,
			does:   func(s *settings.Settings) { s.Azure.WorkspaceID = workspaceOfOthers },
		},
		{
			name:   "a workspace of the stack's own in place of one of others",
			key:    "azure.workspaceId",
			goes:   []string{"the cluster", "the job identity"},
			before: bringWorkspace,
			does:   func(s *settings.Settings) { s.Azure.WorkspaceID = "" },
		},
		{
			name:   "a location that is not the one of the workspace of others, which decides",
			before: bringWorkspace,
			does:   func(s *settings.Settings) { s.Location = "northeurope" },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, s := deployed(t)
			if row.before != nil {
				row.before(c, s)
			}
			c.losses()
			require.Empty(t, c.report.Warnings, "nothing has changed yet")
			row.does(s)
			c.losses()
			require.Len(t, c.report.Warnings, len(row.goes), "%q", c.report.Warnings)
			for i, what := range row.goes {
				require.Contains(t, c.report.Warnings[i], row.key+": the next up deletes "+what)
			}
		})
	}
}

// It is made anew, and the old one with all that it holds is nobody's.
func TestWhatIsRetainedIsLetGoOfAndNotDeleted(t *testing.T) {
	c, s := deployed(t)
	s.Azure.Retain = true
	s.Azure.HBIWorkspace = true
	edit(c, "ml-workspace", func(r *rights.Resource) { r.Retained = true })
	c.losses()
	require.Len(t, c.report.Warnings, 2, "%q", c.report.Warnings)
	require.Contains(t, c.report.Warnings[0], "the next up lets go of the workspace (ml-workspace1), which stays in Azure")
	require.Contains(t, c.report.Warnings[1], "the next up deletes the cluster (ml-cluster)")
}

func TestALossThatProtectionForbidsIsAProblemAlsoBeforeAnUpHasSwitchedItOn(t *testing.T) {
	for _, isInState := range []bool{true, false} {
		c, s := deployed(t)
		s.Azure.HBIWorkspace = true
		s.Azure.Protect = true
		if isInState {
			protectAll(c)
		}
		c.losses()
		requireOne(t, "azure.hbiWorkspace: the next up would delete the workspace (ml-workspace1), and with it all "+
			"runs, models, endpoints and schedules. azure.protect forbids that", c.report.Problems)
	}
}

func TestACredentialThatGoesIsSaidForVaultAndForTheDefinitions(t *testing.T) {
	c, s := deployed(t)
	s.Credentials = nil
	edit(c, "credentials-ml_api_key", func(r *rights.Resource) { r.Inputs["deleteAllVersions"] = true })
	c.losses()
	c.definitions()
	require.Len(t, c.report.Warnings, 2)
	require.Contains(t, c.report.Warnings[0], "purges every version of secret/data/mlvault/dev/ml_api_key")
	require.Contains(t, c.report.Warnings[1], "credential ml_api_key goes")
}

func TestAnAudienceThatIsStillAcceptedOutdatesNothing(t *testing.T) {
	c, s := deployed(t)
	s.Workload.Audience = "api://y"
	s.Workload.PreviousAudience = "api://x"
	c.definitions()
	require.Empty(t, c.report.Warnings)
}

func TestADeletionByTheNextUpCanBeTakenBackUnlessItPurges(t *testing.T) {
	c, s := deployed(t)
	s.Vault.Prefix = "elsewhere"
	c.losses()
	c.definitions()
	require.Len(t, c.report.Warnings, 2)
	require.Contains(t, c.report.Warnings[0], "`vault kv undelete` brings a value back")
	require.Contains(t, c.report.Warnings[1], "credential ml_api_key moves")
}
