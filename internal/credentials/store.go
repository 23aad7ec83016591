// Package credentials is the Vault half of the program: the component [Store].
//
// It registers one KV v2 secret for each credential, a policy that reads exactly those and nothing
// else, a JWT auth backend that trusts one issuer, and a role that gives the policy to the job
// identity's tokens. On request it also makes the KV v2 mount.
package credentials

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault/jwt"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault/kv"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/rights"
	"mlvault/internal/settings"
)

// Type is the component's type token. It is part of every child's URN: changing it replaces them
// all, and replacing a secret writes the new one before it deletes the old, at the same path, which
// leaves none.
const Type = "mlvault:credentials:Store"

// Identity is the one that jobs run as.
type Identity struct {
	// PrincipalID and TenantID are the claims oid and tid of its tokens.
	PrincipalID pulumi.StringInput
	TenantID    pulumi.StringInput
}

// Store is the component.
type Store struct {
	pulumi.ResourceState

	// Policy and Role are names, known once Vault has what is made here of both.
	Policy pulumi.StringOutput
	Role   pulumi.StringOutput
	// Issuer is the iss claim of the tokens that Vault admits.
	Issuer pulumi.StringOutput
	// Written has the policy and the role, where they are made here.
	Written []pulumi.Resource
}

// builder carries what every child needs.
type builder struct {
	ctx      *pulumi.Context
	name     string
	settings *settings.Settings
	identity Identity
	parent   *Store
	// guard asks Vault whose a child is before it is written or deleted, and says what goes with it.
	guard pulumi.ResourceOption
	// fence is the auth backend where it is made here, else nil.
	fence pulumi.Resource
}

// New registers the component and its children, which are named after it: <name>-<credential> and
// so on. guard goes to every child; package ownership makes it. The Vault provider comes with opts,
// as [pulumi.Providers]; nothing else of opts reaches a child.
func New(
	ctx *pulumi.Context, name string, s *settings.Settings, identity Identity,
	guard pulumi.ResourceOption, opts ...pulumi.ResourceOption,
) (*Store, error) {
	store := &Store{}
	if err := ctx.RegisterComponentResource(Type, name, store, opts...); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	b := &builder{
		ctx:      ctx,
		name:     name,
		settings: s,
		identity: identity,
		guard:    guard,
		parent:   store,
	}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("component %s: %w", name, err)
	}
	return store, ctx.RegisterResourceOutputs(store, pulumi.Map{}) // those of the stack have all
}

func (b *builder) build() error {
	b.parent.Issuer = b.issuer()
	backend, err := b.backend()
	if err != nil {
		return fmt.Errorf("auth backend %s: %w", b.settings.Workload.AuthPath, err)
	}
	mount, err := b.mount()
	if err != nil {
		return fmt.Errorf("mount %s: %w", b.settings.Vault.Mount, err)
	}
	for _, credential := range b.settings.Credentials {
		if err := b.secret(mount, credential); err != nil {
			return fmt.Errorf("credential %s: %w", credential.Name, err)
		}
	}
	policy, err := b.policy()
	if err != nil {
		return fmt.Errorf("policy %s: %w", b.settings.Workload.Policy, err)
	}
	b.parent.Policy = policy
	role, err := b.role(backend, policy)
	if err != nil {
		return fmt.Errorf("role %s: %w", b.settings.Workload.Role, err)
	}
	b.parent.Role = role
	return nil
}

// behindTheFence are the options of every child but the backend.
//
// A child waits for `POST sys/auth/<path>`, which makes the backend: that call alone fails where
// another stack has these names already. Vault takes the writes of a secret, a policy and a role
// from whoever comes last, so without the order a stack that collides has overwritten the other
// one's policy before it fails. It is an order only and no property: a changed backend changes no
// child but the role.
func (b *builder) behindTheFence(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	options := append(slices.Clone(extra), b.guard)
	if b.fence != nil {
		options = append(options, pulumi.DependsOn([]pulumi.Resource{b.fence}))
	}
	return component.Child(b.parent, options...)
}

