package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"mlvault/internal/outputs"
	"mlvault/sandbox/internal/sandbox"
)

// printMeans says what the sandbox is made of.
func printMeans(
	ctx context.Context, out io.Writer, s *sandbox.Sandbox, o options, configured *sandbox.Stack,
) {
	file := relativeTo(o.root, credentialsPath(o))
	if o.credentials == "" {
		file += " (made-up values; use your own with CREDENTIALS=path.json)"
	}
	fmt.Fprintf(out, "mlvault sandbox, stack %s\n", o.stack)
	printField(out, "program", "stack.Run of this repository")
	printField(out, "Pulumi CLI", o.pulumiSource)
	printField(out, "Vault", s.Vault.About(ctx))
	printField(out, "Vault plugin", s.Plugin)
	printField(out, "Azure", "a local stand-in for ARM with its rules; nothing leaves this machine")
	printField(out, "credentials", file)
	if configured.Named() {
		printField(out, "network",
			"jobs reach Vault as "+sandbox.NamedAddress+" only, through a proxy on this machine")
	}
	fmt.Fprintln(out)
}

// printLent says what the settings take for there, and who made it.
func printLent(out io.Writer, lent []string) {
	if len(lent) == 0 {
		return
	}
	fmt.Fprintln(out, "The settings say that others have these. The stand-ins have them for you:")
	for _, name := range lent {
		fmt.Fprintln(out, "  "+name)
	}
	fmt.Fprintln(out)
}

func printField(out io.Writer, name, text string) {
	fmt.Fprintf(out, "  %-12s %s\n", name, text)
}

// mostRead bounds the lines about credentials, so that the last screen of an up stays one.
const mostRead = 8

// upReport is the end of an up: what was done, what is there, and what a job read.
type upReport struct {
	changes map[string]int
	outputs auto.OutputMap
	// read has a line for each credential.
	read string
	// readme is the path of the file with the stack's readme and outputs.
	readme string
}

func (r upReport) print(out io.Writer) {
	text := func(name string) string { return sandbox.Text(r.outputs, name) }
	cluster := "a cluster of yours"
	if own := text(outputs.ComputeCluster); own != "" {
		cluster = "the cluster " + own
	}
	fmt.Fprintf(out, "\n%s\n\n", summary("Done", r.changes))
	printField(out, "Azure", fmt.Sprintf("workspace %s in resource group %s",
		text(outputs.WorkspaceName), text(outputs.ResourceGroup)))
	printField(out, "jobs", "run as the job identity, on "+cluster)
	printField(out, "Vault", "a secret for each credential, which only jobs may read: role "+
		text(outputs.VaultRole))
	printField(out, "more", r.readme+": all outputs, and how a job reads its credentials")

	fmt.Fprintln(out, "\nA job has read these, as the job identity and with job/vault_credentials\n"+
		"(names and keys; values are never printed):")
	lines := strings.Split(r.read, "\n")
	for _, line := range lines[:min(len(lines), mostRead)] {
		fmt.Fprintln(out, "  "+line)
	}
	if more := len(lines) - mostRead; more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
	}
}

// writeReadme writes the stack's readme and its outputs to a file.
func writeReadme(path string, values auto.OutputMap) error {
	page := sandbox.Text(values, outputs.Readme) + "\n\n## All outputs\n\n" + outputTable(values)
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		return fmt.Errorf("readme of the stack: %w", err)
	}
	return nil
}

func outputTable(values auto.OutputMap) string {
	var table strings.Builder
	table.WriteString("| output | value |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name != outputs.Readme {
			fmt.Fprintf(&table, "| %s | %s |\n", name, outputText(values[name]))
		}
	}
	return table.String()
}

func outputText(value auto.OutputValue) string {
	if value.Secret {
		return "[secret]"
	}
	if text, isText := value.Value.(string); isText {
		return text
	}
	encoded, err := json.Marshal(value.Value)
	if err != nil {
		return fmt.Sprint(value.Value)
	}
	return string(encoded)
}

// summary is a sentence about changes.
func summary(begins string, changes map[string]int) string {
	var parts []string
	for _, operation := range slices.Sorted(maps.Keys(changes)) {
		if operation != "same" {
			parts = append(parts, fmt.Sprintf("%s %d", operation, changes[operation]))
		}
	}
	same := changes["same"]
	if len(parts) == 0 {
		return fmt.Sprintf("No changes: all %d resources are as they should be.", same)
	}
	if same > 0 {
		parts = append(parts, fmt.Sprintf("leave %d as they are", same))
	}
	return begins + ": " + strings.Join(parts, ", ") + "."
}

// next is a command to go on with, and what it is for.
type next struct {
	command string
	what    string
}

func printNext(out io.Writer, o options, commands ...next) {
	fmt.Fprintln(out, "\nNext:")
	for _, next := range commands {
		command := "make " + next.command
		if o.stack != "dev" && next.command != "clean" {
			command += " STACK=" + o.stack
		}
		fmt.Fprintf(out, "  %-24s %s\n", command, next.what)
	}
}

// vaultLines are commands for a shell that reach the sandbox's Vault.
func vaultLines(s *sandbox.Sandbox) string {
	const text = `Vault runs until Ctrl-C. In another terminal:

  export VAULT_ADDR=%s
  export VAULT_CACERT=%s`
	return fmt.Sprintf(text, s.Vault.Addr(), sandbox.ShellQuote(s.Vault.CAFile()))
}

// readLines are commands for a shell that read a credential of the stack as its deployer.
func readLines(tokenFile string, values auto.OutputMap) string {
	const text = `  export VAULT_TOKEN="$(cat %s)"   # the deployer's, with the deployer's policy only

  vault kv get -mount=%s %s
  curl --cacert "$VAULT_CACERT" -H "X-Vault-Token: $VAULT_TOKEN" "$VAULT_ADDR"/v1/%s
`
	path := firstSecret(values)
	mount, name, _ := strings.Cut(path, "/data/")
	return fmt.Sprintf(text,
		sandbox.ShellQuote(tokenFile),
		sandbox.ShellQuote(mount), sandbox.ShellQuote(name),
		sandbox.ShellQuote(path))
}

// firstSecret is the path of a credential that the stack itself has written.
func firstSecret(values auto.OutputMap) string {
	paths, _ := values[outputs.CredentialPaths].Value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		path, _ := paths[name].(string)
		if strings.Contains(path, "/data/") {
			return path
		}
	}
	return ""
}

// jobLines are commands for a shell that read as a job does.
func jobLines(file string) string {
	const text = `As a job on a node of Azure ML, with its identity and no token:

  set -a; . %s; set +a
  PYTHONPATH=job python3 -m vault_credentials --check`
	return fmt.Sprintf(text, sandbox.ShellQuote(file))
}
