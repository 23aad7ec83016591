package vaultplugin_test

import (
	"context"
	"net"
	"sync"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// logEngine is the engine's end for log lines.
type logEngine struct {
	pulumirpc.UnimplementedEngineServer

	mu   sync.Mutex
	logs []*pulumirpc.LogRequest
}

func (e *logEngine) Log(_ context.Context, line *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs = append(e.logs, line)
	return &emptypb.Empty{}, nil
}

func (e *logEngine) take() []*pulumirpc.LogRequest {
	e.mu.Lock()
	defer e.mu.Unlock()
	lines := e.logs
	e.logs = nil
	return lines
}

// This is where the genuine plugin shows payloads, and what a proof that they are masked has to start from.
func TestEachReadOfASecretIsLoggedWithItsPayloadAsTheGenuinePluginDoes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	log, server := &logEngine{}, grpc.NewServer()
	pulumirpc.RegisterEngineServer(server, log)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)

	e := newEngine(t, nil)
	_, err = e.client.Attach(t.Context(), &pulumirpc.PluginAttach{Address: listener.Addr().String()})
	require.NoError(t, err)
	inputs := object{"mount": "secret", "name": "logged", "dataJson": secret(`{"api_key":"` + canary + `","port":5432}`)}

	state := e.mustCreate("vault:kv/secretV2:SecretV2", inputs)
	lines := log.take()
	require.Len(t, lines, 1)
	require.Equal(t, pulumirpc.LogSeverity_DEBUG, lines[0].GetSeverity())
	require.Empty(t, lines[0].GetUrn())
	require.Regexp(t, `^\[DEBUG\] secret: &api\.Secret\{RequestID:"`, lines[0].GetMessage())
	require.Contains(t, lines[0].GetMessage(), `Data:map[string]interface {}{"data":map[string]interface {}{"api_key":"`+canary+`", "port":"5432"}, "metadata"`)

	e.refresh(state)
	require.Len(t, log.take(), 1)

	inputs["disableRead"] = true
	e.refresh(e.mustUpdate(state, inputs))
	require.Empty(t, log.take(), "what is not read is not logged")
}
