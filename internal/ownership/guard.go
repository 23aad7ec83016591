// Package ownership asks Vault whose an object is, right before the engine writes or deletes it.
//
// A stack's state says what the stack made, and nothing about the Vault that an address leads to
// today: another team's, a restored one, an empty one. Vault itself takes the writes of a secret,
// a policy and a role from whoever comes last. So a hook of the engine looks first
// (https://www.pulumi.com/docs/iac/concepts/resources/options/hooks/):
//
//   - before a create there must be nothing, or exactly what is about to be written,
//   - before an update there must be nothing, or what the state says, or what is about to be
//     written,
//   - before a delete there must be nothing, or what the state says.
//
// What "the same" means: of a secret its owner's mark in the custom metadata, of a policy its text,
// of a role the claims that it binds, of an auth backend its description. All of these carry the
// stack; mark, claims and description carry the job identity too, which no other stack has where
// the stack makes it. Where it exists (workload.identityId) a stack of the same name in another
// state may have it too, and write exactly the same: then there must be nothing before a create.
// Before it writes the jobs' policy, the hook also asks whether the owners of vault.reads let this
// stack read. It reads no value of a credential, and a preview does not call it.
package ownership

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/rights"
	"mlvault/internal/settings"
	"mlvault/internal/vaultapi"
)

// Guard is the check, for one Vault.
type Guard struct {
	client   *api.Client
	settings *settings.Settings
	// patience is how long one answer may take.
	patience time.Duration
}

// New is a guard that asks Vault as the deployer, for the stack of some settings. It sends nothing
// yet.
func New(options vaultapi.Options, s *settings.Settings) (*Guard, error) {
	client, err := vaultapi.Open(options)
	if err != nil {
		return nil, err
	}
	return &Guard{client: client, settings: s, patience: options.Patience}, nil
}

// hookName is in the state of every guarded resource, and the engine looks a hook up by it. A new
// name would leave the deletion of what an older program made without its hook, which is an error.
const hookName = "mlvault:ownership"

// Register makes the option that guards a resource.
//
// The engine refuses a destroy that does not run the program where a hook guards deletion; it asks
// for --run-program, which a destroy wants anyway: without it the token is the state's old one.
func (g *Guard) Register(ctx *pulumi.Context) (pulumi.ResourceOption, error) {
	// The program's own context has ended by the time the engine deletes.
	lasting := context.WithoutCancel(ctx.Context())
	check := func(args *pulumi.ResourceHookArgs) error {
		return g.Check(lasting, args)
	}
	hook, err := ctx.RegisterResourceHook(hookName, check, nil)
	if err != nil {
		return nil, fmt.Errorf("hook %s: %w", hookName, err)
	}
	hooks := []*pulumi.ResourceHook{hook}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{
		BeforeCreate: hooks,
		BeforeUpdate: hooks,
		BeforeDelete: hooks,
	}), nil
}

// Check refuses a step whose object in Vault is somebody else's.
func (g *Guard) Check(ctx context.Context, args *pulumi.ResourceHookArgs) error {
	kind, known := kinds[string(args.Type)]
	if !known {
		return nil
	}
	inputs := args.NewInputs
	if inputs == nil { // a delete
		inputs = args.OldInputs
	}
	if args.Type == rights.TypePolicy && args.NewInputs != nil {
		if err := g.consent(ctx); err != nil {
			return err
		}
	}
	path := kind.path(inputs)
	found, err := g.read(ctx, path)
	if err != nil {
		return fmt.Errorf("%s is left alone, since whose it is cannot be seen: %w", path, err)
	}
	if found == nil {
		return nil
	}
	for _, stated := range []resource.PropertyMap{args.NewInputs, args.OldInputs} {
		isSame := stated != nil && kind.same(found, stated)
		if isSame && !g.mayBeAnothers(args, found) {
			return nil
		}
	}
	if args.Type == rights.TypeSecret && g.lacksItsMark(ctx, found, args.OldInputs) {
		return nil
	}
	return fmt.Errorf("%s is left alone: it exists in this Vault, and is not what this stack's state "+
		"knows. Check that vaultAddress leads to the right Vault, and that %s is this stack's alone; "+
		"`make preflight` tells whose it is. Only if it is this stack's: after a run that was killed "+
		"run `make repair`, after a change by hand `pulumi refresh`, and then this again",
		path, kind.setting)
}

// mayBeAnothers tells of what is the same as the inputs whether another stack may have written it,
// of the same name and with the same job identity. What the state knows is the stack's, and a
// deleted secret of its name is nobody's any more.
func (g *Guard) mayBeAnothers(args *pulumi.ResourceHookArgs, found map[string]any) bool {
	isCreate := args.OldInputs == nil
	isLeftover := args.Type == rights.TypeSecret && isDeleted(found)
	return isCreate && g.settings.Workload.IdentityExists() && !isLeftover
}

