// Package credentials is the Vault half of the program: the component [Store].
//
// It registers one KV v2 secret for each credential, a policy that reads exactly those and nothing else, a JWT auth
// backend that trusts one issuer, and a role that gives the policy to the job identity's tokens. On request it also
// makes the KV v2 mount.
package credentials

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault/jwt"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault/kv"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the component's type token. It is part of every child's URN: changing it replaces them all, and replacing
// a secret writes the new one before it deletes the old, at the same path, which leaves none.
const Type = "mlvault:credentials:Store"

// Args says what to store and who may read it.
type Args struct {
	Mount           string // KV v2 mount
	CreateMount     bool
	Prefix          string // path below the mount
	Credentials     []Credential
	Owner           map[string]string // custom metadata of each secret; never secret
	VaultID         string            // another text for another address of Vault; not secret
	DeleteOnDestroy bool
	SkipChildToken  bool   // of the provider; it decides what the deployer's policy needs
	AccessName      string // of the policy and of the role, in lower case
	Login           Login
}

// Credential is one KV v2 secret.
type Credential struct {
	Name        string
	Data        pulumi.StringInput // a JSON object, marked secret by the caller
	DisableRead bool               // write only: the plugin logs what it reads, but sees no drift without
}

// Login says which tokens the role accepts.
type Login struct {
	AuthPath      string // where the JWT auth backend is mounted
	CreateBackend bool   // false: it exists, and somebody else owns it
	Issuer        string // empty: version 1 tokens of TenantID
	IssuerCAPEM   string
	Audience      string
	PrincipalID   pulumi.StringInput // of the job identity
	TenantID      pulumi.StringInput
	PrincipalIDs  []string // more readers
	TokenTTL      int      // seconds
}

// Store is the component.
type Store struct {
	pulumi.ResourceState

	Paths     map[string]string   // credential name -> API path, for example secret/data/mlvault/dev/ml_api_key
	LoginPath string              // API path that takes a job's token, for example auth/jwt/login
	Policy    pulumi.StringOutput // name
	Role      pulumi.StringOutput // name
}

type builder struct {
	ctx    *pulumi.Context
	name   string
	args   Args
	parent *Store
}

// New registers the component and its children, which are named after it: <name>-<credential> and so on.
// The Vault provider comes with opts, as [pulumi.Providers]; nothing else of opts reaches a child.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Store, error) {
	s := &Store{Paths: paths(args), LoginPath: "auth/" + args.Login.AuthPath + "/login"}
	if err := ctx.RegisterComponentResource(Type, name, s, opts...); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	b := &builder{ctx: ctx, name: name, args: args, parent: s}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{
		"paths":     pulumi.ToStringMap(s.Paths),
		"loginPath": pulumi.String(s.LoginPath),
		"policy":    s.Policy,
		"role":      s.Role,
	})
}

// paths are the API paths under which KV v2 serves the credentials: it puts data/ behind the mount.
func paths(args Args) map[string]string {
	p := make(map[string]string, len(args.Credentials))
	for _, credential := range args.Credentials {
		p[credential.Name] = args.path("data", credential.Name)
	}
	return p
}

func (b *builder) build() error {
	mount, err := b.mount()
	if err != nil {
		return fmt.Errorf("mount %s: %w", b.args.Mount, err)
	}
	for _, credential := range b.args.Credentials {
		if err := b.secret(mount, credential); err != nil {
			return fmt.Errorf("credential %s: %w", credential.Name, err)
		}
	}
	policy, err := vault.NewPolicy(b.ctx, b.name+"-read", &vault.PolicyArgs{
		Name:   pulumi.String(b.args.AccessName),
		Policy: pulumi.String(ReadPolicy(b.args)),
	}, b.child()...)
	if err != nil {
		return fmt.Errorf("policy %s: %w", b.args.AccessName, err)
	}
	b.parent.Policy = policy.Name
	backend, err := b.backend()
	if err != nil {
		return fmt.Errorf("auth backend %s: %w", b.args.Login.AuthPath, err)
	}
	role, err := b.role(backend, policy.Name)
	if err != nil {
		return fmt.Errorf("role %s: %w", b.args.AccessName, err)
	}
	b.parent.Role = role.RoleName
	return nil
}

// mount returns the mount's path, from the mount's own output when it is made here, so that secrets wait for it.
func (b *builder) mount() (pulumi.StringInput, error) {
	if !b.args.CreateMount {
		return pulumi.String(b.args.Mount), nil
	}
	mount, err := vault.NewMount(b.ctx, b.name+"-mount", &vault.MountArgs{
		Path:        pulumi.String(b.args.Mount),
		Type:        pulumi.String("kv"),
		Options:     pulumi.StringMap{"version": pulumi.String("2")},
		Description: pulumi.String("Credentials of machine-learning jobs, by mlvault"),
		// Deleting a mount deletes every secret in it, other people's too, and nothing can bring them back.
	}, b.child(pulumi.RetainOnDelete(!b.args.DeleteOnDestroy))...)
	if err != nil {
		return nil, err
	}
	return mount.Path, nil
}

