package operate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/stretchr/testify/require"

	"mlvault/operate/verify"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/sandbox"
)

// standIn answers as the Azure CLI would for a stack of the sandbox: it runs jobs on this machine,
// and asks the stand-in for ARM.
type standIn struct {
	*lab.Lab

	stack *sandbox.Stack
	// stranger has a token of the tenant that nobody gave a right.
	stranger string
}

func (s standIn) Ask(ctx context.Context, into any, args ...string) error {
	command := strings.Join(args, " ")
	value := func(flag string) string {
		for i, arg := range args {
			if arg == flag {
				return args[i+1]
			}
		}
		return ""
	}
	var answer any
	switch {
	case command == "version":
		answer = map[string]any{
			"azure-cli":  "of the sandbox",
			"extensions": map[string]string{"ml": "of the sandbox"},
		}
	case command == "account show":
		answer = map[string]string{}
	case strings.HasPrefix(command, "account get-access-token"):
		answer = map[string]string{"accessToken": s.stranger}
	case strings.HasPrefix(command, "ml job create"):
		file := value("--file")
		status := "Completed"
		if err := s.stack.RunDefinitions(ctx, filepath.Dir(file), io.Discard, filepath.Base(file)); err != nil {
			status = "Failed"
		}
		answer = map[string]string{"name": "job", "status": status}
	case strings.HasPrefix(command, "rest --method get"):
		id, _, _ := strings.Cut(value("--url"), "?")
		document, exists := s.ARM.Resource(id)
		if !exists {
			return errors.New("ResourceNotFound")
		}
		answer = document
	default:
		return fmt.Errorf("the sandbox has no az %s", command)
	}
	text, err := json.Marshal(answer)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// inProcess is Pulumi's side: the program runs in this test.
type inProcess struct{ *sandbox.Stack }

func (p inProcess) Version(context.Context) (string, error) {
	return "of this machine", nil
}

func (p inProcess) Outputs(ctx context.Context) (map[string]any, error) {
	values, err := p.Stack.Outputs(ctx)
	plain := map[string]any{}
	for name, value := range values {
		plain[name] = value.Value
	}
	return plain, err
}

func (p inProcess) Resources(ctx context.Context) ([]verify.Resource, error) {
	exported, err := p.Export(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(exported)
	if err != nil {
		return nil, err
	}
	return verify.ParseState(text)
}

func (p inProcess) Changes(ctx context.Context) ([]verify.Change, error) {
	stream := make(chan events.EngineEvent)
	var changes []verify.Change
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range stream {
			if event.ResourcePreEvent == nil {
				continue
			}
			step := event.ResourcePreEvent.Metadata
			if step.Op == "same" || step.Op == "refresh" || step.Op == "read" {
				continue
			}
			urn := strings.Split(step.URN, "::")
			changes = append(changes, verify.Change{Name: urn[len(urn)-1], Operation: string(step.Op), Properties: step.Diffs})
		}
	}()
	_, err := p.Preview(ctx, optpreview.Refresh(), optpreview.EventStreams(stream), optpreview.SuppressProgress())
	<-done
	return changes, err
}

func (p inProcess) HandOver(ctx context.Context, _ map[string]any, folder string) error {
	return p.Stack.HandOver(ctx, folder)
}

// The stand-in is what it is compared with, so that each line has to be confirmed: this holds the
// command to a whole stack. docs/verified has the page.
func TestTheVerificationOfAStackOfTheSandbox(t *testing.T) {
	l := lab.New(t)
	stack, _ := l.Up("dev", lab.Sample())
	const nobody = "99999999-9999-4999-8999-999999999999"
	stranger, err := l.Issuer.Token(issuer.Claims{
		Audience: stack.Config.Workload.Audience, ClientID: nobody, PrincipalID: nobody,
	})
	require.NoError(t, err)
	report, err := verify.Verification{
		Stack: "dev", Azure: standIn{l, stack, stranger}, Pulumi: inProcess{stack},
		Vault: verify.VaultServer{CACertFile: l.Vault.CAFile()}, Folder: l.Path("handed"),
		Patience: time.Minute, Pause: time.Millisecond,
		Today: time.Date(2026, time.November, 30, 0, 0, 0, 0, time.UTC), Progress: io.Discard,
	}.Run(t.Context())
	require.NoError(t, err)
	var page strings.Builder
	require.NoError(t, report.Write(&page))
	require.Empty(t, report.Wrong(), page.String())
	for _, secret := range []string{lab.Canary, l.Vault.Root().Token(), strings.TrimPrefix(l.Vault.Addr(), "https://")} {
		require.NotContains(t, page.String(), secret)
	}
	file := filepath.Join(lab.Repository(), "docs", "verified", "sandbox.md")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(file, []byte(page.String()), 0o600))
	}
	require.Equal(t, lab.ReadFile(t, file), page.String())
}
