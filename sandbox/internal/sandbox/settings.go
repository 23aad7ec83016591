package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/pkg/v3/secrets/passphrase"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"mlvault/internal/settings"
)

// Settings are a stack's configuration as a user of the sandbox gives it.
type Settings struct {
	Stack       string
	Credentials string                   // JSON: credential name -> object
	Token       string                   // Vault token of the deployer; empty: a new one with the deployer's policy only
	Address     string                   // of Vault; empty: the sandbox's own
	Edits       []func(pulumiconfig.Map) // for tests: change what the stack's file says, before the secrets are added
}

// StackFile is what Pulumi.<stack>.yaml holds, in the CLI's own types.
type StackFile struct {
	project *workspace.Project
	Stack   *workspace.ProjectStack
	secrets map[string]string // configuration key -> text to encrypt
}

// stackFileName is where a folder has a stack's settings.
func stackFileName(folder, stack string) string {
	return filepath.Join(folder, "Pulumi."+stack+".yaml")
}

// OpenStackFile reads the repository's settings of a stack. The sandbox's copy is the one that gets the secrets, so that
// no run changes a file of the repository; it keeps the salt of the copy that it replaces, because the passphrase and the
// salt together make the key of the stack's secrets.
func (s *Sandbox) OpenStackFile(name string) (*StackFile, error) {
	project, err := workspace.LoadProject(filepath.Join(s.Options.Root, "Pulumi.yaml"))
	if err != nil {
		return nil, fmt.Errorf("project Pulumi.yaml: %w", err)
	}
	original := stackFileName(cmp.Or(s.Options.Settings, s.Options.Root), name)
	if _, err := os.Stat(original); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no stack %s: %s is not a file; write it, or name one that exists (STACK=dev)", name, original)
	}
	stack, err := workspace.LoadProjectStack(nil, project, original)
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", name, err)
	}
	// What a user has encrypted for the real stack has another key, and the sandbox has secrets of its own.
	for _, name := range settings.SecretKeys {
		if err := stack.Config.Remove(pulumiconfig.MustMakeKey(project.Name.String(), name), false); err != nil {
			return nil, fmt.Errorf("settings of stack %s: %s: %w", name, original, err)
		}
	}
	stack.EncryptionSalt = ""
	if previous, err := workspace.LoadProjectStack(nil, project, stackFileName(s.Path("work"), name)); err == nil {
		stack.EncryptionSalt = previous.EncryptionSalt
	}
	return &StackFile{project: project, Stack: stack, secrets: map[string]string{}}, nil
}

func (f *StackFile) put(key string, value pulumiconfig.Value, path bool) error {
	if err := f.Stack.Config.Set(pulumiconfig.MustMakeKey(f.project.Name.String(), key), value, path); err != nil {
		return fmt.Errorf("setting %s: %w", key, err)
	}
	return nil
}

// save encrypts the secrets as the CLI does, writes project and stack into a folder, and returns what the program will read
// there. The values go through no command line, where every process of the machine could read them, which is why this is
// not `pulumi config set`.
//
// All credentials are one value, not values at paths: an index beyond ten fails there, and an empty list or object
// vanishes (pulumi/pulumi#20376, #13615).
func (s *Sandbox) save(ctx context.Context, f *StackFile, folder, name string, credentials []settings.Credential) (decrypted map[pulumiconfig.Key]string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("settings of stack %s: %w", name, err)
		}
	}()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if err := f.project.Save(filepath.Join(folder, "Pulumi.yaml")); err != nil {
		return nil, err
	}
	manager, err := s.secretsManager(f.Stack)
	if err != nil {
		return nil, err
	}
	values, payloads := map[string]pulumiconfig.Plaintext{}, map[string]pulumiconfig.Plaintext{}
	for key, text := range f.secrets {
		values[key] = secret(text)
	}
	for _, credential := range credentials {
		payloads[credential.Name] = leaves(credential.Payload.Reveal())
	}
	if len(payloads) > 0 {
		values["credentials"] = pulumiconfig.NewPlaintext(payloads)
	}
	for key, value := range values {
		encrypted, err := value.Encrypt(ctx, manager.Encrypter())
		if err == nil {
			err = f.put(key, encrypted, false)
		}
		if err != nil {
			return nil, fmt.Errorf("encrypt %s: %w", key, err)
		}
	}
	file := stackFileName(folder, name)
	// Under another name first: a file that a killed process left half-written would lose the salt.
	whole := strings.TrimSuffix(file, ".yaml") + ".new.yaml"
	if err := f.Stack.Save(whole); err != nil {
		return nil, err
	}
	if err := os.Rename(whole, file); err != nil {
		return nil, err
	}
	return f.Stack.Config.Decrypt(manager.Decrypter())
}

