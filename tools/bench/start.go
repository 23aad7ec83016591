package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	pulumiconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// engine answers a program as the engine does in a preview, and notes when the first registration behind the stack's own
// arrives.
type engine struct {
	pulumirpc.UnimplementedResourceMonitorServer
	pulumirpc.UnimplementedEngineServer

	mu    sync.Mutex
	first time.Time
	count int
}

func (e *engine) SupportsFeature(context.Context, *pulumirpc.SupportsFeatureRequest) (*pulumirpc.SupportsFeatureResponse, error) {
	return &pulumirpc.SupportsFeatureResponse{HasSupport: true}, nil
}

func (e *engine) RegisterResource(_ context.Context, req *pulumirpc.RegisterResourceRequest) (*pulumirpc.RegisterResourceResponse, error) {
	if req.GetType() != "pulumi:pulumi:Stack" {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.count++; e.count == 1 {
			e.first = time.Now()
		}
	}
	return &pulumirpc.RegisterResourceResponse{
		Urn: "urn:pulumi:dev::mlvault::" + req.GetType() + "::" + req.GetName(), Object: req.GetObject(),
	}, nil
}

func (e *engine) RegisterResourceOutputs(context.Context, *pulumirpc.RegisterResourceOutputsRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (e *engine) SignalAndWaitForShutdown(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (e *engine) Log(context.Context, *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (e *engine) SetRootResource(context.Context, *pulumirpc.SetRootResourceRequest) (*pulumirpc.SetRootResourceResponse, error) {
	return &pulumirpc.SetRootResourceResponse{}, nil
}

// start measures the built programs as the language host starts them: from the start of the process to its first
// registration, and the whole process.
func (b *bench) start(ctx context.Context) (string, error) {
	floorSource, err := b.writeFloor()
	if err != nil {
		return "", err
	}
	programs := []string{b.path("start-floor"), b.path("start-ours")}
	for i, target := range []string{floorSource, "."} {
		if _, err := b.goBuild(ctx, b.said(ctx, "go", "env", "GOCACHE"), programs[i], target); err != nil {
			return "", err
		}
	}
	config, err := b.programConfig(credentials(2, 0))
	if err != nil {
		return "", err
	}
	var whole [2][]usage
	registered := [2]int{}
	run := func(i int) func() (usage, error) {
		return func() (usage, error) {
			process, toFirst, count, err := runProgram(ctx, programs[i], config)
			whole[i], registered[i] = append(whole[i], process), count
			process.Wall = toFirst
			return process, err
		}
	}
	best, err := interleave(15, run(0), run(1))
	if err != nil {
		return "", err
	}
	var t table
	t.head("program start", "registrations", "to the first registration, wall s", "ratio", "whole process, CPU s")
	for i, name := range []string{"floor", "the program, 2 credentials"} {
		t.row(name, fmt.Sprint(registered[i]), seconds(best[i].Wall), ratio(best[i].Wall, best[0].Wall), seconds(best[i].CPU))
	}
	t.line(fmt.Sprintf("Target: at most 1.2 times to the first registration (%s). Least of 15 starts each, in turns.", verdict(best[1].Wall, best[0].Wall, 1.2)))

	limit, size, err := b.configurationLimit(ctx, programs[1])
	if err != nil {
		return "", err
	}
	t.line(fmt.Sprintf("Configuration limit: %d credentials of one 32-character value each (`PULUMI_CONFIG` of %d bytes). With one more the system refuses to start the program.", limit, size))
	return t.String(), nil
}

// programConfig is the dev stack's configuration as the engine hands it to a program.
func (b *bench) programConfig(credentials string) ([]string, error) {
	project, err := workspace.LoadProject(filepath.Join(b.root, "Pulumi.yaml"))
	if err != nil {
		return nil, err
	}
	stack, err := workspace.LoadProjectStack(nil, project, filepath.Join(b.root, "Pulumi.dev.yaml"))
	if err != nil {
		return nil, err
	}
	plain, err := stack.Config.Decrypt(pulumiconfig.NopDecrypter)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{
		"mlvault:vaultAddress": "https://127.0.0.1:8200", "mlvault:vaultToken": "unused", "mlvault:credentials": credentials,
	}
	for key, text := range plain {
		texts[key.String()] = text
	}
	config, err := json.Marshal(texts)
	if err != nil {
		return nil, err
	}
	return []string{
		"PULUMI_CONFIG=" + string(config),
		`PULUMI_CONFIG_SECRET_KEYS=["mlvault:vaultAddress","mlvault:vaultToken","mlvault:credentials"]`,
	}, nil
}

// runProgram runs a program against an engine of its own.
func runProgram(ctx context.Context, program string, config []string) (process usage, toFirst time.Duration, count int, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return usage{}, 0, 0, err
	}
	server, answers := grpc.NewServer(grpc.MaxRecvMsgSize(400<<20)), &engine{}
	pulumirpc.RegisterResourceMonitorServer(server, answers)
	pulumirpc.RegisterEngineServer(server, answers)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	cmd := exec.CommandContext(ctx, program)
	address := listener.Addr().String()
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PULUMI_PROJECT=mlvault", "PULUMI_STACK=dev", "PULUMI_ORGANIZATION=organization",
		"PULUMI_DRY_RUN=true", "PULUMI_PARALLEL=16", "PULUMI_MONITOR=" + address, "PULUMI_ENGINE=" + address,
	}, config...)
	started := time.Now()
	if process, _, err = measure(cmd); err != nil {
		return usage{}, 0, 0, err
	}
	answers.mu.Lock()
	defer answers.mu.Unlock()
	if answers.count == 0 {
		return usage{}, 0, 0, fmt.Errorf("%s registered nothing", program)
	}
	return process, answers.first.Sub(started), answers.count, nil
}

// configurationLimit finds by trying how many credentials fit into the one environment variable that a program gets its
// configuration in. What starts is killed at once: only the start is of interest.
func (b *bench) configurationLimit(ctx context.Context, program string) (n, size int, err error) {
	starts := func(n int) (bool, int, error) {
		config, err := b.programConfig(credentials(n, 0))
		if err != nil {
			return false, 0, err
		}
		cmd := exec.CommandContext(ctx, program)
		cmd.Env = config
		if err := cmd.Start(); err != nil {
			return false, 0, nil //nolint:nilerr // The answer.
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return true, len(config[0]), nil
	}
	low, high := 1, 1<<14
	for low+1 < high {
		middle := (low + high) / 2
		started, bytes, err := starts(middle)
		if err != nil {
			return 0, 0, err
		}
		if started {
			low, size = middle, bytes
		} else {
			high = middle
		}
	}
	return low, size, nil
}

// credentials makes n of them as JSON, each with one value of 32 characters. Another generation has other values.
func credentials(n, changed int) string {
	all := make(map[string]map[string]string, n)
	for i := range n {
		value := fmt.Sprintf("%032d", i)
		if i < changed {
			value = fmt.Sprintf("%032d", i+1<<20)
		}
		all[fmt.Sprintf("credential-%04d", i)] = map[string]string{"api_key": value}
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(text)
}
