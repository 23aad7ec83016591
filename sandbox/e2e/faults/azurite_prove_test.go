//go:build prove && unix

package faults

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/stretchr/testify/require"

	"mlvault/operate/repair"
	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/sandbox"
)

// Azurite is Microsoft's emulator of Azure Blob Storage. npx brings it, so this test is for a
// machine with npm and a network, and make prove leaves it out:
//
//	go -C sandbox test -tags prove -timeout 30m -v -run TestOnAzurite ./e2e/faults
//
// The account and its key are the ones that every Azurite has.
const (
	azurite        = "azurite@3.35.0"
	azuriteAccount = "devstoreaccount1"
	//nolint:gosec // G101: it is in Microsoft's documentation.
	azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// container is a container of its own in an Azurite.
type container struct {
	t      *testing.T
	client *azblob.Client
	name   string
	url    string // the backend's
}

const stateBlob = ".pulumi/stacks/mlvault/dev.json"

// TestOnAzurite keeps states in Azure Blob Storage: kills runs there, and damages a state.
func TestOnAzurite(t *testing.T) {
	t.Setenv("AZURE_STORAGE_ACCOUNT", azuriteAccount)
	t.Setenv("AZURE_STORAGE_KEY", azuriteKey)
	address := startAzurite(t)
	for name, p := range map[string]phase{
		"CLI killed, the write delivered":                        create,
		"CLI killed between a value and its mark":                change,
		"CLI killed while Azure works":                           create,
		"CLI killed, then a credential leaves the configuration": create,
		"CLI killed, then the configuration goes back":           change,
		"CLI killed, with a compressed state":                    change,
	} {
		t.Run(name, func(t *testing.T) {
			x := find(t, name)
			x.where.Backend = newContainer(t, address).url
			x.run(t, p, 4)
		})
	}
	t.Run("a replacement killed", func(t *testing.T) { killsReplacement(newContainer(t, address)) })
	t.Run("two runs at once", func(t *testing.T) { leavesLiving(newContainer(t, address)) })
	t.Run("a state cut off", func(t *testing.T) { restoresCopy(newContainer(t, address)) })
	t.Run("kills at any moment", func(t *testing.T) { neverCutsOff(newContainer(t, address)) })
}

// startAzurite starts one and returns its address.
func startAzurite(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // Closed at once.
	require.NoError(t, err)
	address := listener.Addr().String()
	_, port, _ := strings.Cut(address, ":")
	require.NoError(t, listener.Close())
	cmd := exec.CommandContext(t.Context(), "npx", "--yes", "--package", azurite, "azurite-blob",
		"--blobPort", port, "--location", t.TempDir(), "--silent", "--disableTelemetry",
		"--skipApiVersionCheck")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // npx has children
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
	})
	isUp := func() bool {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	}
	require.Eventually(t, isUp, 3*time.Minute, time.Second, "npx does not start %s", azurite)
	return address
}

func newContainer(t *testing.T, address string) container {
	t.Helper()
	key, err := azblob.NewSharedKeyCredential(azuriteAccount, azuriteKey)
	require.NoError(t, err)
	endpoint := fmt.Sprintf("http://%s/%s/", address, azuriteAccount)
	client, err := azblob.NewClientWithSharedKeyCredential(endpoint, key, nil)
	require.NoError(t, err)
	name := fmt.Sprintf("state-%d", time.Now().UnixNano())
	_, err = client.CreateContainer(t.Context(), name, nil)
	require.NoError(t, err)
	url := fmt.Sprintf("azblob://%s?domain=%s&protocol=http&localemu=true&storage_account=%s",
		name, address, azuriteAccount)
	return container{t: t, client: client, name: name, url: url}
}

func (c container) faulty() *faulty {
	c.t.Helper()
	return openFaulty(c.t, sandbox.Options{Backend: c.url})
}

func (c container) read(blob string) []byte {
	c.t.Helper()
	answer, err := c.client.DownloadStream(c.t.Context(), c.name, blob, nil)
	require.NoError(c.t, err)
	content, err := io.ReadAll(answer.Body)
	require.NoError(c.t, err)
	return content
}

