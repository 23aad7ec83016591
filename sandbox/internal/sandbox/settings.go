package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
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
	path    string
	project *workspace.Project
	Stack   *workspace.ProjectStack
	secrets map[string]string // configuration key or path -> text to encrypt
}

// OpenStackFile copies the repository's settings of a stack into the sandbox. The sandbox's copy is the one that gets the
// secrets, so that no run changes a file of the repository; it keeps the salt of the copy that it replaces, because
// the passphrase and the salt together make the key of the stack's secrets.
func (s *Sandbox) OpenStackFile(name string) (*StackFile, error) {
	folder := s.Path("work")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", name, err)
	}
	copied := filepath.Join(folder, "Pulumi."+name+".yaml")
	salt := ""
	project, err := workspace.LoadProject(filepath.Join(s.Options.Root, "Pulumi.yaml"))
	if err != nil {
		return nil, fmt.Errorf("project Pulumi.yaml: %w", err)
	}
	if err := project.Save(filepath.Join(folder, "Pulumi.yaml")); err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", name, err)
	}
	if previous, err := workspace.LoadProjectStack(nil, project, copied); err == nil {
		salt = previous.EncryptionSalt
	}
	original := filepath.Join(s.Options.Root, "Pulumi."+name+".yaml")
	if _, err := os.Stat(original); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no stack %s: %s is not a file; write it, or name one that exists (STACK=dev)", name, original)
	}
	stack, err := workspace.LoadProjectStack(nil, project, original)
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", name, err)
	}
	// What a user has encrypted for the real stack has another key, and the sandbox has secrets of its own.
	for _, name := range []string{"vaultAddress", "vaultToken", "credentials"} {
		if err := stack.Config.Remove(pulumiconfig.MustMakeKey(project.Name.String(), name), false); err != nil {
			return nil, fmt.Errorf("settings of stack %s: %s: %w", name, original, err)
		}
	}
	stack.EncryptionSalt = salt
	return &StackFile{path: copied, project: project, Stack: stack, secrets: map[string]string{}}, nil
}

// set gives a plain setting. The key is a path, as `pulumi config set --path` takes it.
func (f *StackFile) set(key, value string) error {
	return f.put(key, pulumiconfig.NewValue(value))
}

func (f *StackFile) put(key string, value pulumiconfig.Value) error {
	if err := f.Stack.Config.Set(pulumiconfig.MustMakeKey(f.project.Name.String(), key), value, true); err != nil {
		return fmt.Errorf("setting %s: %w", key, err)
	}
	return nil
}

// addCredentials gives each credential. Where every value is a text, each is a secret of its own, which is what the CLI
// can mask; otherwise the payload is one secret text, which keeps numbers as they are.
func (f *StackFile) addCredentials(credentials []config.Credential) error {
	for _, credential := range credentials {
		key := fmt.Sprintf("credentials[%q]", credential.Name)
		var payload any
		if err := json.Unmarshal([]byte(credential.Payload.Reveal()), &payload); err != nil {
			return fmt.Errorf("credential %s: %w", credential.Name, err)
		}
		values := map[string]string{}
		if !texts(key, payload, values) {
			values = map[string]string{key: credential.Payload.Reveal()}
		}
		maps.Copy(f.secrets, values)
	}
	return nil
}

// texts collects the texts of a value by their paths, and tells whether there is nothing else in it.
func texts(path string, value any, found map[string]string) bool {
	switch value := value.(type) {
	case string:
		found[path] = value
	case map[string]any:
		for name, member := range value {
			if !texts(fmt.Sprintf("%s[%q]", path, name), member, found) {
				return false
			}
		}
	case []any:
		for i, member := range value {
			if !texts(fmt.Sprintf("%s[%d]", path, i), member, found) {
				return false
			}
		}
	default:
		return false
	}
	return true
}

// save encrypts the secrets as the CLI does and writes the file. The values go through no command line, where every
// process of the machine could read them, which is why this is not `pulumi config set`.
func (s *Sandbox) save(ctx context.Context, f *StackFile) error {
	manager, err := s.secretsManager(f.Stack)
	if err != nil {
		return fmt.Errorf("secrets of %s: %w", f.path, err)
	}
	for _, key := range slices.Sorted(maps.Keys(f.secrets)) {
		ciphertext, err := manager.Encrypter().EncryptValue(ctx, f.secrets[key])
		if err != nil {
			return fmt.Errorf("encrypt %s: %w", key, err)
		}
		if err := f.put(key, pulumiconfig.NewSecureValue(ciphertext)); err != nil {
			return err
		}
	}
	// Under another name first: a file that a killed process left half-written would lose the salt.
	whole := strings.TrimSuffix(f.path, ".yaml") + ".new.yaml"
	if err := f.Stack.Save(whole); err != nil {
		return fmt.Errorf("settings %s: %w", f.path, err)
	}
	if err := os.Rename(whole, f.path); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return nil
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

// source lets the program's own loader read the settings before any of them is used, so that what it refuses is refused
// with its own words and before Vault or the engine hear of it.
type source struct {
	file  *StackFile
	stack string
	texts map[string]string
}

func (f *StackFile) config(stack string, secrets map[string]string) (*config.Config, error) {
	texts := maps.Clone(secrets)
	decrypted, err := f.Stack.Config.Decrypt(pulumiconfig.NopDecrypter)
	if err != nil {
		return nil, fmt.Errorf("settings %s: %w", f.path, err)
	}
	for key, text := range decrypted {
		texts[key.String()] = text
	}
	return config.From(source{file: f, stack: stack, texts: texts})
}

func (s source) GetConfig(key string) (string, bool) { text, set := s.texts[key]; return text, set }
func (s source) Project() string                     { return s.file.project.Name.String() }
func (s source) Stack() string                       { return s.stack }

// IsConfigSecret holds for the three keys that the sandbox encrypts when it saves the file.
func (s source) IsConfigSecret(key string) bool {
	return slices.Contains([]string{"vaultAddress", "vaultToken", "credentials"}, key[len(s.Project())+1:])
}
