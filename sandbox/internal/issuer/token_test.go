package issuer_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/internal/issuer"
)

func claims() issuer.Claims {
	return issuer.Claims{Audience: audience, ClientID: clientID, PrincipalID: principalID}
}

// verify checks a token as Vault does: the keys that the issuer publishes, RS256 only, issuer,
// audience and times.
func verify(
	t *testing.T, client *http.Client, i *issuer.Issuer, version issuer.Version, token string,
) (map[string]any, error) {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	var registered jwt.Claims
	var all map[string]any
	if err := parsed.Claims(discover(t, client, i.URL(version)), &registered, &all); err != nil {
		return nil, err
	}
	return all, registered.Validate(jwt.Expected{
		Issuer: i.URL(version), AnyAudience: jwt.Audience{audience}, Time: time.Now(),
	})
}

// part decodes the header (0) or the payload (1) without a look at the signature.
func part(t *testing.T, token string, n int) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, json.Unmarshal(text, &values))
	return values
}

func TestTokensAreShapedAsEntras(t *testing.T) {
	i, client := start(t)
	assert.Regexp(t, `^https://127\.0\.0\.1:\d+/`+tenantID+`/$`, i.URL(issuer.V1))
	assert.Equal(t, i.URL(issuer.V1)+"v2.0", i.URL(issuer.V2))
	kid := discover(t, client, i.URL(issuer.V1)).Keys[0].KeyID
	for _, test := range []struct {
		version issuer.Version
		header  map[string]any
		own     map[string]any // the claims that the other version does not have
	}{
		{
			version: issuer.V1,
			header:  map[string]any{"alg": "RS256", "typ": "JWT", "kid": kid, "x5t": kid},
			own:     map[string]any{"idp": i.URL(issuer.V1), "appid": clientID, "appidacr": "2"},
		},
		{
			version: issuer.V2,
			header:  map[string]any{"alg": "RS256", "typ": "JWT", "kid": kid},
			own:     map[string]any{"azp": clientID, "azpacr": "2"},
		},
	} {
		want := map[string]any{
			"aud":   audience,
			"iss":   i.URL(test.version),
			"idtyp": "app",
			"oid":   principalID,
			"sub":   principalID,
			"tid":   tenantID,
			"ver":   string(test.version),
		}
		maps.Copy(want, test.own)
		before := time.Now()
		asked := claims()
		asked.Version = test.version
		token, err := i.Token(asked)
		require.NoError(t, err)
		got, err := verify(t, client, i, test.version, token)
		require.NoError(t, err)

		assert.Equal(t, test.header, part(t, token, 0))
		assert.NotEmpty(t, got["uti"])
		assert.InDelta(t, before.Unix(), got["iat"], 600)
		assert.Equal(t, got["iat"], got["nbf"])
		assert.InDelta(t, before.Add(24*time.Hour).Unix(), got["exp"], 60)
		for _, varying := range []string{"uti", "iat", "nbf", "exp"} {
			delete(got, varying)
		}
		assert.Equal(t, want, got)
	}
}

// What Vault says to each alteration is in e2e/identity. It says the same to every bad signature,
// so this shows that each forgery is the one that its name says.
func TestEachForgeryIsTheRealOne(t *testing.T) {
	i, client := start(t)
	forge := func(alteration issuer.Alteration) (token string, header any) {
		token, err := i.Token(claims(), alteration)
		require.NoError(t, err)
		require.Equal(t, principalID, part(t, token, 1)["oid"])
		return token, part(t, token, 0)
	}
	key := discover(t, client, i.URL(issuer.V1)).Keys[0]
	der, err := x509.MarshalPKIXPublicKey(key.Key)
	require.NoError(t, err)

	token, header := forge(issuer.SignedWithOtherKey())
	_, err = verify(t, client, i, issuer.V1, token)
	require.ErrorIs(t, err, jose.ErrCryptoFailure)
	good := map[string]any{"alg": "RS256", "typ": "JWT", "kid": key.KeyID, "x5t": key.KeyID}
	assert.Equal(t, good, header)

	token, header = forge(issuer.Unsigned())
	assert.True(t, strings.HasSuffix(token, "."), "no signature")
	assert.Equal(t, map[string]any{"alg": "none", "typ": "JWT", "kid": key.KeyID}, header)

	token, _ = forge(issuer.SignedWithPublicKey())
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	require.NoError(t, parsed.Claims(public, new(map[string]any)))
}
