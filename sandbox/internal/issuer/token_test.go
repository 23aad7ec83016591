package issuer_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"slices"
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
	return issuer.Claims{Audience: audience, ClientID: clientID, PrincipalID: principalID, ResourceID: resourceID}
}

// verify checks a v1 token as Vault does: the keys that the issuer publishes, RS256 only, issuer, audience and times.
func verify(t *testing.T, client *http.Client, i *issuer.Issuer, token string) (map[string]any, error) {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	var registered jwt.Claims
	var all map[string]any
	if err := parsed.Claims(discover(t, client, i.URL(issuer.V1)), &registered, &all); err != nil {
		return nil, err
	}
	return all, registered.Validate(jwt.Expected{
		Issuer: i.URL(issuer.V1), AnyAudience: jwt.Audience{audience}, Time: time.Now(),
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

func TestAV1TokenIsShapedAsEntras(t *testing.T) {
	i, client := start(t)
	before := time.Now()

	token, err := i.Token(claims())
	require.NoError(t, err)
	got, err := verify(t, client, i, token)
	require.NoError(t, err)

	assert.Equal(t, map[string]any{"alg": "RS256", "typ": "JWT", "kid": i.KeyID(), "x5t": i.KeyID()}, part(t, token, 0))
	assert.NotEmpty(t, got["uti"])
	assert.InDelta(t, before.Unix(), got["iat"], 600)
	assert.Equal(t, got["iat"], got["nbf"])
	assert.InDelta(t, before.Add(24*time.Hour).Unix(), got["exp"], 60)
	for _, varying := range []string{"uti", "iat", "nbf", "exp"} {
		delete(got, varying)
	}
	assert.Equal(t, map[string]any{
		"aud": audience, "iss": i.URL(issuer.V1), "idp": i.URL(issuer.V1), "appid": clientID, "appidacr": "2", "idtyp": "app",
		"oid": principalID, "sub": principalID, "tid": tenantID, "ver": "1.0", "xms_mirid": resourceID,
	}, got)
}

func TestAV2TokenIsShapedAsEntras(t *testing.T) {
	i, client := start(t)
	of := claims()
	of.Version, of.Audience, of.ResourceID = issuer.V2, tenantID, ""

	token, err := i.Token(of)
	require.NoError(t, err)
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, parsed.Claims(discover(t, client, i.URL(issuer.V2)), &got))

	assert.Equal(t, map[string]any{"alg": "RS256", "typ": "JWT", "kid": i.KeyID()}, part(t, token, 0))
	assert.Equal(t, strings.Fields("aud azp azpacr exp iat idtyp iss nbf oid sub tid uti ver"), slices.Sorted(maps.Keys(got)))
	assert.Equal(t, i.URL(issuer.V2), got["iss"])
	assert.Equal(t, clientID, got["azp"])
	assert.Equal(t, "2.0", got["ver"])
}

func TestEachAlterationIsRefusedByAVerifierAndChangesOneThingOnly(t *testing.T) {
	i, client := start(t)
	good, err := i.Token(claims())
	require.NoError(t, err)
	for name, test := range map[string]struct {
		alteration     issuer.Alteration
		want           string
		header, claims []string // what differs from a good token
	}{
		"other key":              {issuer.SignedWithOtherKey(), jose.ErrCryptoFailure.Error(), nil, nil},
		"unsigned":               {issuer.Unsigned(), "unexpected signature algorithm", []string{"alg", "x5t"}, nil},
		"signed with public key": {issuer.SignedWithPublicKey(), "unexpected signature algorithm", []string{"alg"}, nil},
		"expired":                {issuer.Expired(), jwt.ErrExpired.Error(), nil, []string{"exp", "iat", "nbf"}},
		"not yet valid":          {issuer.NotYetValid(), jwt.ErrNotValidYet.Error(), nil, []string{"nbf"}},
		"issuer without slash":   {issuer.With("iss", strings.TrimSuffix(i.URL(issuer.V1), "/")), jwt.ErrInvalidIssuer.Error(), nil, []string{"iss"}},
		"no audience":            {issuer.Without("aud"), jwt.ErrInvalidAudience.Error(), nil, []string{"aud"}},
		"other audience":         {issuer.With("aud", "api://other"), jwt.ErrInvalidAudience.Error(), nil, []string{"aud"}},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := i.Token(claims(), test.alteration)
			require.NoError(t, err)
			assert.Equal(t, test.header, differing(part(t, good, 0), part(t, token, 0)))
			assert.Equal(t, test.claims, differing(part(t, good, 1), part(t, token, 1)))
			_, err = verify(t, client, i, token)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// differing returns the keys whose values differ by more than the seconds and the random id of two equal requests.
func differing(a, b map[string]any) []string {
	both := maps.Clone(a)
	maps.Copy(both, b)
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(both)) {
		x, xIsNumber := a[key].(float64)
		y, yIsNumber := b[key].(float64)
		near := xIsNumber && yIsNumber && x-y < 60 && y-x < 60
		if key != "uti" && !near && !assert.ObjectsAreEqual(a[key], b[key]) {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestTheForgeryWithThePublicKeyIsTheRealOne(t *testing.T) {
	i, client := start(t)
	token, err := i.Token(claims(), issuer.SignedWithPublicKey())
	require.NoError(t, err)

	der, err := x509.MarshalPKIXPublicKey(discover(t, client, i.URL(issuer.V1)).Keys[0].Key)
	require.NoError(t, err)
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	end := strings.LastIndex(token, ".")
	mac.Write([]byte(token[:end]))

	assert.Equal(t, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), token[end+1:])
}
