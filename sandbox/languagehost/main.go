// Command languagehost lets a Pulumi CLI that was built from source run Go programs: it is the part
// of pulumi-language-go that `pulumi new`, `preview`, `up`, `refresh` and `destroy` need.
//
// The genuine language host comes with a released CLI and is a module of its own, which a Go proxy
// need not serve. The tests put this one beside the CLI that the sandbox builds. So the commands of
// the documentation run as they are written: the CLI compiles and runs main.go. Where the genuine
// host is on PATH, it is used instead.
//
// It answers "unimplemented" to every other call, which the CLI takes for no answer: no required
// plugins, for example, because the sandbox attaches its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// patience is how long a command may take to end after it was interrupted.
const patience = 5 * time.Second

// host is the language runtime of one engine.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	// engine is the address of the engine that started this process.
	engine string
	// ending ends when this process is to end. The commands that it runs then end too.
	ending context.Context //nolint:containedctx // it lives as long as the process.
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("languagehost: the Pulumi CLI starts this, with the engine's address as last argument")
	}
	ending, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ending, os.Args[len(os.Args)-1])
	stop()
	if err != nil {
		log.Fatal("languagehost: ", err)
	}
}

// serve answers the engine until it ends this process, or until ending ends.
func serve(ending context.Context, engine string) error {
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			runtime := host{engine: engine, ending: ending}
			pulumirpc.RegisterLanguageRuntimeServer(server, runtime)
			return nil
		},
	})
	if err != nil {
		return err
	}
	// The CLI reads the port from the first line.
	fmt.Fprintln(os.Stdout, handle.Port)
	select {
	case err := <-handle.Done:
		return err
	case <-ending.Done():
		// Waits for the answers that are under way, whose commands end now.
		close(cancel)
		return <-handle.Done
	}
}

// command is one that ends with the call, and with this process.
func (h host) command(ctx context.Context, name string, args ...string) (*exec.Cmd, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.ending, cancel)
	//nolint:gosec // G204: the Go command, and the project's own program.
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	return cmd, func() {
		stop()
		cancel()
	}
}

// GetPluginInfo has no version to tell. The CLI asks all the same, and takes an error for a broken
// plugin.
func (host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{}, nil
}

// InstallDependencies is the last step of `pulumi new`, and the genuine host's command.
func (h host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest,
	server pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(server, req.GetIsTerminal())
	if err != nil {
		return fmt.Errorf("install dependencies: %w", err)
	}
	cmd, done := h.command(server.Context(), "go", "mod", "tidy")
	defer done()
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	cmd.Stdout = stdout
	cmd.Stderr = stderr
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("go mod tidy in %s: %w", cmd.Dir, err), closer.Close())
	}
	return closer.Close()
}

// Run compiles and runs the program. Of the options of `runtime` in Pulumi.yaml, buildTarget says
// where to keep it, and binary names one that is compiled already.
func (h host) Run(
	ctx context.Context, req *pulumirpc.RunRequest,
) (*pulumirpc.RunResponse, error) {
	temporary, err := os.MkdirTemp("", "pulumi-go-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	program := filepath.Join(temporary, "program.exe")
	folder := req.GetInfo().GetProgramDirectory()
	options := req.GetInfo().GetOptions().AsMap()
	target, _ := options["buildTarget"].(string)
	if target != "" {
		program = filepath.Join(folder, target)
	}
	compiled, _ := options["binary"].(string)
	if compiled != "" {
		program = filepath.Join(folder, compiled)
	} else if err := h.build(ctx, folder, program); err != nil {
		return nil, err
	}
	cmd, done := h.command(ctx, program)
	defer done()
	cmd.Dir = req.GetPwd()
	cmd.Stdout = os.Stdout
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), h.variables(req)...)
	err = cmd.Run()
	if cmd.ProcessState.ExitCode() == constant.ExitStatusLoggedError {
		return &pulumirpc.RunResponse{Bail: true}, nil // the program has told the engine why
	}
	if err != nil {
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program: %v", err)}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

// build compiles the program with the genuine host's flags, which `make build` has too.
func (h host) build(ctx context.Context, folder, program string) error {
	cmd, done := h.command(ctx, "go",
		"build", "-buildvcs=false", "-o", program, "-trimpath", "-ldflags", "-w -s")
	defer done()
	cmd.Dir = folder
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", folder, err, said)
	}
	return nil
}

// variables are the contract with package pulumi of the SDK, which reads them when the program
// starts.
func (h host) variables(req *pulumirpc.RunRequest) []string {
	config, _ := json.Marshal(req.GetConfig()) // texts
	secretKeys, _ := json.Marshal(req.GetConfigSecretKeys())
	return []string{
		pulumi.EnvOrganization + "=" + req.GetOrganization(),
		pulumi.EnvProject + "=" + req.GetProject(),
		pulumi.EnvPulumiRootDirectory + "=" + req.GetInfo().GetRootDirectory(),
		pulumi.EnvStack + "=" + req.GetStack(),
		pulumi.EnvConfig + "=" + string(config),
		pulumi.EnvConfigSecretKeys + "=" + string(secretKeys),
		pulumi.EnvDryRun + "=" + strconv.FormatBool(req.GetDryRun()),
		pulumi.EnvParallel + "=" + strconv.Itoa(int(req.GetParallel())),
		pulumi.EnvMonitor + "=" + req.GetMonitorAddress(),
		pulumi.EnvEngine + "=" + h.engine,
	}
}
