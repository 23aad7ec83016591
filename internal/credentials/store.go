// Package credentials is the Vault half of the program: the component [Store].
//
// It registers one KV v2 secret for each credential, a policy that reads exactly those and nothing else, a JWT auth
// backend that trusts one issuer, and a role that gives the policy to the job identity's tokens. On request it also
// makes the KV v2 mount.
package credentials

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault/jwt"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault/kv"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/rights"
)

// Type is the component's type token. It is part of every child's URN: changing it replaces them all, and replacing
// a secret writes the new one before it deletes the old, at the same path, which leaves none.
const Type = "mlvault:credentials:Store"

// Args says what to store and who may read it.
type Args struct {
	// Access has names, paths and grants.
	Access rights.Store
	// Data is a JSON object for each of Access.Credentials, by name, marked secret by the caller.
	Data  map[string]pulumi.StringInput
	Login Login
}

// Login says which tokens the role accepts.
type Login struct {
	// Issuer is the iss claim. Empty: version 1 tokens of TenantID.
	Issuer string
	// IssuerCAPEM are roots for fetching the issuer's keys. Empty: the system's.
	IssuerCAPEM string
	Audience    string
	// PrincipalID is the object id of the job identity, and TenantID its tenant.
	PrincipalID, TenantID pulumi.StringInput
	// PrincipalIDs are object ids of more readers.
	PrincipalIDs []string
	TokenTTL     int
}

// Store is the component.
type Store struct {
	pulumi.ResourceState

	// Policy and Role are names, known once Vault has both.
	Policy, Role pulumi.StringOutput
}

type builder struct {
	Args
	ctx    *pulumi.Context
	name   string
	parent *Store
	// fence is the auth backend where it is made here, else nil.
	fence pulumi.Resource
}

// New registers the component and its children, which are named after it: <name>-<credential> and so on.
// The Vault provider comes with opts, as [pulumi.Providers]; nothing else of opts reaches a child.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Store, error) {
	s := &Store{}
	if err := ctx.RegisterComponentResource(Type, name, s, opts...); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	b := &builder{ctx: ctx, name: name, Args: args, parent: s}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{}) // those of the stack have all
}

func (b *builder) build() error {
	path, err := b.backend()
	if err != nil {
		return fmt.Errorf("auth backend %s: %w", b.Access.AuthPath, err)
	}
	mount, err := b.mount()
	if err != nil {
		return fmt.Errorf("mount %s: %w", b.Access.Mount, err)
	}
	for _, credential := range b.Access.Credentials {
		if err := b.secret(mount, credential); err != nil {
			return fmt.Errorf("credential %s: %w", credential.Name, err)
		}
	}
	policy, err := vault.NewPolicy(b.ctx, b.name+"-read", &vault.PolicyArgs{
		Name:   pulumi.String(b.Access.Name()),
		Policy: pulumi.String(b.Access.ReadPolicy()),
	}, b.fenced()...)
	if err != nil {
		return fmt.Errorf("policy %s: %w", b.Access.Name(), err)
	}
	b.parent.Policy = policy.Name
	role, err := b.role(path, policy.Name)
	if err != nil {
		return fmt.Errorf("role %s: %w", b.Access.Name(), err)
	}
	b.parent.Role = role.RoleName
	return nil
}

// fenced builds the options of every child but the backend.
//
// A child waits for `POST sys/auth/<path>`, which makes the backend: that call alone fails where another stack has these
// names already. Vault takes the writes of a secret, a policy and a role from whoever comes last, so without the order a
// stack that collides has overwritten the other one's policy before it fails. It is an order only and no property: a
// changed backend changes no child but the role.
func (b *builder) fenced(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	if b.fence != nil {
		extra = append(slices.Clone(extra), pulumi.DependsOn([]pulumi.Resource{b.fence}))
	}
	return component.Child(b.parent, extra...)
}

// mount returns the mount's path, from the mount's own output when it is made here, so that secrets wait for it.
func (b *builder) mount() (pulumi.StringInput, error) {
	if !b.Access.CreateMount {
		return pulumi.String(b.Access.Mount), nil
	}
	mount, err := vault.NewMount(b.ctx, b.name+"-mount", &vault.MountArgs{
		Path:        pulumi.String(b.Access.Mount),
		Type:        pulumi.String("kv"),
		Options:     pulumi.StringMap{"version": pulumi.String("2")},
		Description: pulumi.String("Credentials of machine-learning jobs, by mlvault"),
		// Deleting a mount deletes every secret in it, other people's too, and nothing can bring them back. The plugin would
		// move it to another path (sys/remount), with all that is in it.
	}, b.fenced(pulumi.RetainOnDelete(true), pulumi.ReplaceOnChanges([]string{"path"}))...)
	if err != nil {
		return nil, err
	}
	return mount.Path, nil
}

