package changes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/internal/outputs"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// stage is one stack at the moment of its change.
type stage struct {
	*lab.Lab

	cli         *lab.Thrifty // of the lab, where jobs ask for outputs
	stack       string
	texts       texts
	credentials lab.Payloads
	// address and token are Vault's and the deployer's; empty: as before.
	address, token string
	// swaps are texts of the stack's file that the sandbox sets itself, with what comes in their place.
	swaps map[string]string
}

// newLab has what others have in Azure and Vault, and a CLI without needless questions.
func newLab(t *testing.T) (*lab.Lab, *lab.Thrifty) {
	t.Helper()
	var stacks []string
	for name := range first {
		stacks = append(stacks, name)
	}
	l := lab.Open(t, sandbox.Options{Root: lab.Project(t, lab.ProjectName, stacks...)})
	cli := l.Spare(lab.ProjectName)
	for _, id := range theirs() {
		kind := filepath.Base(filepath.Dir(id))
		document := arm.Document{"location": "westeurope"}
		switch kind {
		case "storageAccounts":
			document["sku"] = map[string]any{"name": "Standard_LRS"}
		case "registries":
			document["sku"] = map[string]any{"name": "Premium"}
		case "vaults":
			document["properties"] = map[string]any{"enablePurgeProtection": true}
		case "userAssignedIdentities":
			document["properties"] = map[string]any{
				"clientId":    arm.ClientID(id),
				"principalId": arm.PrincipalID(id),
				"tenantId":    arm.TenantID,
			}
		}
		require.NoError(t, l.ARM.Seed(id, document))
	}
	l.SharedBackend("jwt-theirs")
	haveTheirs(l)
	return l, cli
}

// haveTheirs writes what others have in a Vault.
func haveTheirs(l *lab.Lab) {
	l.Write("sys/mounts/team-kv", map[string]any{
		"type":    "kv",
		"options": map[string]any{"version": "2"},
	})
	for _, name := range []string{"else", "other"} {
		data := map[string]any{"data": map[string]any{"key": "theirs"}}
		l.Write("secret/data/somebody/"+name, data)
	}
}

// theirs are the ids that any settings name.
func theirs() []string {
	ids := map[string]bool{theirGroup: true}
	isID := regexp.MustCompile(`^/subscriptions/`)
	note := func(settings texts) {
		for _, text := range settings {
			if isID.MatchString(text) {
				ids[text] = true
			}
		}
	}
	for _, settings := range first {
		note(settings)
	}
	for _, each := range plays {
		note(each.to)
	}
	var all []string
	for id := range ids {
		all = append(all, id)
	}
	return all
}

// stageOf is a stack as it is before its change.
func stageOf(l *lab.Lab, stack string) *stage {
	return &stage{
		Lab:         l,
		stack:       stack,
		texts:       first[stack],
		credentials: lab.Sample(),
		swaps:       map[string]string{},
	}
}

// change makes a play's change of the settings.
func (s *stage) change(p play) {
	s.texts = s.texts.with(p.to)
	if p.does != nil {
		p.does(s)
	}
}

func (s *stage) settings() sandbox.Settings {
	return sandbox.Settings{
		Stack:       s.stack,
		Credentials: s.credentials.JSON(s.T),
		Address:     s.address,
		Token:       s.token,
		Edits:       []lab.Edit{s.edit},
	}
}

// edit writes the settings into the stack's file. A key with a namespace stays in it.
func (s *stage) edit(file pulumiconfig.Map) {
	for _, path := range slices.Sorted(maps.Keys(s.texts)) { // a list's elements in their order
		text := s.texts[path]
		namespace, name, isOthers := strings.Cut(path, ":")
		if !isOthers {
			namespace, name = lab.ProjectName, path
		}
		key := pulumiconfig.MustMakeKey(namespace, name)
		if text == "" {
			require.NoError(s.T, file.Remove(key, true), path)
			continue
		}
		require.NoError(s.T, file.Set(key, pulumiconfig.NewValue(text), !isOthers), path)
	}
}

// plan is what an up would do, or why it is refused.
func (s *stage) plan() (deeds, error) {
	s.T.Helper()
	configured, err := s.ConfigurePreview(s.T.Context(), s.settings())
	require.NoError(s.T, err)
	s.swap(configured.Workspace().WorkDir())
	steps := make(chan events.EngineEvent)
	planned := deeds{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range steps {
			if event.ResourcePreEvent != nil {
				planned.note(event.ResourcePreEvent.Metadata)
			}
		}
	}()
	_, err = configured.Preview(s.T.Context(),
		optpreview.EventStreams(steps), optpreview.SuppressProgress())
	<-done
	return planned, err
}

// swap puts texts in the place of the sandbox's own in the stack's file.
func (s *stage) swap(folder string) {
	s.T.Helper()
	if len(s.swaps) == 0 {
		return
	}
	path := filepath.Join(folder, "Pulumi."+s.stack+".yaml")
	text := lab.ReadFile(s.T, path)
	for old, with := range s.swaps {
		require.Contains(s.T, text, old)
		text = strings.ReplaceAll(text, old, with)
	}
	require.NoError(s.T, os.WriteFile(path, []byte(text), 0o600))
}