func secret(text string) pulumiconfig.Plaintext {
	return pulumiconfig.NewPlaintext(pulumiconfig.PlaintextSecret(text))
}

// leaves makes each text of a payload a secret of its own, which is what the CLI can mask. A payload that has more than
// texts, is empty somewhere, or has keys that YAML or the CLI may read otherwise, is one secret text.
func leaves(payload string) pulumiconfig.Plaintext {
	var object any
	_ = json.Unmarshal([]byte(payload), &object) // the program has read it
	if each, all := eachText(object); all {
		return each
	}
	return secret(payload)
}

var plainKey = regexp.MustCompile(`^[\w.-]+$`)

func eachText(value any) (_ pulumiconfig.Plaintext, all bool) {
	switch value := value.(type) {
	case string:
		return secret(value), true
	case map[string]any:
		members := map[string]pulumiconfig.Plaintext{}
		for key, member := range value {
			if members[key], all = eachText(member); !all || key == "secure" || !plainKey.MatchString(key) {
				return pulumiconfig.Plaintext{}, false
			}
		}
		return pulumiconfig.NewPlaintext(members), all
	case []any:
		members := make([]pulumiconfig.Plaintext, len(value))
		for i, member := range value {
			if members[i], all = eachText(member); !all {
				return pulumiconfig.Plaintext{}, false
			}
		}
		return pulumiconfig.NewPlaintext(members), all
	}
	return pulumiconfig.Plaintext{}, false
}

// secretsManager is the stack's, from the salt of its file, or a new one whose salt it notes there.
func (s *Sandbox) secretsManager(stack *workspace.ProjectStack) (secrets.Manager, error) {
	phrase, err := s.passphrase()
	if err != nil {
		return nil, err
	}
	if stack.EncryptionSalt != "" {
		return passphrase.GetPassphraseSecretsManager(phrase, stack.EncryptionSalt)
	}
	salt, manager, err := passphrase.NewPassphraseSecretsManager(phrase)
	stack.EncryptionSalt = salt
	return manager, err
}

// config is what the program's loader makes of the settings and of secrets by their keys.
func (f *StackFile) config(stack string, secrets map[string]string) (*settings.Settings, error) {
	decrypted, err := f.Stack.Config.Decrypt(pulumiconfig.NopDecrypter)
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", stack, err)
	}
	for key, text := range secrets {
		decrypted[pulumiconfig.MustMakeKey(f.project.Name.String(), key)] = text
	}
	return f.read(stack, decrypted)
}

// read lets the program's own loader read the settings before any of them is used, so that what it refuses is refused with
// its own words and before Vault or the engine hear of it.
func (f *StackFile) read(stack string, decrypted map[pulumiconfig.Key]string) (*settings.Settings, error) {
	texts := map[string]string{}
	for key, text := range decrypted {
		texts[key.String()] = text
	}
	return settings.From(settings.Source{
		Project: f.project.Name.String(), Stack: stack, Values: texts, Encrypted: settings.IsSecretKey, Trusted: true,
	})
}
