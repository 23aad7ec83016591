package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"gopkg.in/yaml.v3"

	"mlvault/internal/outputs"
	"mlvault/operate/handover"
)

// definition is what the sandbox reads of a file for the Azure ML CLI v2.
type definition struct {
	Command     string            `yaml:"command"`
	Component   string            `yaml:"component"`
	Compute     string            `yaml:"compute"`
	Environment any               `yaml:"environment"`
	Identity    map[string]string `yaml:"identity"`
	Inputs      map[string]string `yaml:"inputs"`
	Variables   map[string]string `yaml:"environment_variables"`

	Jobs      map[string]definition `yaml:"jobs"`     // of a pipeline
	Settings  map[string]any        `yaml:"settings"` // of a pipeline
	CreateJob struct{ Job string }  `yaml:"create_job"`
}

// node runs definitions as Azure ML does, and tells what each step printed.
type node struct {
	stack   *Stack
	outputs auto.OutputMap
	offered map[string]string // by the node, and what only this machine needs
	folder  string            // with the definitions and the code
	data    string            // for what steps hand on
	out     io.Writer
}

// Pipeline writes the definitions of `make job` and runs them: the job, each step of the pipelines, and the schedule's
// job. Each step has the variables and the identity of its own definition, what a node of Azure ML adds, and nothing else.
func (s *Stack) Pipeline(ctx context.Context, out io.Writer) error {
	folder := s.sandbox.Path("job/" + s.Name())
	if err := s.HandOver(ctx, folder); err != nil {
		return err
	}
	return s.RunDefinitions(ctx, folder, out, "job.yml", "pipeline.yml", "component-pipeline.yml", "schedule.yml")
}

// HandOver writes into a folder what `make job` writes for a real stack.
func (s *Stack) HandOver(ctx context.Context, folder string) error {
	values, err := s.Outputs(ctx)
	if err != nil {
		return fmt.Errorf("stack outputs: %w", err)
	}
	return handover.Render(plain(values), filepath.Join(s.sandbox.Options.Root, "job"), folder)
}

// RunDefinitions runs files of a folder, and prints a line for each step.
func (s *Stack) RunDefinitions(ctx context.Context, folder string, out io.Writer, files ...string) error {
	values, offered, err := s.JobEnvironment(ctx)
	if err != nil {
		return err
	}
	n := node{stack: s, outputs: values, offered: offered, folder: folder, out: out}
	for _, file := range files {
		if err := n.run(ctx, file); err != nil {
			return err
		}
	}
	return nil
}

// run runs one file: a command job, a pipeline, or a schedule's job.
func (n *node) run(ctx context.Context, file string) (err error) {
	d, err := n.read(file)
	if err != nil {
		return err
	}
	if d.CreateJob.Job != "" {
		return n.run(ctx, path.Clean(d.CreateJob.Job))
	}
	if n.data, err = os.MkdirTemp("", "mlvault-job-"); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(n.data)) }()
	if len(d.Jobs) == 0 {
		return n.step(ctx, file, "job", d)
	}
	compute, _ := d.Settings["default_compute"].(string)
	done := map[string]bool{}
	blocked := func(name string) bool {
		return done[name] || slices.ContainsFunc(slices.Collect(maps.Values(d.Jobs[name].Inputs)), func(from string) bool {
			source := parentOutput.FindStringSubmatch(from)
			return source != nil && !done[source[1]]
		})
	}
	for len(done) < len(d.Jobs) {
		ready := slices.DeleteFunc(slices.Sorted(maps.Keys(d.Jobs)), blocked)
		if len(ready) == 0 {
			return fmt.Errorf("%s: the steps wait for each other, or for one that is not there", file)
		}
		for _, name := range ready {
			step := d.Jobs[name]
			step.Compute = cmp.Or(step.Compute, compute)
			if err := n.step(ctx, file, name, step); err != nil {
				return err
			}
			done[name] = true
		}
	}
	return nil
}

