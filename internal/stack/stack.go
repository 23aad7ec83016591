// Package stack puts the program together: it reads the settings, builds the two halves and exports
// the outputs. It is the only package that knows both halves.
package stack

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/azureml"
	"mlvault/internal/component"
	"mlvault/internal/credentials"
	"mlvault/internal/losses"
	"mlvault/internal/ownership"
	"mlvault/internal/settings"
	"mlvault/internal/vaultapi"
)

// Run is the program. Refused settings are an error before anything is registered.
func Run(ctx *pulumi.Context) error {
	program := Program{Dir: "."}
	return program.Run(ctx)
}

// Program is what runs, with what a host says that runs it in its own process.
type Program struct {
	// Dir is the folder of the stack's settings file.
	Dir string
	// Proxy leads the program's own requests to Vault; nil: as HTTPS_PROXY says.
	Proxy func(*http.Request) (*url.URL, error)
}

// Run is a [pulumi.RunFunc].
func (p Program) Run(ctx *pulumi.Context) error {
	s, err := settings.Load(ctx, p.Dir)
	if err != nil {
		return err
	}
	if err := reportUnreadable(ctx, s); err != nil {
		return err
	}
	guard, err := p.newGuard(ctx, s)
	if err != nil {
		return err
	}
	values, err := deploy(ctx, s, guard)
	if err != nil {
		return err
	}
	for name, value := range values {
		ctx.Export(name, value)
	}
	return nil
}

// reportUnreadable speaks in previews alone, and so once in an `up`, which begins with one.
func reportUnreadable(ctx *pulumi.Context, s *settings.Settings) error {
	message := unreadable(s)
	if message == "" || !ctx.DryRun() {
		return nil
	}
	return ctx.Log.Info(message, nil)
}

// unreadable names the credentials that lose their drift detection, and says what to do: nobody
// should find out from an incident. Whoever sets vault.disableRead knows it.
func unreadable(s *settings.Settings) string {
	if s.Vault.DisableRead {
		return ""
	}
	var names []string
	for _, credential := range s.Credentials {
		if s.WritesOnly(credential) {
			names = append(names, credential.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(`Pulumi will not notice when somebody changes these credentials in Vault: %s.
It never reads them back, because its debug output could show a value.
Encrypt each of their values by itself, and it reads them back:
  pulumi config set --path --secret 'credentials.%s.<key>'
Where you did, a value is one that the CLI cannot mask: docs/decisions/0007 has the list.`,
		strings.Join(names, ", "), names[0])
}

// storeName is the program's name of the component of Vault, and part of every name below it.
const storeName = "credentials"

// deploy registers everything and returns the stack's outputs. The logical names here are part of
// every URN.
func deploy(
	ctx *pulumi.Context, s *settings.Settings, guard pulumi.ResourceOption,
) (pulumi.Map, error) {
	watched, err := consequences{ctx: ctx, settings: s}.register()
	if err != nil {
		return nil, err
	}
	workspace, err := azureml.New(ctx, "ml", s, watched)
	if err != nil {
		return nil, err
	}
	provider, err := newVaultProvider(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("vault provider: %w", err)
	}
	identity := credentials.Identity{
		PrincipalID: workspace.JobIdentity.PrincipalID,
		TenantID:    workspace.JobIdentity.TenantID,
	}
	hooks := pulumi.Composite(guard, watched)
	store, err := credentials.New(ctx, storeName, s, identity, hooks, pulumi.Providers(provider))
	if err != nil {
		return nil, err
	}
	certificates, err := certificatesForJobs(s)
	if err != nil {
		return nil, err
	}
	definition := losses.Definition(s, losses.Facts{
		Identity:     workspace.JobIdentity.ID,
		Issuer:       store.Issuer,
		Certificates: certificates,
	})
	if err := keepDefinition(ctx, definition, watched, store.Written); err != nil {
		return nil, err
	}
	return stackOutputs(s, workspace, store, certificates), nil
}

// keepDefinition keeps in the state what job definitions name and who may log in, so that a plan
// shows when those that are out no longer work. It comes after what decides about a login: an up
// that fails before has outdated nothing, and the next plan says it again.
func keepDefinition(
	ctx *pulumi.Context, definition map[string]any, watched pulumi.ResourceOption,
	written []pulumi.Resource,
) error {
	input := pulumi.Map{} // member by member, so that one that is not known yet hides no other
	for name, value := range definition {
		input[name] = pulumi.Any(value)
	}
	args := &pulumi.StashArgs{Input: input}
	late := pulumi.DependsOn(written)
	_, err := pulumi.NewStash(ctx, losses.DefinitionName, args, watched, late)
	return err
}

// certificatesForJobs are those of vault.caCertFile, which the jobs have to trust too, or empty.
func certificatesForJobs(s *settings.Settings) (string, error) {
	if s.Vault.CACertFile == "" {
		return "", nil
	}
	return vaultapi.Certificates(s.Vault.CACertFile)
}

// newVaultProvider states every setting that the SDK would otherwise take from the deployer's
// environment, where VAULT_SKIP_VERIFY or VAULT_MAX_RETRIES of one laptop would become part of the
// state and a diff for the next.
func newVaultProvider(ctx *pulumi.Context, s *settings.Settings) (*vault.Provider, error) {
	return vault.NewProvider(ctx, "vault", &vault.ProviderArgs{
		Address:            component.Secret(s.Address),
		Token:              component.Secret(s.Token),
		TokenName:          pulumi.String(s.VaultName()),
		SkipChildToken:     pulumi.Bool(s.Vault.SkipChildToken),
		MaxLeaseTtlSeconds: pulumi.Int(s.Vault.MaxLeaseTTLSeconds),
		MaxRetries:         pulumi.Int(2),
		SkipTlsVerify:      pulumi.Bool(false),
		// On the provider and nowhere else: a resource's own namespace is relative to it and would be
		// doubled.
		Namespace:  component.Optional(s.Vault.Namespace),
		CaCertFile: component.Optional(s.Vault.CACertFile),
	})
}

// newGuard asks as the plugin does: as the deployer, with the plugin's patience.
func (p Program) newGuard(
	ctx *pulumi.Context, s *settings.Settings,
) (pulumi.ResourceOption, error) {
	token, _ := s.DeployerToken()
	guard, err := ownership.New(vaultapi.Options{
		Address:    s.Address.Reveal(),
		Token:      token.Reveal(),
		Namespace:  s.Vault.Namespace,
		CACertFile: s.Vault.CACertFile,
		Patience:   time.Minute,
		MaxRetries: 2,
		Proxy:      p.Proxy,
	}, s)
	if err != nil {
		return nil, err
	}
	return guard.Register(ctx)
}
