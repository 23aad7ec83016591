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

// ask requests a token as a job does, after edit, and decodes the answer.
func ask(
	t *testing.T, environment map[string]string, edit func(url.Values, http.Header),
) (status int, answer map[string]any) {
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

func environmentOf(t *testing.T, i *issuer.Issuer) map[string]string {
	t.Helper()
	environment, err := i.ManagedIdentityEndpoint(t.Context(), clientID, principalID)
	require.NoError(t, err)
	return environment
}

func TestAJobGetsATokenOfItsIdentity(t *testing.T) {
	i, client := start(t)
	status, answer := ask(t, environmentOf(t, i), func(query url.Values, _ http.Header) {
		query.Set("clientid", strings.ToUpper(clientID)) // found in any case
	})
	require.Equal(t, http.StatusOK, status)
	got, err := verify(t, client, i, issuer.V1, fmt.Sprint(answer["access_token"]))
	require.NoError(t, err)
	assert.Equal(t, principalID, got["oid"])
	assert.Equal(t, clientID, got["appid"])

	expires, err := strconv.ParseInt(fmt.Sprint(answer["expires_on"]), 10, 64)
	require.NoError(t, err)
	assert.InDelta(t, got["exp"], expires, 1)
	assert.InDelta(t, time.Now().Add(24*time.Hour).Unix(), expires, 60)
	delete(answer, "access_token")
	delete(answer, "expires_on")
	rest := map[string]any{"client_id": clientID, "resource": audience, "token_type": "Bearer"}
	assert.Equal(t, rest, answer)
}

func TestAWrongRequestGetsNoToken(t *testing.T) {
	i, _ := start(t)
	environment := environmentOf(t, i)
	rename := func(values map[string][]string, from, to string) {
		values[to] = values[from]
		delete(values, from)
	}
	for _, test := range []struct {
		name   string
		query  func(url.Values)
		header func(http.Header)
		status int
		want   string
	}{
		{
			name:   "wrong secret",
			header: func(h http.Header) { h.Set("Secret", "x") },
			status: http.StatusUnauthorized,
			want:   "header secret",
		},
		{
			name:   "secret of another endpoint",
			header: func(h http.Header) { h.Set("Secret", environmentOf(t, i)["MSI_SECRET"]) },
			status: http.StatusUnauthorized,
			want:   "header secret",
		},
		{
			name:   "secret in the other protocol's header",
			header: func(h http.Header) { rename(h, "Secret", "X-Identity-Header") },
			status: http.StatusUnauthorized,
			want:   "header secret",
		},
		{
			name:   "other api-version",
			query:  func(q url.Values) { q.Set("api-version", "2019-08-01") },
			status: http.StatusBadRequest,
			want:   "api-version",
		},
		{
			name:   "no resource",
			query:  func(q url.Values) { q.Del("resource") },
			status: http.StatusBadRequest,
			want:   "resource",
		},
		{
			name:   "client id under the other protocol's name",
			query:  func(q url.Values) { rename(q, "clientid", "client_id") },
			status: http.StatusBadRequest,
			want:   "clientid is missing",
		},
		{
			name:   "unknown client id",
			query:  func(q url.Values) { q.Set("clientid", principalID) },
			status: http.StatusBadRequest,
			want:   "no identity",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, answer := ask(t, environment, func(query url.Values, header http.Header) {
				if test.query != nil {
					test.query(query)
				}
				if test.header != nil {
					test.header(header)
				}
			})
			assert.Equal(t, test.status, status)
			assert.InDelta(t, test.status, answer["statusCode"], 0)
			assert.Contains(t, answer["message"], test.want)
			assert.NotContains(t, answer, "access_token")
		})
	}
}
