package changes

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// stage is one stack at the moment of its change.
type stage struct {
	*lab.Lab

	stack       string
	texts       texts
	credentials lab.Payloads
	// address and token are Vault's and the deployer's; empty: as before.
	address, token string
	// swaps are texts of the stack's file that the sandbox sets itself, with what comes in their place.
	swaps map[string]string
}

// newLab has the platform team's resources in Azure.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	var stacks []string
	for name := range first {
		stacks = append(stacks, name)
	}
	l := lab.Open(t, sandbox.Options{Root: lab.Project(t, lab.ProjectName, stacks...)})
	l.Spare(lab.ProjectName)
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
	return l
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
