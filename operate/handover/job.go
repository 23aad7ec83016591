// Package job writes what an ML engineer needs to run jobs of a stack: definitions for the Azure ML CLI v2, made from the
// stack's outputs, and the client. No file holds a credential.
package handover

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"mlvault/internal/outputs"
)

// Both are from Microsoft's registry, which a closed network reaches without a rule, and are run as they are.
const (
	image          = "mcr.microsoft.com/azureml/curated/sklearn-1.5:latest"     // Python 3.10
	inferenceImage = "mcr.microsoft.com/azureml/minimal-py312-inference:latest" // with the inference server
	client         = "vault_credentials"                                        // the client's folder
	noCluster      = "NAME-OF-YOUR-CLUSTER"
	// serverless is what `make job COMPUTE=` takes for jobs without a cluster, as Azure ML calls it.
	serverless = "serverless"
)

//go:embed templates
var templates embed.FS

// Hidden is what `pulumi stack output` prints for a secret output.
const Hidden = "[secret]"

// ErrHidden says that the outputs hide Vault's address.
var ErrHidden = errors.New("vaultAddress is a secret output. Run this with the key that decrypts the stack, or set workload.publishAddress to true and run `pulumi up`")

// Render writes the files into dir, from a stack's outputs and the folder that holds the client. It overwrites
// definitions and the client, and keeps sample scripts that exist: their bodies may be somebody's work by now.
func Render(given map[string]any, clientFolder, dir string) error {
	values, err := read(given)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	files, err := clientFiles(clientFolder)
	if err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
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
	if err := os.MkdirAll(filepath.Join(dir, client), 0o750); err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return fmt.Errorf("hand-over: %w", err)
		}
	}
	return nil
}

// clientFiles are the source files of the client, by their path below the folder that holds it. What
// Python compiled beside them is left out.
func clientFiles(folder string) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(folder, client, "*.py"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s holds no client: %w", filepath.Join(folder, client), os.ErrNotExist)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files[filepath.Join(client, filepath.Base(path))] = text
	}
	return files, nil
}

// values are what the templates use, by the outputs' names.
type values map[string]any

func read(given map[string]any) (values, error) {
	v := maps.Clone(values(given))
	var missing []string
	for _, name := range []string{
		outputs.ResourceGroup, outputs.WorkspaceName,
		outputs.JobIdentityID, outputs.JobIdentityClientID,
		outputs.VaultAddress, outputs.VaultLoginPath, outputs.VaultRole, outputs.VaultAudience,
	} {
		if text, isText := v[name].(string); !isText || text == "" {
			missing = append(missing, name)
		}
	}
	paths, _ := v[outputs.CredentialPaths].(map[string]any)
	if len(paths) == 0 {
		missing = append(missing, outputs.CredentialPaths)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the stack has no output %s. Run `pulumi up` first", strings.Join(missing, ", "))
	}
	if v[outputs.VaultAddress] == Hidden {
		return nil, ErrHidden
	}
	v["ownCluster"] = v[outputs.ComputeCluster] != nil
	if v[outputs.ComputeCluster] == nil {
		v[outputs.ComputeCluster] = noCluster
	}
	v["serverless"] = v[outputs.ComputeCluster] == serverless
	v["batchCluster"] = v[outputs.ComputeCluster]
	if v[outputs.ComputeCluster] == serverless {
		v["batchCluster"] = noCluster
	}
	v["closed"] = v[outputs.PublicNetworkAccess] == "Disabled"
	v["firstCredential"] = slices.Min(slices.Collect(maps.Keys(paths)))
	// An endpoint's name is unique in its region, and has at most 32 letters, digits and hyphens.
	sum := sha256.Sum256(fmt.Append(nil, v[outputs.JobIdentityID]))
	suffix := hex.EncodeToString(sum[:4])
	v["endpointName"] = "mlvault-" + suffix
	v["batchEndpointName"] = "mlvault-batch-" + suffix
	return v, nil
}

// identity is the identity of a job below an indentation. On a cluster it is the one that the
// cluster carries; without one it is chosen among those of the workspace, by its client id.
func (v values) identity(indent int) string {
	space := strings.Repeat(" ", indent)
	text := space + "type: managed"
	if v["serverless"] == true {
		text += fmt.Sprintf("\n%sclient_id: %s", space, v[outputs.JobIdentityClientID])
	}
	return text
}

// functions print the environment in single quotes, as YAML below an indentation and for a shell.
func (v values) functions() template.FuncMap {
	lines := func(format, quote string) (string, error) {
		environment, err := outputs.JobEnvironment(v)
		var out []string
		for _, name := range slices.Sorted(maps.Keys(environment)) {
			text := strings.ReplaceAll(environment[name], "'", quote)
			out = append(out, fmt.Sprintf(format, name, text))
		}
		return strings.Join(out, "\n"), err
	}
	return template.FuncMap{
		"image":          func() string { return image },
		"inferenceImage": func() string { return inferenceImage },
		"identity":       v.identity,
		"env":            func(indent int) (string, error) { return lines(strings.Repeat(" ", indent)+"%s: '%s'", "''") },
		"shell":          func() (string, error) { return lines("%s='%s'", `'\''`) },
	}
}
