// Package verify looks, after an `up`, whether a real stack does in Azure what this repository says
// that it does. It submits the jobs that `make job` writes, asks Azure for every resource of the
// stack, and tells what is confirmed, what is wrong and what was not reached. The stack is not
// changed: what is left behind are two finished jobs in the workspace.
package verify

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"mlvault/internal/outputs"
)

// Azure is the Azure CLI.
type Azure interface {
	// Ask runs a command and reads its answer, which is JSON. An error says what the CLI said, and
	// quotes no answer.
	Ask(ctx context.Context, into any, args ...string) error
}

// Pulumi is what is asked about the stack.
type Pulumi interface {
	// Version is that of the CLI.
	Version(ctx context.Context) (string, error)
	// Outputs are the stack's, with Vault's address in the clear.
	Outputs(ctx context.Context) (map[string]any, error)
	// Resources are those of the state, their secrets encrypted.
	Resources(ctx context.Context) ([]Resource, error)
	// Changes are what an `up` after a refresh would do.
	Changes(ctx context.Context) ([]Change, error)
	// HandOver writes the definitions of jobs into a folder.
	HandOver(ctx context.Context, given map[string]any, folder string) error
}

// Vault tells whether an identity may log in.
type Vault interface {
	// Login tries to log in with an identity token.
	Login(ctx context.Context, given map[string]any, token string) (Answer, error)
}

// Verification is one look at one stack.
type Verification struct {
	Stack  string
	Azure  Azure
	Pulumi Pulumi
	Vault  Vault
	// Folder is where the definitions of the jobs are written.
	Folder string
	// Patience is how long a job may take; Pause is the time between two looks at it.
	Patience time.Duration
	Pause    time.Duration
	Today    time.Time
	// Progress tells a person what is being done.
	Progress io.Writer
}

// Run looks at everything. An error says that nothing could be looked at; what is wrong is in the
// report.
func (v Verification) Run(ctx context.Context) (*Report, error) {
	given, err := v.Pulumi.Outputs(ctx)
	if err != nil {
		return nil, fmt.Errorf("the stack's outputs: %w", err)
	}
	resources, err := v.Pulumi.Resources(ctx)
	if err != nil {
		return nil, fmt.Errorf("the stack's state: %w", err)
	}
	report := &Report{Stack: v.Stack, Day: v.Today.Format(time.DateOnly)}
	report.hide(given)
	v.versions(ctx, report)
	v.drift(ctx, report)
	if err := v.Azure.Ask(ctx, nil, "account", "show"); err != nil {
		report.unreached = err.Error()
		return report, nil //nolint:nilerr // The report says it.
	}
	v.jobs(ctx, report, given)
	v.stranger(ctx, report, given)
	v.compare(ctx, report, resources)
	return report, nil
}

func (v Verification) say(format string, args ...any) {
	fmt.Fprintf(v.Progress, "  "+format+"\n", args...)
}

// versions are those of the tools, since what they do changes.
func (v Verification) versions(ctx context.Context, report *Report) {
	pulumi, err := v.Pulumi.Version(ctx)
	if err != nil {
		pulumi = "not known"
	}
	report.version("Pulumi CLI", pulumi)
	var tools map[string]any
	if v.Azure.Ask(ctx, &tools, "version") != nil {
		tools = nil
	}
	extensions, _ := tools["extensions"].(map[string]any)
	report.version("Azure CLI", textOr(tools["azure-cli"], "not known"))
	report.version("its extension ml", textOr(extensions["ml"], "not installed"))
}

// jobs submits what `make job` writes.
func (v Verification) jobs(ctx context.Context, report *Report, given map[string]any) {
	err := v.Pulumi.HandOver(ctx, given, v.Folder)
	if err != nil {
		report.add(jobReads, notReached, "the hand-over: "+err.Error())
		report.add(stepsRead, notReached, "no hand-over")
		return
	}
	v.job(ctx, report, jobReads, "job.yml", given)
	v.job(ctx, report, stepsRead, "pipeline.yml", given)
}

func (v Verification) job(
	ctx context.Context, report *Report, claim Claim, file string, given map[string]any,
) {
	workspace := []string{
		"--resource-group", textOr(given[outputs.ResourceGroup], ""),
		"--workspace-name", textOr(given[outputs.WorkspaceName], ""),
	}
	v.say("submitting %s", file)
	var job struct {
		Name   string
		Status string
	}
	path := filepath.Join(v.Folder, file)
	create := append([]string{"ml", "job", "create", "--file", path}, workspace...)
	if err := v.Azure.Ask(ctx, &job, create...); err != nil {
		report.add(claim, wrong, "Azure does not take the definition: "+err.Error())
		return
	}
	begun := time.Now()
	show := append([]string{"ml", "job", "show", "--name", job.Name}, workspace...)
	for !hasEnded(job.Status) {
		if time.Since(begun) > v.Patience {
			report.add(claim, notReached, fmt.Sprintf("the job is %s after %s", job.Status, v.Patience))
			return
		}
		if err := pause(ctx, v.Pause); err != nil {
			report.add(claim, notReached, "interrupted")
			return
		}
		if err := v.Azure.Ask(ctx, &job, show...); err != nil {
			report.add(claim, notReached, "the job cannot be looked at: "+err.Error())
			return
		}
	}
	took := time.Since(begun).Round(time.Second)
	if job.Status != completed {
		shows := "`az ml job stream --name " + job.Name + "` shows why"
		report.add(claim, wrong, "the job ended as "+job.Status+". "+shows)
		return
	}
	report.add(claim, confirmed, fmt.Sprintf("completed after %s", took))
}

const completed = "Completed"

// hasEnded tells whether a job will not change any more (Microsoft, RunStatus).
func hasEnded(status string) bool {
	switch status {
	case completed, "Failed", "Canceled":
		return true
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func textOr(value any, otherwise string) string {
	text, isText := value.(string)
	if !isText || text == "" {
		return otherwise
	}
	return text
}