func (c container) write(blob string, content []byte) {
	c.t.Helper()
	_, err := c.client.UploadBuffer(c.t.Context(), c.name, blob, content, nil)
	require.NoError(c.t, err)
}

// locks counts the stack's.
func (c container) locks() int {
	c.t.Helper()
	pages := c.client.NewListBlobsFlatPager(c.name, &azblob.ListBlobsFlatOptions{
		Prefix: to.Ptr(".pulumi/locks/"),
	})
	found := 0
	for pages.More() {
		page, err := pages.NextPage(c.t.Context())
		require.NoError(c.t, err)
		found += len(page.Segment.BlobItems)
	}
	return found
}

func killsReplacement(c container) {
	renamed := []lab.Edit{lab.With(c.t, "azure.names.logAnalytics", "ml-logs-renamed")}
	f := c.faulty()
	f.Up("dev", lab.Sample())
	f.killedUp(renamed, f.killWhileLogsAreReplaced)
	require.Len(c.t, f.logs(), 2, "the old one, and the one that was being created")
	require.Equal(c.t, 1, c.locks())
	f.nextUp(renamed)
	require.Equal(c.t, []string{"ml-logs-renamed"}, f.logs())
	f.Destroy(f.stack)
	require.Empty(c.t, f.logs())
	require.Zero(c.t, c.locks())
}

// leavesLiving has a second run and a repair meet one that lives. As long as that one writes states,
// the repair says so instead of naming its process.
func leavesLiving(c container) {
	f := c.faulty()
	f.stack = f.Prepare("dev", lab.Sample())
	f.ARM.Inject(arm.Fault{Type: armStorage, Method: "PUT", Latency: 40 * time.Second})
	ended := make(chan error, 1)
	go func() {
		_, err := f.stack.Up(c.t.Context(), optup.SuppressProgress())
		ended <- err
	}()
	require.Eventually(c.t, func() bool { return c.locks() == 1 }, time.Minute, 50*time.Millisecond)
	_, err := f.stack.Refresh(c.t.Context(), optrefresh.SuppressProgress())
	require.ErrorContains(c.t, err, "the stack is currently locked by 1 lock(s)")
	for {
		_, err := f.stack.Up(c.t.Context(), optup.SuppressProgress())
		require.Error(c.t, err)
		if _, isLocked := errors.AsType[*repair.LockedError](err); isLocked {
			require.ErrorContains(c.t, err, "it runs on this machine")
			break
		}
		require.ErrorContains(c.t, err, "another run has changed the state meanwhile")
	}
	require.NoError(c.t, <-ended)
	require.Zero(c.t, c.locks())
}

// restoresCopy does by hand what `make repair` does where the state is in files.
func restoresCopy(c container) {
	f := c.faulty()
	stack, _ := f.Up("dev", lab.Sample())
	whole := c.read(stateBlob)
	c.write(stateBlob, whole[:len(whole)/2])
	_, err := stack.Export(c.t.Context())
	require.ErrorContains(c.t, err, "unexpected end of JSON input")
	c.write(stateBlob, c.read(stateBlob+".bak"))
	_, err = stack.Refresh(c.t.Context(), optrefresh.SuppressProgress())
	require.NoError(c.t, err)
	f.nextUp(nil)
}

// neverCutsOff kills many ups. A blob that is being written shows as it was before, so that each
// state is whole.
func neverCutsOff(c container) {
	f := c.faulty()
	const kills = 12
	for i := range kills {
		f.stack = f.Prepare("dev", several(8, strconv.Itoa(i)))
		before := c.locks()
		go func() {
			for c.locks() == before {
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(time.Duration(i) * 300 * time.Millisecond)
			f.killCLI()
		}()
		_, err := f.stack.Up(c.t.Context(), optup.SuppressProgress())
		deployment := f.deployment(f.stack)
		c.t.Logf("kill %d: %v, %d resources, %d pending", i, err != nil,
			len(deployment.Resources), len(deployment.PendingOperations))
	}
	f.Up("dev", several(8, "last"))
	f.nextUp(nil)
}
