// Command languagehost lets a Pulumi CLI that was built from source run Go programs: it is the part of
// pulumi-language-go that `pulumi new`, `preview`, `up`, `refresh` and `destroy` need.
//
// The genuine language host comes with a released CLI and is a module of its own that a Go proxy need not serve. The
// tests put this one beside the CLI that the sandbox builds, so that the commands of the documentation run as they are
// written: the CLI compiles and runs main.go. Where the genuine one is on PATH, it is used instead.
//
// It answers "unimplemented" to every other call, which the CLI takes for no answer: no required plugins, for example,
// because the sandbox attaches its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	engine string // address of the engine, which starts a language host with it as the last argument
}

// GetPluginInfo has no version to tell: the CLI asks all the same, and takes an error for a broken plugin.
func (host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{}, nil
}

// InstallDependencies is the last step of `pulumi new`, and the genuine host's command.
func (host) InstallDependencies(req *pulumirpc.InstallDependenciesRequest, server pulumirpc.LanguageRuntime_InstallDependenciesServer) error {
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(server, req.GetIsTerminal())
	if err != nil {
		return fmt.Errorf("install dependencies: %w", err)
	}
	cmd := exec.CommandContext(server.Context(), "go", "mod", "tidy")
	cmd.Dir, cmd.Stdout, cmd.Stderr = req.GetInfo().GetProgramDirectory(), stdout, stderr
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("go mod tidy in %s: %w", cmd.Dir, err), closer.Close())
	}
	return closer.Close()
}

// Run compiles and runs the program. The option buildTarget of `runtime` in Pulumi.yaml says where to keep it.
func (h host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	temporary, err := os.MkdirTemp("", "pulumi-go-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	folder, program := req.GetInfo().GetProgramDirectory(), filepath.Join(temporary, "program.exe")
	if kept, _ := req.GetInfo().GetOptions().AsMap()["buildTarget"].(string); kept != "" {
		program = filepath.Join(folder, kept)
	}
	// The genuine host's flags, which `make build` has too.
	//nolint:gosec // G204: the project's own program.
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "-trimpath", "-ldflags", "-w -s")
	build.Dir = folder
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build in %s: %w\n%s", folder, err, said)
	}
	config, _ := json.Marshal(req.GetConfig()) // texts
	secretKeys, _ := json.Marshal(req.GetConfigSecretKeys())
	cmd := exec.CommandContext(ctx, program) //nolint:gosec // G204: the project's own program.
	cmd.Dir, cmd.Stdout, cmd.Stderr = req.GetPwd(), os.Stdout, os.Stderr
	// The contract with package pulumi of the SDK, which reads these variables when the program starts.
	cmd.Env = append(os.Environ(),
		pulumi.EnvOrganization+"="+req.GetOrganization(),
		pulumi.EnvProject+"="+req.GetProject(),
		pulumi.EnvPulumiRootDirectory+"="+req.GetInfo().GetRootDirectory(),
		pulumi.EnvStack+"="+req.GetStack(),
		pulumi.EnvConfig+"="+string(config),
		pulumi.EnvConfigSecretKeys+"="+string(secretKeys),
		pulumi.EnvDryRun+"="+strconv.FormatBool(req.GetDryRun()),
		pulumi.EnvParallel+"="+strconv.Itoa(int(req.GetParallel())),
		pulumi.EnvMonitor+"="+req.GetMonitorAddress(),
		pulumi.EnvEngine+"="+h.engine,
	)
	err = cmd.Run()
	if cmd.ProcessState.ExitCode() == constant.ExitStatusLoggedError {
		return &pulumirpc.RunResponse{Bail: true}, nil // the program has told the engine why
	}
	if err != nil {
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program: %v", err)}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("languagehost: the Pulumi CLI starts this, with the engine's address as its last argument")
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, host{engine: os.Args[len(os.Args)-1]})
			return nil
		},
	})
	if err != nil {
		log.Fatal("languagehost: ", err)
	}
	// The CLI reads the port from the first line and ends the process when it is done.
	fmt.Fprintln(os.Stdout, handle.Port)
	if err := <-handle.Done; err != nil {
		log.Fatal("languagehost: ", err)
	}
}