func (b *builder) secret(mount pulumi.StringInput, credential rights.Credential) error {
	_, err := kv.NewSecretV2(b.ctx, b.name+"-"+credential.Name, &kv.SecretV2Args{
		Mount:    mount,
		Name:     pulumi.String(b.Access.Prefix + "/" + credential.Name),
		DataJson: b.Data[credential.Name],
		// With another address the fingerprint in it differs, and so the engine writes the secret there. A changed provider
		// alone changes none of its resources: the run would be green and the new Vault empty.
		CustomMetadata:    kv.SecretV2CustomMetadataArgs{Data: pulumi.ToStringMap(b.Access.Owner())},
		DisableRead:       pulumi.Bool(credential.DisableRead),
		DeleteAllVersions: pulumi.Bool(b.Access.DeleteOnDestroy),
	}, b.fenced()...)
	return err
}

// issuer is the iss claim of the tokens to trust. Without one in the configuration it is the issuer of the job
// identity's own tenant for version 1 tokens, which Entra signs for every API that does not ask for version 2.
func (b *builder) issuer() pulumi.StringInput {
	if b.Login.Issuer != "" {
		return pulumi.String(b.Login.Issuer)
	}
	return pulumi.Sprintf("https://sts.windows.net/%s/", b.Login.TenantID)
}

// backend returns the path of the JWT auth backend, from its own output when it is made here.
func (b *builder) backend() (pulumi.StringInput, error) {
	if !b.Access.CreateBackend {
		return pulumi.String(b.Access.AuthPath), nil
	}
	backend, err := jwt.NewAuthBackend(b.ctx, b.name+"-jwt", &jwt.AuthBackendArgs{
		Path:        pulumi.String(b.Access.AuthPath),
		Type:        pulumi.String("jwt"),
		Description: pulumi.String(b.Access.Description()),
		// Without a bound issuer Vault does not look at iss at all, and Entra's keys sign for many tenants.
		BoundIssuer:        b.issuer(),
		OidcDiscoveryUrl:   b.issuer(),
		OidcDiscoveryCaPem: component.Optional(b.Login.IssuerCAPEM),
		JwtSupportedAlgs:   pulumi.StringArray{pulumi.String("RS256")},
		// Another path makes another backend. The plugin would move it (sys/remount), which the deployer may not.
		DisableRemount: pulumi.Bool(true),
	}, component.Child(b.parent)...)
	if err != nil {
		return nil, err
	}
	b.fence = backend
	return backend.Path.Elem(), nil
}

// role admits a token only when issuer, audience, object id and tenant all match, and gives it the read policy only.
func (b *builder) role(backend, policy pulumi.StringInput) (*jwt.AuthBackendRole, error) {
	more := ""
	for _, id := range b.Login.PrincipalIDs {
		more += "," + id
	}
	return jwt.NewAuthBackendRole(b.ctx, b.name+"-role", &jwt.AuthBackendRoleArgs{
		Backend:         backend.ToStringOutput().ToStringPtrOutput(),
		RoleName:        pulumi.String(b.Access.Name()),
		RoleType:        pulumi.String("jwt"),
		BoundAudiences:  pulumi.StringArray{pulumi.String(b.Login.Audience)},
		BoundClaimsType: pulumi.String("string"),
		BoundClaims: pulumi.StringMap{
			"oid": pulumi.Sprintf("%s%s", b.Login.PrincipalID, more),
			"tid": b.Login.TenantID,
			// The backend binds the issuer too, where it is ours. Where it is somebody else's, this is all there is.
			"iss": b.issuer(),
		},
		UserClaim:     pulumi.String("oid"),
		TokenPolicies: pulumi.StringArray{policy},
		// A batch token cannot create others, costs Vault no storage however many jobs start at once, and is dead
		// after its time; it cannot be revoked, so its time is short.
		TokenType:            pulumi.String("batch"),
		TokenTtl:             pulumi.Int(b.Login.TokenTTL),
		TokenMaxTtl:          pulumi.Int(b.Login.TokenTTL),
		TokenNoDefaultPolicy: pulumi.Bool(true),
		// No input of a role can say which Vault it is meant for, so another address replaces it. Deleting first, because
		// both have the same path; where the backend is missing, creating fails and the run is red.
	}, b.fenced(pulumi.ReplacementTrigger(pulumi.String(b.Access.Fingerprint)), pulumi.DeleteBeforeReplace(true))...)
}
