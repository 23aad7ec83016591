package vaultplugin

import (
	"context"
	"fmt"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// engineKey is the context's key for the engine that takes a call's log lines.
type engineKey struct{}

// logging gives a call the engine's end of its own connection for log lines.
func (p *Provider) logging(ctx context.Context) context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return context.WithValue(ctx, engineKey{}, p.engines[connection(ctx)])
}

// debugf logs a line for the engine, as the bridge forwards a line of the
// genuine plugin: for no resource, at debug level. A normal run hides it;
// --json, --debug and the event log show it, and the engine replaces in it what
// equals a configuration secret. After each read of a secret the line holds the
// whole payload in Go's syntax (terraform-provider-vault 4.8.0). A plugin here
// that kept quiet would let every test of masking pass.
func debugf(ctx context.Context, format string, args ...any) {
	engine, _ := ctx.Value(engineKey{}).(*grpc.ClientConn)
	if engine == nil {
		return
	}
	_, _ = pulumirpc.NewEngineClient(engine).Log(ctx, &pulumirpc.LogRequest{
		Severity: pulumirpc.LogSeverity_DEBUG, Message: fmt.Sprintf(format, args...),
	})
}
