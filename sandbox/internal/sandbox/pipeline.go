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

	// Jobs and Settings are a pipeline's.
	Jobs     map[string]definition `yaml:"jobs"`
	Settings map[string]any        `yaml:"settings"`

	// CreateJob is a schedule's.
	CreateJob struct {
		Job string `yaml:"job"`
	} `yaml:"create_job"`
}

// node runs definitions as Azure ML does, and tells what each step printed.
type node struct {
	stack   *Stack
	outputs auto.OutputMap
	// offered are variables that the node offers, and what only this machine needs.
	offered map[string]string
	// folder has the definitions and the code.
	folder string
	// data is the folder for what steps hand on.
	data string
	// ran are the files that have been run.
	ran map[string]bool
	out io.Writer
}

// Pipeline writes the definitions of `make job` and runs them: the job, each step of the pipelines,
// and the schedule's job. Each step has the variables and the identity of its own definition, what
// a node of Azure ML adds, and nothing else.
func (s *Stack) Pipeline(ctx context.Context, out io.Writer) error {
	folder, err := s.handOver(ctx)
	if err != nil {
		return err
	}
	return s.RunDefinitions(ctx, folder, out,
		"job.yml", "pipeline.yml", "component-pipeline.yml", "schedule.yml")
}

// handOver writes into the sandbox's own folder for it, and returns that.
func (s *Stack) handOver(ctx context.Context) (string, error) {
	jobs := s.sandbox.Path("job")
	if err := os.MkdirAll(jobs, 0o700); err != nil {
		return "", fmt.Errorf("sandbox: %w", err)
	}
	folder := filepath.Join(jobs, s.Name())
	return folder, s.HandOver(ctx, folder)
}

// HandOver writes into a folder what `make job` writes for a real stack.
func (s *Stack) HandOver(ctx context.Context, folder string) error {
	values, err := s.Outputs(ctx)
	if err != nil {
		return fmt.Errorf("stack outputs: %w", err)
	}
	client := filepath.Join(s.sandbox.Options.Root, "job")
	return handover.Render(plain(values), client, folder)
}

// RunDefinitions runs files of a folder, and prints a line for each step.
func (s *Stack) RunDefinitions(
	ctx context.Context, folder string, out io.Writer, files ...string,
) error {
	values, offered, err := s.JobEnvironment(ctx)
	if err != nil {
		return err
	}
	n := node{
		stack:   s,
		outputs: values,
		offered: offered,
		folder:  folder,
		ran:     map[string]bool{},
		out:     out,
	}
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
	n.ran[file] = true
	if d.CreateJob.Job != "" {
		return n.schedule(ctx, file, path.Clean(d.CreateJob.Job))
	}
	n.data, err = os.MkdirTemp("", "mlvault-job-")
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(n.data)) }()
	if len(d.Jobs) == 0 {
		return n.step(ctx, file, "job", d)
	}
	return n.pipeline(ctx, file, d)
}

// schedule runs a schedule's job, unless it has just run.
func (n *node) schedule(ctx context.Context, file, job string) error {
	note := "starts " + job
	if n.ran[job] {
		note += ", which is above"
	}
	n.print(file, "schedule", note)
	if n.ran[job] {
		return nil
	}
	return n.run(ctx, job)
}