func (b *builder) secret(mount pulumi.StringInput, credential Credential) error {
	// With another address the metadata differs, and so the engine writes the secret there. A changed provider alone
	// changes none of its resources: the run would be green and the new Vault empty.
	metadata := map[string]string{"vault": b.args.VaultID}
	maps.Copy(metadata, b.args.Owner)
	_, err := kv.NewSecretV2(b.ctx, b.name+"-"+credential.Name, &kv.SecretV2Args{
		Mount:             mount,
		Name:              pulumi.String(b.args.Prefix + "/" + credential.Name),
		DataJson:          credential.Data,
		CustomMetadata:    kv.SecretV2CustomMetadataArgs{Data: pulumi.ToStringMap(metadata)},
		DisableRead:       pulumi.Bool(credential.DisableRead),
		DeleteAllVersions: pulumi.Bool(b.args.DeleteOnDestroy),
	}, b.child()...)
	return err
}

// child builds a child's options, a fresh slice each time: two children never share a backing array.
func (b *builder) child(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return slices.Concat([]pulumi.ResourceOption{pulumi.Parent(b.parent)}, extra)
}

// issuer is the iss claim of the tokens to trust. Without one in the configuration it is the issuer of the job
// identity's own tenant for version 1 tokens, which Entra signs for every API that does not ask for version 2.
func (b *builder) issuer() pulumi.StringInput {
	if b.args.Login.Issuer != "" {
		return pulumi.String(b.args.Login.Issuer)
	}
	return pulumi.Sprintf("https://sts.windows.net/%s/", b.args.Login.TenantID)
}

// backend returns the path of the JWT auth backend, from its own output when it is made here.
func (b *builder) backend() (pulumi.StringInput, error) {
	if !b.args.Login.CreateBackend {
		return pulumi.String(b.args.Login.AuthPath), nil
	}
	backend, err := jwt.NewAuthBackend(b.ctx, b.name+"-jwt", &jwt.AuthBackendArgs{
		Path:        pulumi.String(b.args.Login.AuthPath),
		Type:        pulumi.String("jwt"),
		Description: pulumi.String("Azure ML jobs, by mlvault"),
		// Without a bound issuer Vault does not look at iss at all, and Entra's keys sign for many tenants.
		BoundIssuer:        b.issuer(),
		OidcDiscoveryUrl:   b.issuer(),
		OidcDiscoveryCaPem: optional(b.args.Login.IssuerCAPEM),
		JwtSupportedAlgs:   pulumi.StringArray{pulumi.String("RS256")},
	}, b.child()...)
	if err != nil {
		return nil, err
	}
	return backend.Path.Elem(), nil
}

// role admits a token only when issuer, audience, object id and tenant all match, and gives it the read policy only.
func (b *builder) role(backend, policy pulumi.StringInput) (*jwt.AuthBackendRole, error) {
	more := ""
	for _, id := range b.args.Login.PrincipalIDs {
		more += "," + id
	}
	return jwt.NewAuthBackendRole(b.ctx, b.name+"-role", &jwt.AuthBackendRoleArgs{
		Backend:         backend.ToStringOutput().ToStringPtrOutput(),
		RoleName:        pulumi.String(b.args.AccessName),
		RoleType:        pulumi.String("jwt"),
		BoundAudiences:  pulumi.StringArray{pulumi.String(b.args.Login.Audience)},
		BoundClaimsType: pulumi.String("string"),
		BoundClaims: pulumi.StringMap{
			"oid": pulumi.Sprintf("%s%s", b.args.Login.PrincipalID, more),
			"tid": b.args.Login.TenantID,
			// The backend binds the issuer too, where it is ours. Where it is somebody else's, this is all there is.
			"iss": b.issuer(),
		},
		UserClaim:     pulumi.String("oid"),
		TokenPolicies: pulumi.StringArray{policy},
		// A batch token cannot create others, costs Vault no storage however many jobs start at once, and is dead
		// after its time; it cannot be revoked, so its time is short.
		TokenType:            pulumi.String("batch"),
		TokenTtl:             pulumi.Int(b.args.Login.TokenTTL),
		TokenMaxTtl:          pulumi.Int(b.args.Login.TokenTTL),
		TokenNoDefaultPolicy: pulumi.Bool(true),
		// No input of a role can say which Vault it is meant for, so another address replaces it. Deleting first, because
		// both have the same path; where the backend is missing, creating fails and the run is red.
	}, b.child(pulumi.ReplacementTrigger(pulumi.String(b.args.VaultID)), pulumi.DeleteBeforeReplace(true))...)
}

func optional(text string) pulumi.StringPtrInput {
	if text == "" {
		return nil
	}
	return pulumi.String(text)
}
