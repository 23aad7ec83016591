package issuer_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/issuer"
)

func jobIdentity() issuer.Identity {
	return issuer.Identity{ClientID: clientID, PrincipalID: principalID, ResourceID: resourceID}
}

// ask requests a token as a job does, after edit, and decodes the answer.
func ask(t *testing.T, environment map[string]string, edit func(url.Values, http.Header)) (status int, answer map[string]any) {
	t.Helper()
	query := url.Values{
		"api-version": {"2017-09-01"},
		"resource":    {audience},
		"clientid":    {environment["DEFAULT_IDENTITY_CLIENT_ID"]},
	}
	header := http.Header{"Secret": {environment["MSI_SECRET"]}}
	edit(query, header)
	status, body := get(t, http.DefaultClient, environment["MSI_ENDPOINT"]+"?"+query.Encode(), header)
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	return status, answer
}

func unchanged(url.Values, http.Header) {}

func environmentOf(t *testing.T, i *issuer.Issuer) map[string]string {
	t.Helper()
	endpoint, err := i.ManagedIdentityEndpoint(t.Context(), jobIdentity())
	require.NoError(t, err)
	environment, err := endpoint.Environment(clientID)
	require.NoError(t, err)
	return environment
}

func TestAJobGetsATokenOfItsIdentity(t *testing.T) {
	i, client := start(t)
	environment := environmentOf(t, i)
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+/MSI/token$`, environment["MSI_ENDPOINT"])

	status, answer := ask(t, environment, unchanged)

	require.Equal(t, http.StatusOK, status)
	token, ok := answer["access_token"].(string)
	require.True(t, ok)
	got, err := verify(t, client, i, token)
	require.NoError(t, err)
	assert.Equal(t, principalID, got["oid"])
	assert.Equal(t, clientID, got["appid"])
	assert.NotContains(t, got, "xms_mirid", "Entra names the ARM id to Azure's own resources only")

	expires, err := strconv.ParseInt(answer["expires_on"].(string), 10, 64) //nolint:forcetypeassert // a panic fails too
	require.NoError(t, err)
	assert.InDelta(t, got["exp"], expires, 1)
	assert.InDelta(t, time.Now().Add(24*time.Hour).Unix(), expires, 60)
	delete(answer, "access_token")
	delete(answer, "expires_on")
	assert.Equal(t, map[string]any{"client_id": clientID, "resource": audience, "token_type": "Bearer"}, answer)
}

func TestATokenForAzureItselfNamesTheARMID(t *testing.T) {
	i, _ := start(t)
	status, answer := ask(t, environmentOf(t, i), func(query url.Values, _ http.Header) {
		query.Set("resource", "https://management.azure.com/")
		query.Set("clientid", strings.ToUpper(clientID)) // found in any case
	})
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, resourceID, part(t, fmt.Sprint(answer["access_token"]), 1)["xms_mirid"])
}

func TestEachIdentityOfAComputeGetsItsOwnToken(t *testing.T) {
	i, _ := start(t)
	other := issuer.Identity{ClientID: tenantID, PrincipalID: clientID}
	endpoint, err := i.ManagedIdentityEndpoint(t.Context(), jobIdentity(), other)
	require.NoError(t, err)
	for _, identity := range []issuer.Identity{jobIdentity(), other} {
		environment, err := endpoint.Environment(identity.ClientID)
		require.NoError(t, err)
		_, answer := ask(t, environment, unchanged)
		assert.Equal(t, identity.PrincipalID, part(t, fmt.Sprint(answer["access_token"]), 1)["oid"])
	}
	_, err = endpoint.Environment(principalID)
	require.ErrorContains(t, err, principalID, "not attached")
}

func TestAWrongRequestGetsNoToken(t *testing.T) {
	i, _ := start(t)
	environment := environmentOf(t, i)
	for name, test := range map[string]struct {
		edit   func(url.Values, http.Header)
		status int
		want   string
	}{
		"wrong secret": {func(_ url.Values, h http.Header) { h.Set("Secret", "x") }, 401, "header secret"},
		"secret in the other protocol's header": {
			func(_ url.Values, h http.Header) {
				h.Set("X-IDENTITY-HEADER", h.Get("Secret"))
				h.Del("Secret")
			}, 401, "header secret",
		},
		"other api-version": {func(q url.Values, _ http.Header) { q.Set("api-version", "2019-08-01") }, 400, "api-version"},
		"no resource":       {func(q url.Values, _ http.Header) { q.Del("resource") }, 400, "resource"},
		"client id under the other protocol's name": {
			func(q url.Values, _ http.Header) {
				q.Set("client_id", q.Get("clientid"))
				q.Del("clientid")
			}, 400, "clientid is missing",
		},
		"unknown client id": {func(q url.Values, _ http.Header) { q.Set("clientid", principalID) }, 400, "no identity"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := ask(t, environment, test.edit)
			assert.Equal(t, test.status, status)
			assert.InDelta(t, test.status, answer["statusCode"], 0)
			assert.Contains(t, answer["message"], test.want)
			assert.NotContains(t, answer, "access_token")
		})
	}
}

func TestNoTwoEndpointsShareASecret(t *testing.T) {
	i, _ := start(t)
	one, two := environmentOf(t, i), environmentOf(t, i)
	one["MSI_SECRET"] = two["MSI_SECRET"]
	status, _ := ask(t, one, unchanged)
	assert.Equal(t, http.StatusUnauthorized, status)
}