// pipeline runs the steps, each after those whose outputs it takes.
func (n *node) pipeline(ctx context.Context, file string, d definition) error {
	compute, _ := d.Settings["default_compute"].(string)
	done := map[string]bool{}
	for len(done) < len(d.Jobs) {
		ready := readySteps(d.Jobs, done)
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

// readySteps are the steps that have not run and wait for none that has not, sorted.
func readySteps(steps map[string]definition, done map[string]bool) []string {
	var ready []string
	for _, name := range slices.Sorted(maps.Keys(steps)) {
		if !done[name] && !waits(steps[name], done) {
			ready = append(ready, name)
		}
	}
	return ready
}

// waits tells whether a step takes an output of a step that has not run.
func waits(step definition, done map[string]bool) bool {
	for _, from := range step.Inputs {
		source := parentOutput.FindStringSubmatch(from)
		if source != nil && !done[source[1]] {
			return true
		}
	}
	return false
}

func (n *node) read(file string) (definition, error) {
	var d definition
	text, err := os.ReadFile(filepath.Join(n.folder, file))
	if err != nil {
		return d, fmt.Errorf("%s: %w", file, err)
	}
	if err := yaml.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

var (
	parentOutput = regexp.MustCompile(`^\$\{\{parent\.jobs\.(\w+)\.outputs\.(\w+)\}\}$`)
	placeholder  = regexp.MustCompile(`\$\{\{(inputs|outputs)\.(\w+)\}\}`)
)

// step runs one command on a node, and prints what it printed.
func (n *node) step(ctx context.Context, file, name string, d definition) error {
	printed, err := n.runStep(ctx, name, d)
	if err != nil {
		return fmt.Errorf("%s, step %s: %w", file, name, err)
	}
	n.print(file, name, strings.ReplaceAll(printed, "\n", "; "))
	return nil
}

func (n *node) print(file, name, text string) {
	fmt.Fprintf(n.out, "  %-22s %-9s %s\n", file, name, text)
}

func (n *node) runStep(ctx context.Context, name string, d definition) (string, error) {
	if d.Component != "" {
		component, err := n.read(path.Clean(d.Component))
		if err != nil {
			return "", err
		}
		d.Command = component.Command
		d.Environment = component.Environment
	}
	if err := n.refuse(d); err != nil {
		return "", err
	}
	words := strings.Fields(d.Command)
	if len(words) == 0 || words[0] != "python" {
		return "", fmt.Errorf("the sandbox runs commands that begin with python, and not %q", d.Command)
	}
	arguments := words[1:]
	for i, word := range arguments {
		arguments[i] = n.fillIn(word, name, d)
	}
	return onNode(ctx, n.folder, n.environment(d), arguments...)
}

// refuse refuses a step that Azure ML would not start, or that could not reach what it needs.
func (n *node) refuse(d definition) error {
	workspace := Text(n.outputs, outputs.WorkspaceID)
	cluster := workspace + "/computes/" + strings.TrimPrefix(d.Compute, "azureml:")
	if !n.stack.sandbox.ARM.Carries(cluster, Text(n.outputs, outputs.JobIdentityID)) {
		return fmt.Errorf("%s is no cluster of the workspace that carries the job identity. "+
			"Set `compute` in the stack's settings, or name a cluster that carries it", d.Compute)
	}
	for _, host := range d.hosts() {
		if n.stack.sandbox.ARM.Reach(workspace, host) {
			continue
		}
		return fmt.Errorf("no rule of the managed network lets a job reach %s. "+
			"Add an FQDN rule to azure.managedNetwork.outboundRules, "+
			"or use an image from mcr.microsoft.com that has what it needs", host)
	}
	return nil
}

// fillIn puts folders in the place of a word's inputs and outputs, as Azure ML does.
func (n *node) fillIn(word, step string, d definition) string {
	return placeholder.ReplaceAllStringFunc(word, func(match string) string {
		parts := placeholder.FindStringSubmatch(match)
		kind, name := parts[1], parts[2]
		if kind == "outputs" {
			return filepath.Join(n.data, step, name)
		}
		source := parentOutput.FindStringSubmatch(d.Inputs[name])
		if source == nil {
			return match
		}
		return filepath.Join(n.data, source[1], source[2])
	})
}

// environment is a step's: its own variables, and the node's identity where it asks for that.
func (n *node) environment(d definition) map[string]string {
	names := []string{"HTTPS_PROXY"}
	if d.Identity["type"] == "managed" {
		names = append(names, "MSI_ENDPOINT", "MSI_SECRET", "DEFAULT_IDENTITY_CLIENT_ID")
	}
	environment := map[string]string{}
	for _, name := range names {
		if value, offered := n.offered[name]; offered {
			environment[name] = value
		}
	}
	maps.Copy(environment, d.Variables)
	return environment
}

// dockerHub are the hosts of an image without a registry ("Docker Hub" in Azure's page about
// managed networks).
var dockerHub = []string{
	"docker.io",
	"registry-1.docker.io",
	"auth.docker.com",
	"production.cloudflare.docker.com",
}

// hosts are what a node must reach to start the step: the registry of its image, and the index of
// packages that it installs.
func (d definition) hosts() []string {
	environment, _ := d.Environment.(map[string]any)
	image, _ := environment["image"].(string)
	hosts := registryHosts(image)
	installs := environment["conda_file"] != nil ||
		environment["build"] != nil ||
		strings.Contains(d.Command, "pip install")
	if installs {
		hosts = append(hosts, "pypi.org", "files.pythonhosted.org")
	}
	return hosts
}

// registryHosts are an image's. One without a name is of the workspace, or of Microsoft's registry
// of environments.
func registryHosts(image string) []string {
	if image == "" {
		return nil
	}
	registry, _, named := strings.Cut(image, "/")
	if named && strings.ContainsAny(registry, ".:") {
		host, _, _ := strings.Cut(registry, ":")
		return []string{host}
	}
	return slices.Clone(dockerHub)
}
