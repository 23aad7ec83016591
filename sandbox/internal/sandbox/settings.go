package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/pkg/v3/secrets/passphrase"
	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"mlvault/internal/settings"
	"mlvault/sandbox/internal/issuer"
)

// The secret keys, which the sandbox sets itself.
const (
	keyAddress     = "vaultAddress"
	keyToken       = "vaultToken"
	keyCredentials = "credentials"
)

// Settings are a stack's configuration as a user of the sandbox gives it.
type Settings struct {
	Stack string
	// Credentials is JSON: credential name -> object.
	Credentials string
	// Token is the deployer's. Empty: a new one with the deployer's policy only.
	Token string
	// Address is Vault's. Empty: the sandbox's own.
	Address string
	// Edits change what the stack's file says before the secrets are added. For tests.
	Edits []func(pulumiconfig.Map)
}

// StackFile is what Pulumi.<stack>.yaml holds, in the CLI's own types.
type StackFile struct {
	Stack *workspace.ProjectStack

	project *workspace.Project
	// secrets are texts to encrypt, by configuration key.
	secrets map[string]string
}

// stackFileName is where a folder has a stack's settings.
func stackFileName(folder, stack string) string {
	return filepath.Join(folder, "Pulumi."+stack+".yaml")
}

// OpenStackFile reads the repository's settings of a stack. No run changes that file: the sandbox's
// copy gets the secrets. It keeps the salt of the copy that it replaces, because the passphrase and
// the salt together make the key of the stack's secrets.
func (s *Sandbox) OpenStackFile(name string) (*StackFile, error) {
	project, err := s.loadProject()
	if err != nil {
		return nil, err
	}
	original, err := s.settingsFile(name)
	if err != nil {
		return nil, err
	}
	stack, err := workspace.LoadProjectStack(nil, project, original)
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", name, err)
	}
	file := &StackFile{Stack: stack, project: project, secrets: map[string]string{}}
	// What a user has encrypted for the real stack has another key, and the sandbox has secrets of
	// its own.
	for _, key := range settings.SecretKeys {
		if err := stack.Config.Remove(file.key(key), false); err != nil {
			return nil, fmt.Errorf("settings of stack %s: %s: %w", name, original, err)
		}
	}
	stack.EncryptionSalt = ""
	previous, err := workspace.LoadProjectStack(nil, project, stackFileName(s.Path("work"), name))
	if err == nil {
		stack.EncryptionSalt = previous.EncryptionSalt
	}
	return file, nil
}

// key is a configuration key with its namespace, the project's name.
func (f *StackFile) key(name string) pulumiconfig.Key {
	return pulumiconfig.MustMakeKey(f.project.Name.String(), name)
}

// put sets a key.
func (f *StackFile) put(key string, value pulumiconfig.Value) error {
	if err := f.Stack.Config.Set(f.key(key), value, false); err != nil {
		return fmt.Errorf("setting %s: %w", key, err)
	}
	return nil
}

// putAt sets a field of a section, such as vault.caCertFile.
func (f *StackFile) putAt(path, text string) error {
	err := f.Stack.Config.Set(f.key(path), pulumiconfig.NewValue(text), true)
	if err != nil {
		return fmt.Errorf("setting %s: %w", path, err)
	}
	return nil
}

// textAt is a field of a section as the file has it, or nothing.
func (f *StackFile) textAt(path string) string {
	value, _, err := f.Stack.Config.Get(f.key(path), true)
	if err != nil {
		return ""
	}
	text, _ := value.Value(pulumiconfig.NopDecrypter)
	return text
}

// Settle adds the sandbox's own settings to the stack's and lets the program's loader judge the
// whole.
func (s *Sandbox) Settle(file *StackFile, given Settings) (*settings.Settings, error) {
	for _, edit := range given.Edits {
		edit(file.Stack.Config)
	}
	if err := s.putOwn(file); err != nil {
		return nil, err
	}
	if given.Address != "" {
		return file.settingsOf(given, given.Address)
	}
	// The name is good for every stack, but only one that needs it goes through the proxy.
	cfg, err := file.settingsOf(given, NamedAddress)
	if err != nil || !cfg.VaultHost().Empty() {
		return cfg, err
	}
	return file.settingsOf(given, s.Vault.Addr())
}

// Named tells whether the stack knows Vault by its name, and goes to it through the sandbox's
// proxy.
func (s *Stack) Named() bool {
	return s.Config != nil && s.Config.Address.Reveal() == NamedAddress
}

// putOwn sets what only the sandbox needs: the CA of its Vault, and its issuer.
func (s *Sandbox) putOwn(file *StackFile) error {
	if err := file.putAt("vault.caCertFile", s.Vault.CAFile()); err != nil {
		return err
	}
	if err := file.putAt("workload.issuer", s.Issuer.URL(issuer.V1)); err != nil {
		return err
	}
	if file.textAt("workload.createAuthBackend") == "false" {
		return nil // the backend's owner sets the issuer's CA
	}
	ca, err := os.ReadFile(s.IssuerCA)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return file.putAt("workload.issuerCaPem", string(ca))
}

