package changes

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/internal/outputs"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// deployed is a stack that is up, with what there is to see of it.
type deployed struct {
	*sandbox.Stack

	did deeds
	// folder has what `make job` then wrote.
	folder string
	// holdings are ids in Azure of what somebody else has put into parts of the stack.
	holdings []string
	// picture is what Vault and Azure have, but for what chance made.
	picture lab.Picture
	// theirs is a path in Vault that others wrote for it.
	theirs string
}

// up deploys a stack as its settings are now, by a deployer with the rights that `make policy`
// gives.
func (s *stage) up(options ...optup.Option) (*deployed, error) {
	s.T.Helper()
	configured, err := s.Configure(s.T.Context(), s.settings())
	if err != nil {
		return nil, err
	}
	s.swap(configured.Workspace().WorkDir())
	s.grantSwapped(configured.Config)
	d := &deployed{Stack: configured, did: deeds{}}
	steps := make(chan events.EngineEvent)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range steps {
			if event.ResOutputsEvent != nil {
				d.did.note(event.ResOutputsEvent.Metadata)
			}
		}
	}()
	options = append(options, optup.EventStreams(steps), optup.SuppressProgress())
	_, err = configured.Stack.Up(s.T.Context(), options...)
	<-ended
	return d, err
}

// look notes what there is, and puts something of somebody else's into each part that holds data.
func (s *stage) look(d *deployed) {
	s.T.Helper()
	d.picture = s.picture()
	var err error
	d.folder, err = os.MkdirTemp(s.Path("."), "job-")
	require.NoError(s.T, err)
	s.asking(func() { err = d.HandOver(s.T.Context(), d.folder) })
	require.NoError(s.T, err)
	for _, doc := range s.ARM.List("") {
		id := fmt.Sprint(doc["id"])
		place, holds := keeps[fmt.Sprint(doc["type"])]
		if !holds || slices.Contains(theirs(), id) {
			continue
		}
		held := id + "/" + place + "/" + kept
		require.NoError(s.T, s.ARM.Seed(held, arm.Document{}))
		d.holdings = append(d.holdings, held)
	}
}

// keeps are where people keep something in a part of a stack, by its type in ARM.
var keeps = map[string]string{
	"Microsoft.MachineLearningServices/workspaces":     "models",
	"Microsoft.Storage/storageAccounts":                "blobServices/default/containers",
	"Microsoft.KeyVault/vaults":                        "secrets",
	"Microsoft.ContainerRegistry/registries":           "webhooks",
	"Microsoft.OperationalInsights/workspaces":         "tables",
	"microsoft.insights/components":                    "analyticsItems",
	"Microsoft.ManagedIdentity/userAssignedIdentities": "federatedIdentityCredentials",
}

// kept is the name of what they keep.
const kept = "kept-by-somebody"

// lost are the holdings that are no longer there.
func (s *stage) lost(d *deployed) []string {
	var gone []string
	for _, id := range d.holdings {
		if _, isThere := s.ARM.Resource(id); !isThere {
			gone = append(gone, id)
		}
	}
	return gone
}

// picture is what Vault and Azure have, but for what chance made and what somebody keeps there.
func (s *stage) picture() lab.Picture {
	s.T.Helper()
	now, err := s.Picture()
	require.NoError(s.T, err)
	maps.DeleteFunc(now, func(place, _ string) bool { return strings.HasSuffix(place, "/"+kept) })
	return s.WithoutChance(now)
}

// asking does something that needs the stack's outputs.
func (s *stage) asking(do func()) {
	s.cli.Asks = true
	defer func() { s.cli.Asks = false }()
	do()
}

// read runs the job of a folder that `make job` wrote, in the stack as it is now.
func (s *stage) read(now *deployed, folder string) (err error) {
	s.asking(func() {
		err = now.RunDefinitions(s.T.Context(), folder, io.Discard, "job.yml")
	})
	return err
}

// running is a job that has logged in.
type running struct {
	vault *api.Client
	paths []string
}

// start logs in as the stack's jobs do.
func (s *stage) start(d *deployed) running {
	s.T.Helper()
	var values auto.OutputMap
	var err error
	s.asking(func() { values, err = d.Outputs(s.T.Context()) })
	require.NoError(s.T, err)
	token, err := s.Issuer.Token(issuer.Claims{
		Audience:    sandbox.Text(values, outputs.VaultAudience),
		ClientID:    sandbox.Text(values, outputs.JobIdentityClientID),
		PrincipalID: arm.PrincipalID(sandbox.Text(values, outputs.JobIdentityID)),
	})
	require.NoError(s.T, err)
	anonymous, err := s.Vault.Client("")
	require.NoError(s.T, err)
	login, err := anonymous.Logical().WriteWithContext(s.T.Context(), d.Config.LoginPath(),
		map[string]any{"role": sandbox.Text(values, outputs.VaultRole), "jwt": token})
	require.NoError(s.T, err)
	vault, err := s.Vault.Client(login.Auth.ClientToken)
	require.NoError(s.T, err)
	return running{
		vault: vault,
		paths: slices.Sorted(maps.Values(d.Config.CredentialPaths())),
	}
}

// goesOn tells whether a job that runs can still read all that it could.
func (s *stage) goesOn(job running) error {
	for _, path := range job.paths {
		_, err := job.vault.Logical().ReadWithContext(s.T.Context(), path)
		if err != nil {
			return err
		}
	}
	return nil
}