// mount is the mount's path, from its own output where it is made here, so that secrets wait for
// it.
func (b *builder) mount() (pulumi.StringInput, error) {
	if !b.settings.Vault.CreateMount {
		return pulumi.String(b.settings.Vault.Mount), nil
	}
	options := b.behindTheFence(
		// Deleting a mount deletes every secret in it, other people's too, and nothing can bring them
		// back.
		pulumi.RetainOnDelete(true),
		// The plugin would move it to another path (sys/remount), with all that is in it.
		pulumi.ReplaceOnChanges([]string{"path"}),
	)
	mount, err := vault.NewMount(b.ctx, b.name+"-mount", &vault.MountArgs{
		Path:        pulumi.String(b.settings.Vault.Mount),
		Type:        pulumi.String("kv"),
		Options:     pulumi.StringMap{"version": pulumi.String("2")},
		Description: pulumi.String("Credentials of machine-learning jobs, by mlvault"),
	}, options...)
	if err != nil {
		return nil, err
	}
	return mount.Path, nil
}

func (b *builder) secret(mount pulumi.StringInput, credential settings.Credential) error {
	_, err := kv.NewSecretV2(b.ctx, b.name+"-"+credential.Name, &kv.SecretV2Args{
		Mount:    mount,
		Name:     pulumi.String(b.settings.SecretName(credential.Name)),
		DataJson: component.Secret(credential.Payload),
		// With another address the fingerprint in it differs, and so the engine writes the secret
		// there. A changed provider alone changes none of its resources: the run would be green and
		// the new Vault empty.
		CustomMetadata: kv.SecretV2CustomMetadataArgs{Data: b.ownerLabels()},
		// Vault knows no such options and ignores them. They are for package ownership: what a refresh
		// reads, in another Vault or after a run that was killed before the mark, does not replace
		// them in the state.
		Options: pulumi.StringMap{
			settings.LabelIdentity: b.identity.PrincipalID,
			settings.LabelVault:    pulumi.String(b.settings.Fingerprint()),
			settings.LabelPolicy:   pulumi.String(b.settings.Workload.Policy),
			settings.LabelProject:  pulumi.String(b.settings.Project),
			settings.LabelStack:    pulumi.String(b.settings.Stack),
		},
		DisableRead:       pulumi.Bool(b.settings.WritesOnly(credential)),
		DeleteAllVersions: pulumi.Bool(b.settings.Vault.DeleteOnDestroy),
	}, b.behindTheFence()...)
	return err
}

// ownerLabels say whose a secret is, to people and to package ownership.
func (b *builder) ownerLabels() pulumi.StringMap {
	labels := pulumi.StringMap{settings.LabelIdentity: b.identity.PrincipalID}
	for name, text := range b.settings.OwnerLabels() {
		labels[name] = pulumi.String(text)
	}
	return labels
}

