package issuer

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// lifetime is that of Entra's tokens for managed identities.
	lifetime = 24 * time.Hour
	// backdated is how long before now Entra sets iat and nbf, for verifiers whose clock is behind.
	backdated = 5 * time.Minute
)

// Claims say what a token is about: which identity, and for whom.
type Claims struct {
	// Audience is the claim aud. In v1 tokens it is the resource exactly as it was asked for
	// (api://vault-ml), in v2 tokens always the GUID of the resource's app registration.
	Audience string
	// ClientID is the identity's client id: appid in v1 tokens, azp in v2 tokens.
	ClientID string
	// PrincipalID is the identity's object id: oid and sub.
	PrincipalID string
	// Version defaults to V1.
	Version Version
}

// Token signs a token as Entra gives one to a managed identity. Alterations, which are applied in
// order, make of it what Entra would never sign, for tests of refusals.
func (i *Issuer) Token(claims Claims, alterations ...Alteration) (string, error) {
	if claims.Version == "" {
		claims.Version = V1
	}
	d := &draft{
		claims: i.claims(claims, time.Now()),
		key:    jose.SigningKey{Algorithm: jose.RS256, Key: i.key.Key},
	}
	for _, alter := range alterations {
		alter(i, d)
	}
	token, err := i.sign(d)
	err = errors.Join(d.err, err)
	if err != nil {
		return "", fmt.Errorf("token for client %s: %w", claims.ClientID, err)
	}
	return token, nil
}

// claims shapes c as Entra does. appidacr and azpacr are 2 because a managed identity proves itself
// by certificate.
func (i *Issuer) claims(c Claims, now time.Time) map[string]any {
	start := now.Add(-backdated).Unix()
	all := map[string]any{
		"aud":   c.Audience,
		"iss":   i.URL(c.Version),
		"iat":   start,
		"nbf":   start,
		"exp":   now.Add(lifetime).Unix(),
		"idtyp": "app",
		"oid":   c.PrincipalID,
		"sub":   c.PrincipalID,
		"tid":   i.tenantID,
		"uti":   rand.Text(),
		"ver":   string(c.Version),
	}
	if c.Version == V2 {
		all["azp"] = c.ClientID
		all["azpacr"] = "2"
		return all
	}
	all["appid"] = c.ClientID
	all["appidacr"] = "2"
	all["idp"] = i.URL(V1)
	return all
}

// draft is a token before it is signed.
type draft struct {
	claims map[string]any
	key    jose.SigningKey
	err    error
}

// unsigned is the algorithm of a token without a signature. go-jose doesn't know it.
const unsigned jose.SignatureAlgorithm = "none"

// Alteration turns a good token into one that Entra would not issue, so that a test sees it
// refused. Each changes one thing and leaves the rest good.
type Alteration func(*Issuer, *draft)

// With sets a claim to any value that JSON can carry.
func With(claim string, value any) Alteration {
	return func(_ *Issuer, d *draft) { d.claims[claim] = value }
}

// Without leaves claims out.
func Without(claims ...string) Alteration {
	return func(_ *Issuer, d *draft) {
		for _, claim := range claims {
			delete(d.claims, claim)
		}
	}
}

// Expired moves the token's whole life into the past, further than any leeway: it ended an hour
// ago.
func Expired() Alteration {
	return func(_ *Issuer, d *draft) {
		now := time.Now()
		d.claims["iat"] = now.Add(-2 * time.Hour).Unix()
		d.claims["nbf"] = d.claims["iat"]
		d.claims["exp"] = now.Add(-time.Hour).Unix()
	}
}

// NotYetValid lets the token begin in an hour.
func NotYetValid() Alteration {
	return func(_ *Issuer, d *draft) { d.claims["nbf"] = time.Now().Add(time.Hour).Unix() }
}

// SignedWithOtherKey signs with a key that is not published, under the published key's id.
func SignedWithOtherKey() Alteration {
	return func(_ *Issuer, d *draft) { d.key.Key, d.err = newKey() }
}

// SignedWithPublicKey signs by HS256 with the published key's PEM as the shared secret. A verifier
// that lets the token choose the algorithm accepts it, and anybody could make it.
func SignedWithPublicKey() Alteration {
	return func(i *Issuer, d *draft) {
		der, err := x509.MarshalPKIXPublicKey(i.key.Public().Key)
		shared := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		d.key = jose.SigningKey{Algorithm: jose.HS256, Key: shared}
		d.err = err
	}
}

// Unsigned states the algorithm none and carries no signature.
func Unsigned() Alteration {
	return func(_ *Issuer, d *draft) { d.key.Algorithm = unsigned }
}

// sign signs with any key, always under the id of the published one.
func (i *Issuer) sign(d *draft) (string, error) {
	if d.key.Algorithm == unsigned {
		payload, err := json.Marshal(d.claims)
		header := `{"alg":"none","kid":"` + i.key.KeyID + `","typ":"JWT"}`
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(header)) + "." + encode(payload) + ".", err
	}
	// The id goes in by hand: with a shared secret go-jose leaves out that of a JSONWebKey.
	header := new(jose.SignerOptions).WithType("JWT").WithHeader("kid", i.key.KeyID)
	if d.claims["ver"] == string(V1) {
		header = header.WithHeader("x5t", i.key.KeyID) // Entra names the key twice in v1 tokens
	}
	signer, err := jose.NewSigner(d.key, header)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(d.claims).Serialize()
}
