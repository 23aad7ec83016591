// Package handover writes what an ML engineer needs to run jobs of a stack: definitions for the
// Azure ML CLI v2, made from the stack's outputs, and the client. No file holds a credential.
package handover

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"mlvault/internal/outputs"
	"mlvault/internal/settings"
)

// Images of Microsoft's registry, which a closed network reaches without a rule. They are run as
// they are.
const (
	image          = "mcr.microsoft.com/azureml/curated/sklearn-1.5:latest"     // Python 3.10
	inferenceImage = "mcr.microsoft.com/azureml/minimal-py312-inference:latest" // with the server
)

const (
	client    = "vault_credentials" // its folder
	noCluster = "NAME-OF-YOUR-CLUSTER"
	// serverless is what `make job COMPUTE=` takes for jobs without a cluster, as Azure ML calls it.
	serverless = "serverless"
)

//go:embed templates
var templates embed.FS

// Hidden is what `pulumi stack output` prints for a secret output.
const Hidden = "[secret]"

// ErrHidden says that the outputs hide Vault's address.
var ErrHidden = errors.New("vaultAddress is a secret output. Run this with the key that decrypts " +
	"the stack, or set workload.publishAddress to true and run `pulumi up`")

// Render writes the files into dir, from a stack's outputs and the folder that holds the client. It
// overwrites definitions and the client, and keeps sample scripts that exist: their bodies may be
// somebody's work by now. A sample that nobody changed, and whose credential the stack no longer
// has, can only fail, and is written anew. It follows no symbolic link, and writes nothing where it
// refuses one.
func Render(given map[string]any, clientFolder, dir string) error {
	if isSameFolder(dir, filepath.Join(clientFolder, client)) {
		return fmt.Errorf("hand-over: %s is the client's own folder. Nothing was written. "+
			"Call the stack otherwise: `pulumi stack rename`", dir)
	}
	values, err := read(given)
	if err != nil {
		return err
	}
	files, err := values.files()
	if err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	ofClient, err := clientFiles(clientFolder)
	if err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	maps.Copy(files, ofClient)
	if certificates, isText := values[outputs.VaultCA].(string); isText {
		files[outputs.CAFile] = []byte(certificates)
	}
	if err := values.write(files, dir); err != nil {
		return fmt.Errorf("hand-over: %w", err)
	}
	return nil
}

// isSameFolder asks the file system, which may take Vault_Credentials for the same name.
func isSameFolder(one, other string) bool {
	info, err := os.Stat(one)
	if err != nil {
		return false
	}
	otherInfo, err := os.Stat(other)
	return err == nil && os.SameFile(info, otherInfo)
}

