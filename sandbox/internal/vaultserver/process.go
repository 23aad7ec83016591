package vaultserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Process is a server of Vault's kind: it takes `server -config FILE`.
type Process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when err is set
	err   error
}

// Run starts binary with the configuration in folder dir, where its log goes too. On Linux
// the process is asked to end when this one does. lock, if any, is held open in it.
func Run(binary, dir, config string, lock *os.File) (*Process, error) {
	file := filepath.Join(dir, "config.hcl")
	// Locking memory needs a right that laptops and CI don't give.
	config += "disable_mlock = true\nlog_level = \"warn\"\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p := &Process{log: filepath.Join(dir, "vault.log"), ended: make(chan struct{})}
	output, err := os.OpenFile(p.log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	//nolint:gosec,noctx // G204: the server that was asked for; Stop ends it.
	p.cmd = exec.Command(binary, "server", "-config", file)
	p.cmd.Stdout = output
	p.cmd.Stderr = output
	p.cmd.SysProcAttr = attributes()
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "VAULT_") && !strings.HasPrefix(variable, "BAO_") {
			p.cmd.Env = append(p.cmd.Env, variable)
		}
	}
	passLock(p.cmd, lock)
	started := make(chan error)
	go func() {
		// Linux ends the child with the thread that started it, so that thread has to live.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

// await returns when the server answers.
func (p *Process) await(ctx context.Context, client *api.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := client.Sys().SealStatusWithContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %w\n%s", p.cmd.Path, p.err, p.lastWords())
		case <-ctx.Done():
			err = errors.Join(ctx.Err(), err)
			return fmt.Errorf("%s does not answer: %w\n%s", p.cmd.Path, err, p.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastWords are the end of the server's log.
func (p *Process) lastWords() string {
	text, _ := os.ReadFile(p.log)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-8):], []byte("\n")))
}

// Stop asks the server to end, and ends it when ctx does or after half a minute.
func (p *Process) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if ctx.Err() == nil {
		interrupt(p.cmd.Process)
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.Kill()
	}
	return nil
}

// Kill ends the server as a crash does, and returns when it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// FreeAddress is one on which nothing listens at the moment.
func FreeAddress(ctx context.Context, host string) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
