package armspec_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/keyvault/armkeyvault/v2"
	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
	"mlvault/sandbox/internal/arm/armspec"
)

// The program types a key vault's properties itself, since no SDK that it uses has them at this API
// version. This holds what it registers, in each of the reviewed stacks, to Microsoft's own type.
func TestTheKeyVaultOfEveryStackIsOfMicrosoftsType(t *testing.T) {
	files, err := filepath.Glob("../../../../internal/stack/testdata/*.json")
	require.NoError(t, err)
	checked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range bytes.Lines(text) {
			var registered struct {
				Type   string
				Inputs map[string]any
			}
			if json.Unmarshal(line, &registered) != nil || !strings.HasSuffix(registered.Type, ":Resource") {
				continue
			}
			inputs := registered.Inputs
			require.Equal(t, settings.KeyVaultAPI, inputs["apiVersion"])
			body := map[string]any{}
			for _, name := range []string{"location", "properties", "tags"} {
				body[name] = inputs[name]
			}
			require.NoError(t, armspec.Check("Microsoft.KeyVault/vaults", body), file)
			checked++
		}
	}
	require.Greater(t, checked, 3, "stacks that make a key vault")
}

// Microsoft's types are those of the version that the program sends: this client asks with it.
func TestMicrosoftsTypesOfAKeyVaultAreOfTheVersionThatTheProgramSends(t *testing.T) {
	asked := &recorder{}
	client, err := armkeyvault.NewVaultsClient("subscription", noCredential{}, &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: asked},
	})
	require.NoError(t, err)
	_, err = client.Get(t.Context(), "group", "vault", nil)
	require.NoError(t, err)
	require.Equal(t, settings.KeyVaultAPI, asked.version)
}

// recorder answers every request with an empty object, and keeps its API version.
type recorder struct{ version string }

func (r *recorder) Do(request *http.Request) (*http.Response, error) {
	r.version = request.URL.Query().Get("api-version")
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader("{}")),
		Request:    request,
	}, nil
}

type noCredential struct{}

func (noCredential) GetToken(
	context.Context, policy.TokenRequestOptions,
) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "none"}, nil
}