// consent looks, before the jobs' policy is written, whether the owners of vault.reads let this
// stack read. Whoever may deploy one stack would else give themselves the credentials of another.
func (g *Guard) consent(ctx context.Context) error {
	self := g.settings.Project + "/" + g.settings.Stack
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(g.settings.Vault.Reads)) {
		path := rights.OwnerPath(g.settings.Vault.Reads[name].Path)
		if path == "" {
			continue
		}
		found, err := g.read(ctx, path)
		owner := rights.LabelOf(found)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("vault.reads.%s: whose it is cannot be seen at %s: "+
				"%w", name, path, err))
		case !owner.LetsRead(self):
			problems = append(problems, fmt.Errorf("vault.reads.%s: it is a credential of the stack %s, "+
				"which does not list this one as a reader. Have its owner run `pulumi config set --path "+
				"'vault.readers[0]' %s` and then `pulumi up`, or remove the path here",
				name, owner.Owner, self))
		}
	}
	return errors.Join(problems...)
}

// lacksItsMark tells of a secret that the state knows whether it is only its mark that is missing.
// The plugin writes the value first, and a run that is killed before the mark leaves none, or the
// one of a stack of the same name that was destroyed. The name is the one that the stack had when
// it wrote the secret: it may have been renamed since. The state has to say that it is in the Vault
// of today's address, and that has to be the Vault that it was: behind one address there may be
// another one than before.
func (g *Guard) lacksItsMark(
	ctx context.Context, found map[string]any, old resource.PropertyMap,
) bool {
	mark := texts(found["custom_metadata"])
	isOfThisName := mark[settings.LabelProject] == lastingLabel(old, settings.LabelProject) &&
		mark[settings.LabelStack] == lastingLabel(old, settings.LabelStack)
	today := g.settings.FingerprintOf(lastingLabel(old, settings.LabelPolicy))
	return (len(mark) == 0 || isOfThisName) &&
		lastingLabel(old, settings.LabelVault) == today &&
		g.isOurVault(ctx, lastingLabel(old, settings.LabelIdentity))
}

// isOurVault tells whether this Vault has something of the stack's that carries its job identity:
// the role, or in the first up, before there is one, the auth backend. A stack that makes neither
// has nothing that would tell.
func (g *Guard) isOurVault(ctx context.Context, identity string) bool {
	workload := g.settings.Workload
	if workload.CreateRole {
		role, err := g.read(ctx, g.settings.RolePath())
		admitted := strings.Split(texts(role["bound_claims"])["oid"], ",")
		switch {
		case err != nil:
			return false
		case slices.Contains(admitted, identity):
			return true
		case role != nil && !workload.CreateAuthBackend:
			return false
		}
	}
	if !workload.CreateAuthBackend {
		return true
	}
	backend, err := g.read(ctx, settings.AuthMounts+workload.AuthPath)
	if err != nil || identity == "" {
		return false
	}
	return settings.BackendIdentity(joined(backend["description"])) == identity
}

// read is what Vault has at an API path; nil: nothing.
func (g *Guard) read(ctx context.Context, path string) (map[string]any, error) {
	answer, err := g.client.Logical().ReadWithContext(ctx, path)
	switch status := vaultapi.Status(err); {
	case status == http.StatusForbidden && g.isDead(ctx, err):
		return nil, errors.New("Vault does not accept the deployer's token: it was revoked, it has " +
			"expired, or it is another Vault's")
	case status == http.StatusForbidden:
		return nil, errors.New("the deployer's token may not read it. " +
			"`make policy` prints the policy that it needs")
	case status == http.StatusBadRequest && strings.HasPrefix(path, settings.AuthMounts):
		// Vault's words for a mount that is not there: "no mount at auth/<path>/".
		return nil, nil
	case err != nil && status == 0:
		return nil, fmt.Errorf("vaultAddress: %s", vaultapi.Unreachable(err, g.patience))
	case err != nil:
		return nil, errors.New(vaultapi.Reason(err))
	case answer == nil:
		return nil, nil
	}
	return answer.Data, nil
}

// isDead tells whether Vault refuses the token itself. OpenBao says of a dead token what both say
// of one without rights. Every deployer may look at its own.
func (g *Guard) isDead(ctx context.Context, refusal error) bool {
	if strings.Contains(vaultapi.Reason(refusal), "invalid token") {
		return true
	}
	_, err := g.client.Auth().Token().LookupSelfWithContext(ctx)
	return vaultapi.Status(err) == http.StatusForbidden
}

// kind is one of the guarded types.
type kind struct {
	// path is the API path that tells whose an object is.
	path func(inputs resource.PropertyMap) string
	// same tells whether what Vault has is what the inputs say.
	same func(found map[string]any, inputs resource.PropertyMap) bool
	// setting is what decides about the path.
	setting string
}

