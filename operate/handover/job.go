// Package job writes what an ML engineer needs to run jobs of a stack: definitions for the Azure ML CLI v2, made from the
// stack's outputs, and the client. No file holds a credential.
package handover

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// Both are from Microsoft's registry, which a closed network reaches without a rule, and are run as they are.
const (
	image          = "mcr.microsoft.com/azureml/curated/sklearn-1.5:latest"     // Python 3.10
	inferenceImage = "mcr.microsoft.com/azureml/minimal-py312-inference:latest" // with the inference server
	client         = "vault_credentials.py"
	noCluster      = "NAME-OF-YOUR-CLUSTER"
)

//go:embed templates
var templates embed.FS

// Hidden is what `pulumi stack output` prints for a secret output.
const Hidden = "[secret]"

// ErrHidden says that the outputs hide Vault's address.
var ErrHidden = errors.New("vaultAddress is a secret output. Run this with the key that decrypts the stack, or set workload.publishAddress to true and run `pulumi up`")

// Render writes the files into dir, from a stack's outputs and the folder that holds the client. It overwrites
// definitions and the client, and keeps sample scripts that exist: their bodies may be somebody's work by now.
func Render(outputs map[string]any, clientFolder, dir string) error {
	values, err := read(outputs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(clientFolder, client))
	if err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	files := map[string][]byte{client: text}
	parsed, err := template.New("").Delims("<<", ">>").Funcs(values.functions()).ParseFS(templates, "templates/*")
	if err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	for _, file := range parsed.Templates() {
		name := strings.Replace(file.Name(), "amlignore", ".amlignore", 1) // embed leaves out names with a dot
		if name == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil && (filepath.Ext(name) == ".py" || filepath.Ext(name) == ".txt") {
			continue
		}
		var out strings.Builder
		if err := file.Execute(&out, values); err != nil {
			return fmt.Errorf("hand-over %s: %w", name, err)
		}
		files[name] = []byte(out.String())
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return fmt.Errorf("hand-over: %w", err)
		}
	}
	return nil
}

// values are what the templates use, by the outputs' names.
type values map[string]any

func read(outputs map[string]any) (values, error) {
	v := maps.Clone(values(outputs))
	var missing []string
	for _, name := range []string{"resourceGroup", "workspaceName", "jobIdentityId", "jobIdentityClientId", "vaultAddress", "vaultLoginPath", "vaultRole", "vaultAudience"} {
		if text, isText := v[name].(string); !isText || text == "" {
			missing = append(missing, name)
		}
	}
	paths, _ := v["credentialPaths"].(map[string]any)
	if len(paths) == 0 {
		missing = append(missing, "credentialPaths")
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the stack has no output %s. Run `pulumi up` first", strings.Join(missing, ", "))
	}
	if v["vaultAddress"] == Hidden {
		return nil, ErrHidden
	}
	v["ownCluster"] = v["computeCluster"] != nil
	if v["computeCluster"] == nil {
		v["computeCluster"] = noCluster
	}
	v["firstCredential"] = slices.Min(slices.Collect(maps.Keys(paths)))
	// An endpoint's name is unique in its region, and has at most 32 letters, digits and hyphens.
	sum := sha256.Sum256(fmt.Append(nil, v["jobIdentityId"]))
	v["endpointName"] = "mlvault-" + hex.EncodeToString(sum[:4])
	return v, nil
}

// environment is what a job's definition sets for the client, in its order.
func (v values) environment() ([][2]string, error) {
	paths, err := json.Marshal(v["credentialPaths"])
	if err != nil {
		return nil, err
	}
	all := [][2]string{{"VAULT_CREDENTIALS", string(paths)}}
	for name, output := range map[string]string{
		"AZURE_CLIENT_ID": "jobIdentityClientId", "VAULT_ADDR": "vaultAddress", "VAULT_AUDIENCE": "vaultAudience",
		"VAULT_LOGIN_PATH": "vaultLoginPath", "VAULT_NAMESPACE": "vaultNamespace", "VAULT_ROLE": "vaultRole",
	} {
		if text, _ := v[output].(string); text != "" {
			all = append(all, [2]string{name, text})
		}
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return all, nil
}

// functions print the environment in single quotes, as YAML below an indentation and for a shell.
func (v values) functions() template.FuncMap {
	lines := func(format, quote string) (string, error) {
		all, err := v.environment()
		var out []string
		for _, pair := range all {
			out = append(out, fmt.Sprintf(format, pair[0], strings.ReplaceAll(pair[1], "'", quote)))
		}
		return strings.Join(out, "\n"), err
	}
	return template.FuncMap{
		"image":          func() string { return image },
		"inferenceImage": func() string { return inferenceImage },
		"env":            func(indent int) (string, error) { return lines(strings.Repeat(" ", indent)+"%s: '%s'", "''") },
		"shell":          func() (string, error) { return lines("%s='%s'", `'\''`) },
	}
}