func (n *node) read(file string) (d definition, err error) {
	text, err := os.ReadFile(filepath.Join(n.folder, file))
	if err == nil {
		err = yaml.Unmarshal(text, &d)
	}
	if err != nil {
		return d, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

var (
	parentOutput = regexp.MustCompile(`^\$\{\{parent\.jobs\.(\w+)\.outputs\.(\w+)\}\}$`)
	placeholder  = regexp.MustCompile(`\$\{\{(inputs|outputs)\.(\w+)\}\}`)
)

// step runs one command on a node.
func (n *node) step(ctx context.Context, file, name string, d definition) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%s, step %s: %w", file, name, fmt.Errorf(format, args...))
	}
	if d.Component != "" {
		component, err := n.read(path.Clean(d.Component))
		if err != nil {
			return err
		}
		d.Command, d.Environment = component.Command, component.Environment
	}
	if cluster := Text(n.outputs, outputs.ComputeCluster); d.Compute != "azureml:"+cluster || cluster == "" {
		return refuse("%s is not the stack's cluster %q; set `compute` in the stack's settings, or name the cluster that carries the job identity", d.Compute, cluster)
	}
	workspace := Text(n.outputs, outputs.WorkspaceID)
	for _, host := range d.hosts() {
		if !n.stack.sandbox.ARM.Reach(workspace, host) {
			return refuse("no rule of the managed network lets a job reach %s; add an FQDN rule to azure.managedNetwork.outboundRules, or use an image from mcr.microsoft.com that has what it needs", host)
		}
	}
	words := strings.Fields(d.Command)
	for i, word := range words {
		words[i] = placeholder.ReplaceAllStringFunc(word, func(match string) string {
			parts := placeholder.FindStringSubmatch(match)
			if parts[1] == "outputs" {
				return filepath.Join(n.data, name, parts[2])
			}
			if source := parentOutput.FindStringSubmatch(d.Inputs[parts[2]]); source != nil {
				return filepath.Join(n.data, source[1], source[2])
			}
			return match
		})
	}
	if len(words) == 0 || words[0] != "python" {
		return refuse("the sandbox runs commands that begin with python, and not %q", d.Command)
	}
	printed, err := onNode(ctx, n.folder, n.environment(d), words[1:]...)
	if err != nil {
		return refuse("%w", err)
	}
	fmt.Fprintf(n.out, "  %-22s %-9s %s\n", file, name, strings.ReplaceAll(printed, "\n", "; "))
	return nil
}

// environment is a step's: its own variables, and the node's identity where it asks for that.
func (n *node) environment(d definition) map[string]string {
	names := []string{"VAULT_CACERT", "HTTPS_PROXY"}
	if d.Identity["type"] == "managed" {
		names = append(names, "MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID")
	}
	environment := maps.Clone(n.offered)
	maps.DeleteFunc(environment, func(name, _ string) bool { return !slices.Contains(names, name) })
	maps.Copy(environment, d.Variables)
	return environment
}

// hosts are what a node must reach to start the step: the registry of its image, and the index of packages that it installs.
func (d definition) hosts() (hosts []string) {
	environment, _ := d.Environment.(map[string]any)
	image, _ := environment["image"].(string)
	registry, _, named := strings.Cut(image, "/")
	switch {
	case image == "": // of the workspace, or of Microsoft's registry of environments
	case named && strings.ContainsAny(registry, ".:"):
		hosts = append(hosts, strings.Split(registry, ":")[0])
	default:
		// how-to-managed-network, "Docker Hub".
		hosts = append(hosts, "docker.io", "registry-1.docker.io", "auth.docker.com", "production.cloudflare.docker.com")
	}
	if environment["conda_file"] != nil || environment["build"] != nil || strings.Contains(d.Command, "pip install") {
		hosts = append(hosts, "pypi.org", "files.pythonhosted.org")
	}
	return hosts
}