// policy is the name of the jobs' policy, from its own output where it is made here.
func (b *builder) policy() (pulumi.StringOutput, error) {
	name := pulumi.String(b.settings.Workload.Policy)
	if !b.settings.Workload.CreatePolicy {
		return name.ToStringOutput(), nil
	}
	policy, err := vault.NewPolicy(b.ctx, b.name+"-read", &vault.PolicyArgs{
		Name:   name,
		Policy: pulumi.String(rights.ReadPolicy(b.settings)),
	}, b.behindTheFence()...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	b.parent.Written = append(b.parent.Written, policy)
	return policy.Name, nil
}

// issuer is the iss claim of the tokens to trust. Without one in the settings it is the issuer of
// the job identity's own tenant for version 1 tokens, which Entra signs for every API that does not
// ask for version 2.
func (b *builder) issuer() pulumi.StringOutput {
	if issuer := b.settings.Workload.Issuer; issuer != "" {
		return pulumi.String(issuer).ToStringOutput()
	}
	format := b.settings.DefaultIssuer("%s") // the tenant is known once the identity is there
	return pulumi.Sprintf(format, b.identity.TenantID)
}

// backend is the path of the JWT auth backend, from its own output where it is made here.
func (b *builder) backend() (pulumi.StringInput, error) {
	if !b.settings.Workload.CreateAuthBackend {
		return pulumi.String(b.settings.Workload.AuthPath), nil
	}
	// The description is the mark of whoever made it. After a rename of the stack it stays: to write
	// another one takes a right that the deployer does not have.
	options := component.Child(b.parent, b.guard, pulumi.IgnoreChanges([]string{"description"}))
	backend, err := jwt.NewAuthBackend(b.ctx, b.name+"-jwt", &jwt.AuthBackendArgs{
		Path:        pulumi.String(b.settings.Workload.AuthPath),
		Type:        pulumi.String("jwt"),
		Description: pulumi.Sprintf("%s%s", b.settings.BackendDescription(), b.identity.PrincipalID),
		// Without a bound issuer Vault does not look at iss at all, and Entra's keys sign for many
		// tenants.
		BoundIssuer:        b.parent.Issuer,
		OidcDiscoveryUrl:   b.parent.Issuer,
		OidcDiscoveryCaPem: component.Optional(b.settings.Workload.IssuerCAPEM),
		JwtSupportedAlgs:   pulumi.StringArray{pulumi.String("RS256")},
		// Another path makes another backend. The plugin would move it (sys/remount), which the
		// deployer may not.
		DisableRemount: pulumi.Bool(true),
	}, options...)
	if err != nil {
		return nil, err
	}
	b.fence = backend
	return backend.Path.Elem(), nil
}

// role is the name of the jobs' role, from its own output where it is made here: [rights.RoleOf],
// with the claims of an identity that is made in the same run.
func (b *builder) role(
	backend pulumi.StringInput, policy pulumi.StringOutput,
) (pulumi.StringOutput, error) {
	workload := b.settings.Workload
	if !workload.CreateRole {
		return pulumi.String(workload.Role).ToStringOutput(), nil
	}
	// No input of a role can say which Vault it is meant for, so another address replaces it.
	// Its own name is in the fingerprint, so that another policy updates it and no more.
	fingerprint := b.settings.FingerprintOf(workload.Role)
	address := pulumi.String(settings.AddressNote + fingerprint)
	// The old role is deleted as soon as the address is known to differ. That is late, so that jobs
	// are locked out for as short as can be.
	late := component.Child(b.parent, pulumi.DependsOn(b.parent.Written))
	fixed, err := component.NewFixed(b.ctx, b.name+"-role-fixed", address, late...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	// Both have the same path. Where the backend is missing, creating fails and the run is red.
	options := b.behindTheFence(pulumi.DeleteBeforeReplace(true))
	wanted := rights.RoleOf(b.settings)
	role, err := jwt.NewAuthBackendRole(b.ctx, b.name+"-role", &jwt.AuthBackendRoleArgs{
		Backend:         backend.ToStringOutput().ToStringPtrOutput(),
		RoleName:        fixed.Known(pulumi.String(workload.Role)),
		RoleType:        pulumi.String(wanted.Type),
		BoundAudiences:  pulumi.ToStringArray(wanted.Audiences),
		BoundClaimsType: pulumi.String(wanted.ClaimsType),
		BoundClaims: pulumi.StringMap{
			rights.ClaimObject: b.readers(),
			rights.ClaimTenant: b.identity.TenantID,
			rights.ClaimIssuer: b.parent.Issuer,
		},
		UserClaim:            pulumi.String(wanted.UserClaim),
		TokenPolicies:        pulumi.StringArray{policy},
		TokenType:            pulumi.String(wanted.TokenType),
		TokenTtl:             pulumi.Int(wanted.TTLSeconds),
		TokenMaxTtl:          pulumi.Int(wanted.TTLSeconds),
		TokenNoDefaultPolicy: pulumi.Bool(wanted.NoDefaultPolicy),
	}, options...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	b.parent.Written = append(b.parent.Written, role)
	return role.RoleName, nil
}

// readers are the object ids that may log in, with commas between, as Vault takes a list of claims.
func (b *builder) readers() pulumi.StringInput {
	more := b.settings.Workload.PrincipalIDs
	if len(more) == 0 {
		return b.identity.PrincipalID
	}
	return pulumi.Sprintf("%s,%s", b.identity.PrincipalID, strings.Join(more, ","))
}
