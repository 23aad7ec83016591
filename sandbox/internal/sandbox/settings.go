package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/pkg/v3/secrets/passphrase"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"mlvault/internal/config"
)

// Settings are a stack's configuration as a user of the sandbox gives it.
type Settings struct {
	Stack       string
	Credentials string                 // JSON: credential name -> object
	Token       string                 // Vault token of the deployer; empty: a new one with the deployer's policy only
	Address     string                 // of Vault; empty: the sandbox's own
	Edit        func(pulumiconfig.Map) // for tests: changes what the stack's file says, before the secrets are added
}

// StackFile is what Pulumi.<stack>.yaml holds, in the CLI's own types.
type StackFile struct {
	project   *workspace.Project
	Stack     *workspace.ProjectStack
	secrets   map[string]string           // configuration key -> text to encrypt
	decrypted map[pulumiconfig.Key]string // what the program will read from the file that was saved
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
	for _, name := range config.SecretKeys {
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

// save encrypts the secrets as the CLI does and writes project and stack into a folder. The values go through no command
// line, where every process of the machine could read them, which is why this is not `pulumi config set`.
//
// Each text of a credential is a secret of its own, which is what the CLI can mask. Where that changes the payload (it has
// numbers, is empty somewhere, or has keys that YAML or the CLI reads otherwise), the payload is one secret text.
func (s *Sandbox) save(ctx context.Context, f *StackFile, folder, name string, credentials []config.Credential) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("settings of stack %s: %w", name, err)
	}
	if err := f.project.Save(filepath.Join(folder, "Pulumi.yaml")); err != nil {
		return fmt.Errorf("settings of stack %s: %w", name, err)
	}
	manager, err := s.secretsManager(f.Stack)
	if err != nil {
		return fmt.Errorf("secrets of stack %s: %w", name, err)
	}
	for key, text := range f.secrets {
		ciphertext, err := manager.Encrypter().EncryptValue(ctx, text)
		if err != nil {
			return fmt.Errorf("encrypt %s: %w", key, err)
		}
		if err := f.put(key, pulumiconfig.NewSecureValue(ciphertext), false); err != nil {
			return err
		}
	}
	file := stackFileName(folder, name)
	// Under another name first: a file that a killed process left half-written would lose the salt.
	whole := strings.TrimSuffix(file, ".yaml") + ".new.yaml"
	written := func(some []config.Credential, asText map[string]bool) (changed []string, err error) {
		if err := f.putCredentials(ctx, manager.Encrypter(), some, asText); err != nil {
			return nil, err
		}
		if err := f.Stack.Save(whole); err != nil {
			return nil, fmt.Errorf("settings %s: %w", file, err)
		}
		return f.changed(manager.Decrypter(), whole, some)
	}
	asText := map[string]bool{}
	for {
		changed, err := written(credentials, asText)
		if err != nil { // one of them makes the whole file unreadable
			for _, credential := range credentials {
				if _, err := written([]config.Credential{credential}, asText); err != nil {
					changed = append(changed, credential.Name)
				}
			}
			if len(changed) == 0 {
				return err
			}
		}
		for _, name := range changed {
			if asText[name] {
				return fmt.Errorf("credentials.%s: a stack's file cannot keep it as it is; leave out what is unusual in its texts", name)
			}
			asText[name] = true
		}
		if len(changed) == 0 {
			break
		}
	}
	if err := os.Rename(whole, file); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return nil
}

// putCredentials sets all credentials as one value. Paths of single values would be read otherwise than they are meant:
// an index beyond ten fails, and an empty list or object vanishes (pulumi/pulumi#20376, #13615).
func (f *StackFile) putCredentials(ctx context.Context, encrypter pulumiconfig.Encrypter, credentials []config.Credential, asText map[string]bool) error {
	if len(credentials) == 0 {
		return nil
	}
	secure := func(text string) (any, error) {
		ciphertext, err := encrypter.EncryptValue(ctx, text)
		return map[string]any{"secure": ciphertext}, err
	}
	tree := map[string]any{}
	for _, credential := range credentials {
		payload, err := parsed(credential.Payload.Reveal())
		if err == nil && (asText[credential.Name] || !onlyTexts(payload)) {
			payload, err = secure(credential.Payload.Reveal())
		} else if err == nil {
			payload, err = eachText(payload, secure)
		}
		if err != nil {
			return fmt.Errorf("credentials.%s: %w", credential.Name, err)
		}
		tree[credential.Name] = payload
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	return f.put("credentials", pulumiconfig.NewSecureObjectValue(string(text)), false)
}

// changed names the credentials that the CLI will read from the file otherwise than they are.
func (f *StackFile) changed(decrypter pulumiconfig.Decrypter, file string, credentials []config.Credential) (names []string, err error) {
	read, err := workspace.LoadProjectStack(nil, f.project, file)
	if err != nil {
		return nil, err
	}
	if f.decrypted, err = read.Config.Decrypt(decrypter); err != nil {
		return nil, err
	}
	tree, err := parsed(cmp.Or(f.decrypted[pulumiconfig.MustMakeKey(f.project.Name.String(), "credentials")], "{}"))
	if err != nil {
		return nil, err
	}
	members, _ := tree.(map[string]any)
	for _, credential := range credentials {
		got := members[credential.Name]
		if text, isText := got.(string); isText {
			got, _ = parsed(text)
		}
		if want, err := parsed(credential.Payload.Reveal()); err != nil || !reflect.DeepEqual(got, want) {
			names = append(names, credential.Name)
		}
	}
	return names, nil
}

// parsed is a JSON text whose numbers keep their digits.
func parsed(text string) (value any, err error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return value, decoder.Decode(&value)
}

// onlyTexts tells whether a value holds texts and nothing else, not even something empty.
func onlyTexts(value any) bool {
	var members []any
	switch value := value.(type) {
	case string:
		return true
	case map[string]any:
		members = slices.Collect(maps.Values(value))
	case []any:
		members = value
	}
	return len(members) > 0 && !slices.ContainsFunc(members, func(member any) bool { return !onlyTexts(member) })
}

// eachText is a copy of a value with something else in the place of each text.
func eachText(value any, replace func(string) (any, error)) (_ any, err error) {
	switch value := value.(type) {
	case string:
		return replace(value)
	case map[string]any:
		replaced := make(map[string]any, len(value))
		for key, member := range value {
			if replaced[key], err = eachText(member, replace); err != nil {
				return nil, err
			}
		}
		return replaced, nil
	case []any:
		replaced := make([]any, len(value))
		for i, member := range value {
			if replaced[i], err = eachText(member, replace); err != nil {
				return nil, err
			}
		}
		return replaced, nil
	}
	return value, nil
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
func (f *StackFile) config(stack string, secrets map[string]string) (*config.Config, error) {
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
func (f *StackFile) read(stack string, decrypted map[pulumiconfig.Key]string) (*config.Config, error) {
	texts := map[string]string{}
	for key, text := range decrypted {
		texts[key.String()] = text
	}
	return config.From(config.Source{
		Project: f.project.Name.String(), Stack: stack, Values: texts, Encrypted: config.IsSecretKey, Trusted: true,
	})
}