// grantSwapped writes the policy of a deployer for settings with other texts in them.
func (s *stage) grantSwapped(configured *settings.Settings) {
	s.T.Helper()
	if len(s.swaps) == 0 {
		return
	}
	swapped := *configured
	for old, with := range s.swaps {
		with = strings.ReplaceAll(with, "\n      ", "\n") // as YAML has it
		swapped.Workload.Issuer = strings.ReplaceAll(swapped.Workload.Issuer, old, with)
		swapped.Workload.IssuerCAPEM = strings.ReplaceAll(swapped.Workload.IssuerCAPEM, old, with)
	}
	_, err := s.DeployerToken(s.T.Context(), &swapped, rights.State{})
	require.NoError(s.T, err)
}

// otherVault is another one behind another address, in which others have what they have here.
func (s *stage) otherVault(*deployed) {
	second := lab.Open(s.T, sandbox.Options{Root: s.Options.Root})
	haveTheirs(second)
	s.Vault = second.Vault
	s.address = ""
}

// otherToken makes the deployer start over.
func (s *stage) otherToken(*deployed) {
	require.NoError(s.T, os.Remove(s.DeployerTokenFile(s.stack)))
	s.token = ""
}

// theirClusterHere is a cluster in the stack's own workspace to which somebody gave the identity.
func (s *stage) theirClusterHere(first *deployed) {
	var values auto.OutputMap
	var err error
	s.asking(func() { values, err = first.Outputs(s.T.Context()) })
	require.NoError(s.T, err)
	id := sandbox.Text(values, outputs.WorkspaceID) + "/computes/" + kept
	identity := sandbox.Text(values, outputs.JobIdentityID)
	require.NoError(s.T, s.ARM.Seed(id, arm.Document{
		"identity": map[string]any{"userAssignedIdentities": map[string]any{identity: map[string]any{}}},
	}))
	s.texts["compute[0].computeId"] = id
}

// ownersGiveRoles lets the workspace's own identity read what it is to use from then on.
func (s *stage) ownersGiveRoles(*deployed) {
	for _, identity := range s.ARM.List("Microsoft.ManagedIdentity/userAssignedIdentities") {
		id := fmt.Sprint(identity["id"])
		if !strings.HasPrefix(filepath.Base(id), "ml-workspace-identity") {
			continue
		}
		for part, role := range map[string]string{
			theirStorage: settings.RoleIDContributor,
			otherKeys:    settings.RoleIDKeyVaultAdministrator,
		} {
			assignment := part + "/providers/Microsoft.Authorization/roleAssignments/" + kept
			require.NoError(s.T, s.ARM.Seed(assignment, arm.Document{"properties": map[string]any{
				"principalId":      arm.PrincipalID(id),
				"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + role,
			}}))
		}
	}
}

// theirRole is what the Vault team makes of `make policy FOR=role`.
func (s *stage) theirRole(changed *deployed) string {
	state, err := changed.State(s.T.Context())
	require.NoError(s.T, err)
	jobs, isThere := state.JobIdentity()
	require.True(s.T, isThere)
	path := changed.Config.RolePath()
	s.Write(path, rights.JobsRole(changed.Config, jobs))
	return path
}

// theirPolicy is what the Vault team makes of `make policy FOR=jobs`.
func (s *stage) theirPolicy(changed *deployed) string {
	path := changed.Config.PolicyPath()
	s.Write(path, map[string]any{"policy": rights.ReadPolicy(changed.Config)})
	return path
}

// forget removes what others wrote to Vault for a change that is taken back.
func (s *stage) forget(path string) {
	if path == "" {
		return
	}
	_, err := s.Vault.Root().Logical().DeleteWithContext(s.T.Context(), path)
	require.NoError(s.T, err)
}

// otherAddress leads to the same Vault by another name.
func (s *stage) otherAddress() {
	s.address = strings.Replace(s.Vault.Addr(), "127.0.0.1", "localhost", 1)
	require.NotEqual(s.T, s.address, s.Vault.Addr())
}

func (s *stage) newToken() { s.token = "another-token" }

func (s *stage) otherCACertFile() {
	copied := s.Path("copied-ca.pem")
	text := lab.ReadFile(s.T, s.Vault.CAFile())
	require.NoError(s.T, os.WriteFile(copied, []byte(text), 0o600))
	s.swaps[s.Vault.CAFile()] = copied
}

func (s *stage) otherIssuer() {
	s.swaps[s.Issuer.URL(issuer.V1)] = s.Issuer.URL(issuer.V2)
}

// otherIssuerCA is the same certificate with a line before it, which PEM takes for a comment.
func (s *stage) otherIssuerCA() {
	s.swaps["-----BEGIN CERTIFICATE-----"] = "a comment\n      -----BEGIN CERTIFICATE-----"
}