// settingsOf is what the program's loader makes of the file with these secrets.
func (f *StackFile) settingsOf(given Settings, address string) (*settings.Settings, error) {
	decrypted, err := f.Stack.Config.Decrypt(pulumiconfig.NopDecrypter)
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", given.Stack, err)
	}
	decrypted[f.key(keyAddress)] = address
	decrypted[f.key(keyToken)] = given.Token
	decrypted[f.key(keyCredentials)] = given.Credentials
	return f.read(given.Stack, decrypted)
}

// read lets the program's own loader read the settings before any of them is used. What it refuses
// is then refused in its own words, and before Vault or the engine hear of it.
func (f *StackFile) read(
	stack string, decrypted map[pulumiconfig.Key]string,
) (*settings.Settings, error) {
	texts := map[string]string{}
	for key, text := range decrypted {
		texts[key.String()] = text
	}
	return settings.From(settings.Source{
		Project:   f.project.Name.String(),
		Stack:     stack,
		Values:    texts,
		Encrypted: settings.IsSecretKey,
		Trusted:   true,
	})
}

// save encrypts the secrets as the CLI does, writes project and stack into a folder, and returns
// what the program will read there.
//
// This is not `pulumi config set`: there the values would go through a command line, which every
// process of the machine can read.
func (s *Sandbox) save(
	ctx context.Context, f *StackFile, folder, name string, credentials []settings.Credential,
) (map[pulumiconfig.Key]string, error) {
	decrypted, err := s.encryptAndWrite(ctx, f, stackFileName(folder, name), credentials)
	if err != nil {
		return nil, fmt.Errorf("settings of stack %s: %w", name, err)
	}
	return decrypted, nil
}

func (s *Sandbox) encryptAndWrite(
	ctx context.Context, f *StackFile, path string, credentials []settings.Credential,
) (map[pulumiconfig.Key]string, error) {
	folder := filepath.Dir(path)
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
	for key, value := range f.plaintexts(credentials) {
		encrypted, err := value.Encrypt(ctx, manager.Encrypter())
		if err != nil {
			return nil, fmt.Errorf("encrypt %s: %w", key, err)
		}
		if err := f.put(key, encrypted); err != nil {
			return nil, err
		}
	}
	// Under another name first: a file that a killed process left half-written would lose the salt.
	whole := strings.TrimSuffix(path, ".yaml") + ".new.yaml"
	if err := f.Stack.Save(whole); err != nil {
		return nil, err
	}
	if err := os.Rename(whole, path); err != nil {
		return nil, err
	}
	return f.Stack.Config.Decrypt(manager.Decrypter())
}

// plaintexts are all secrets of the file, by key.
//
// All credentials are one value, not values at paths: an index beyond ten fails there, and an empty
// list or object vanishes (pulumi/pulumi#20376, #13615).
func (f *StackFile) plaintexts(
	credentials []settings.Credential,
) map[string]pulumiconfig.Plaintext {
	values := map[string]pulumiconfig.Plaintext{}
	for key, text := range f.secrets {
		values[key] = secret(text)
	}
	if len(credentials) == 0 {
		return values
	}
	payloads := map[string]pulumiconfig.Plaintext{}
	for _, credential := range credentials {
		payloads[credential.Name] = leaves(credential.Payload.Reveal())
	}
	values[keyCredentials] = pulumiconfig.NewPlaintext(payloads)
	return values
}

func secret(text string) pulumiconfig.Plaintext {
	return pulumiconfig.NewPlaintext(pulumiconfig.PlaintextSecret(text))
}

// leaves makes each text of a payload a secret of its own, which is what the CLI can mask. A
// payload stays one secret text if it has more than texts, is empty somewhere, or has keys that
// YAML or the CLI may read otherwise.
func leaves(payload string) pulumiconfig.Plaintext {
	var object any
	_ = json.Unmarshal([]byte(payload), &object) // the program has read it
	if each, all := eachText(object); all {
		return each
	}
	return secret(payload)
}

var plainKey = regexp.MustCompile(`^[\w.-]+$`)

// eachText makes secrets of all texts of a value. It fails for a value that has more than texts.
func eachText(value any) (_ pulumiconfig.Plaintext, all bool) {
	switch value := value.(type) {
	case string:
		return secret(value), true
	case map[string]any:
		return eachMember(value)
	case []any:
		return eachElement(value)
	default:
		return pulumiconfig.Plaintext{}, false
	}
}

func eachMember(object map[string]any) (_ pulumiconfig.Plaintext, all bool) {
	members := map[string]pulumiconfig.Plaintext{}
	for key, value := range object {
		member, all := eachText(value)
		isPlain := key != "secure" && plainKey.MatchString(key)
		if !all || !isPlain {
			return pulumiconfig.Plaintext{}, false
		}
		members[key] = member
	}
	return pulumiconfig.NewPlaintext(members), len(members) > 0
}

func eachElement(list []any) (_ pulumiconfig.Plaintext, all bool) {
	var elements []pulumiconfig.Plaintext
	for _, value := range list {
		element, all := eachText(value)
		if !all {
			return pulumiconfig.Plaintext{}, false
		}
		elements = append(elements, element)
	}
	return pulumiconfig.NewPlaintext(elements), len(elements) > 0
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
	if err != nil {
		return nil, err
	}
	stack.EncryptionSalt = salt
	return manager, nil
}
