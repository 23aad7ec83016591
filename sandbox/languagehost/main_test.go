package main

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asHost makes the test's binary the language host.
const asHost = "TEST_AS_LANGUAGE_HOST"

func TestMain(m *testing.M) {
	if os.Getenv(asHost) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The CLI ends a language host with an interrupt, and waits five seconds for one that does not end.
// A shell ignores interrupts for what it runs in the background, and a child inherits that.
func TestAnInterruptEndsTheHostAlsoWhereItIsIgnored(t *testing.T) {
	const background = `trap "" INT; exec "$0" 127.0.0.1:1`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", background, os.Args[0])
	cmd.Env = append(os.Environ(), asHost+"=1")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	port, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Regexp(t, `^[1-9][0-9]*\n$`, port)

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(2 * time.Second):
		t.Fatal("the host still runs")
	}
}