var kinds = map[string]kind{
	rights.TypeSecret: {
		path: func(inputs resource.PropertyMap) string {
			return text(inputs["mount"]) + "/metadata/" + text(inputs["name"])
		},
		same:    sameOwner,
		setting: "vault.prefix",
	},
	rights.TypePolicy: {
		path: func(inputs resource.PropertyMap) string {
			return "sys/policies/acl/" + text(inputs["name"])
		},
		same: func(found map[string]any, inputs resource.PropertyMap) bool {
			return found["policy"] == text(inputs["policy"])
		},
		setting: "workload.policy",
	},
	rights.TypeRole: {
		path: func(inputs resource.PropertyMap) string {
			return "auth/" + text(inputs["backend"]) + "/role/" + text(inputs["roleName"])
		},
		same: func(found map[string]any, inputs resource.PropertyMap) bool {
			return maps.Equal(texts(found["bound_claims"]), properties(inputs["boundClaims"]))
		},
		setting: "workload.role",
	},
	rights.TypeBackend: {
		path: func(inputs resource.PropertyMap) string {
			return settings.AuthMounts + text(inputs["path"])
		},
		same: func(found map[string]any, inputs resource.PropertyMap) bool {
			return found["description"] == text(inputs["description"])
		},
		setting: "workload.authPath",
	},
}

// sameOwner compares the marks of a secret. The job identity decides, which no other stack has: a
// run that was killed may have written a mark whose other labels no state knows. What is deleted,
// as a destroy leaves it, is the stack's again whatever identity its jobs had: the next up has
// another one.
func sameOwner(found map[string]any, inputs resource.PropertyMap) bool {
	mark := texts(found["custom_metadata"])
	stated := ownerLabels(inputs)
	// What was adopted by `pulumi import` has no options, and only the marks that the import read.
	for _, name := range []string{settings.LabelProject, settings.LabelStack, settings.LabelIdentity} {
		if label := lastingLabel(inputs, name); label != "" {
			stated[name] = label
		}
	}
	if maps.Equal(mark, stated) {
		return true
	}
	sameStack := mark[settings.LabelProject] == stated[settings.LabelProject] &&
		mark[settings.LabelStack] == stated[settings.LabelStack] && mark[settings.LabelStack] != ""
	sameIdentity := mark[settings.LabelIdentity] == stated[settings.LabelIdentity] &&
		mark[settings.LabelIdentity] != ""
	return sameStack && (sameIdentity || isDeleted(found))
}

// ownerLabels are the labels that the inputs of a secret state.
func ownerLabels(inputs resource.PropertyMap) map[string]string {
	custom := plain(inputs["customMetadata"])
	if !custom.IsObject() {
		return map[string]string{}
	}
	return properties(custom.ObjectValue()["data"])
}

// lastingLabel is a label of a secret from its options. A refresh writes the metadata of whatever
// Vault into the state, and leaves the options alone.
func lastingLabel(inputs resource.PropertyMap, name string) string {
	return properties(inputs["options"])[name]
}

// isDeleted tells of a secret's metadata whether its newest version has no value.
func isDeleted(metadata map[string]any) bool {
	versions, _ := metadata["versions"].(map[string]any)
	newest, _ := versions[fmt.Sprint(metadata["current_version"])].(map[string]any)
	if newest == nil {
		return true // metadata alone, with no version
	}
	return newest["destroyed"] == true || newest["deletion_time"] != ""
}

// plain unwraps what the engine marks as a secret or as an output.
func plain(value resource.PropertyValue) resource.PropertyValue {
	for {
		switch {
		case value.IsSecret():
			value = value.SecretValue().Element
		case value.IsOutput():
			value = value.OutputValue().Element
		default:
			return value
		}
	}
}

func text(value resource.PropertyValue) string {
	value = plain(value)
	if !value.IsString() {
		return ""
	}
	return value.StringValue()
}

// defaultsNote is what the plugin's bridge adds to inputs in the state.
const defaultsNote = "__defaults"

func properties(value resource.PropertyValue) map[string]string {
	value = plain(value)
	read := map[string]string{}
	if !value.IsObject() {
		return read
	}
	for name, member := range value.ObjectValue() {
		if name != defaultsNote {
			read[string(name)] = text(member)
		}
	}
	return read
}

// texts is an object of Vault's answer. Vault answers a claim of one value as a list or as a text.
func texts(value any) map[string]string {
	read := map[string]string{}
	object, _ := value.(map[string]any)
	for name, member := range object {
		read[name] = joined(member)
	}
	return read
}

func joined(value any) string {
	list, isList := value.([]any)
	if !isList {
		return fmt.Sprint(value)
	}
	members := make([]string, 0, len(list))
	for _, member := range list {
		members = append(members, fmt.Sprint(member))
	}
	return strings.Join(members, ",")
}