// files are the texts of the templates, by the names that they get.
func (v values) files() (map[string][]byte, error) {
	parsed := template.New("").Delims("<<", ">>").Funcs(v.functions())
	parsed, err := parsed.ParseFS(templates, "templates/*")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, file := range parsed.Templates() {
		name := file.Name()
		switch name {
		case "":
			continue
		case "amlignore": // embed leaves out names that begin with a dot
			name = ".amlignore"
		}
		var out strings.Builder
		if err := file.Execute(&out, v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = []byte(out.String())
	}
	return files, nil
}

func (v values) write(files map[string][]byte, dir string) error {
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close() //nolint:errcheck // Nothing is written through it.
	name := filepath.Base(dir)
	if err := refuseLink(parent, name); err != nil {
		return err
	}
	if err := parent.MkdirAll(name, 0o750); err != nil {
		return err
	}
	folder, err := parent.OpenRoot(name)
	if err != nil {
		return err
	}
	defer folder.Close() //nolint:errcheck // Each file is written and closed by itself.
	if err := refuseLink(folder, client); err != nil {
		return err
	}
	for name := range files {
		if err := refuseLink(folder, name); err != nil {
			return err
		}
	}
	if err := folder.MkdirAll(client, 0o750); err != nil {
		return err
	}
	for name, text := range files {
		if isSample(name) && v.keeps(folder, name, text) {
			continue
		}
		if err := folder.WriteFile(name, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// isSample tells of a script or a sample model, which its user changes.
func isSample(name string) bool {
	ending := filepath.Ext(name)
	isClient := filepath.Dir(name) == client
	return !isClient && (ending == ".py" || ending == ".txt")
}

// asked is the line of a sample script with the one credential that it asks for.
var asked = regexp.MustCompile(`(?m)^CREDENTIALS = \["([^"]*)"\]$`)

// keeps tells whether a sample that exists stays as it is: it may be somebody's work.
func (v values) keeps(folder *os.Root, name string, sample []byte) bool {
	text, err := folder.ReadFile(name)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	line := asked.FindSubmatch(text)
	if line == nil {
		return true
	}
	paths, _ := v[outputs.CredentialPaths].(map[string]any)
	_, isThere := paths[string(line[1])]
	isUnchanged := bytes.Equal(asked.ReplaceAll(text, nil), asked.ReplaceAll(sample, nil))
	return isThere || !isUnchanged
}

// refuseLink keeps a write out of wherever somebody's link leads.
func refuseLink(folder *os.Root, name string) error {
	info, err := folder.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a symbolic link. Nothing was written. Remove it",
			filepath.Join(folder.Name(), name))
	}
	return nil
}

// Compute refuses what is no name of a cluster: it goes into the definitions as it is.
func Compute(name string) error {
	if name == serverless || settings.ClusterName.Valid(name) {
		return nil
	}
	return fmt.Errorf("-compute %q is not the name of a cluster in Azure ML, which has %s. `az ml "+
		"compute list` has them", name, settings.ClusterName.Text)
}

// Choose makes a cluster the one for which a stack's outputs are handed over: one of the stack's,
// or none, where it is serverless. A stack that has no cluster takes any.
func Choose(given map[string]any, compute string) error {
	clusters := texts(given[outputs.ComputeClusters])
	isKnown := len(clusters) == 0 || slices.Contains(clusters, compute)
	if compute != serverless && !isKnown {
		return fmt.Errorf("-compute %q is no cluster of the stack, which has %s. One that exists in the "+
			"workspace is named in the settings, as `compute[].computeId`",
			compute, strings.Join(clusters, ", "))
	}
	given[outputs.ComputeCluster] = compute
	return nil
}

// texts are those of a list.
func texts(value any) []string {
	list, _ := value.([]any)
	var all []string
	for _, member := range list {
		if text, isText := member.(string); isText {
			all = append(all, text)
		}
	}
	return all
}

// clientFiles are the source files of the client, by their path below the folder that holds it.
// What Python compiled beside them is left out.
func clientFiles(folder string) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(folder, client, "*.py"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s holds no client: %w", filepath.Join(folder, client), fs.ErrNotExist)
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
		return nil, fmt.Errorf("the stack has no output %s. Run `pulumi up` first",
			strings.Join(missing, ", "))
	}
	if v[outputs.VaultAddress] == Hidden {
		return nil, ErrHidden
	}
	v.describeClusters()
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

// describeClusters says of the chosen cluster who gives it the job identity, and which others the
// stack has.
func (v values) describeClusters() {
	chosen, isChosen := v[outputs.ComputeCluster].(string)
	clusters := texts(v[outputs.ComputeClusters])
	existing := texts(v[outputs.ExistingComputeClusters])
	isMade := slices.Contains(clusters, chosen) && !slices.Contains(existing, chosen)
	v["madeCluster"] = isMade
	v["existingCluster"] = isChosen && !isMade
	v["otherClusters"] = slices.DeleteFunc(clusters, func(name string) bool { return name == chosen })
	if !isChosen {
		v[outputs.ComputeCluster] = noCluster
	}
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
		"env": func(indent int) (string, error) {
			return lines(strings.Repeat(" ", indent)+"%s: '%s'", "''")
		},
		"shell": func() (string, error) { return lines("%s='%s'", quoteInShell) },
		"quote": quoted,
		"join":  func(names []string) string { return strings.Join(names, ", ") },
	}
}

// quoteInShell is a single quote within single quotes.
const quoteInShell = `'\''`

// quoted is a text as one word of a shell. A resource group may be called rg(prod).
func quoted(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", quoteInShell) + "'"
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:-]+$`)
