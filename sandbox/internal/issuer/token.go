package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
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
	// Audience is the claim aud. In v1 tokens it is the resource exactly as it was asked for (api://vault-ml), in v2
	// tokens always the GUID of the resource's app registration.
	Audience string
	// ClientID is the identity's client id: appid in v1 tokens, azp in v2 tokens.
	ClientID string
	// PrincipalID is the identity's object id: oid and sub.
	PrincipalID string
	// ResourceID is the identity's ARM id, the claim xms_mirid. Empty leaves the claim out, as Entra does in tokens
	// for resources other than Azure's own.
	ResourceID string
	// Version defaults to V1.
	Version Version
}

// Token signs a token as Entra gives one to a managed identity. Alterations, which are applied in order, make of it
// what Entra would never sign, for tests of refusals.
func (i *Issuer) Token(claims Claims, alterations ...Alteration) (string, error) {
	if claims.Version == "" {
		claims.Version = V1
	}
	d := &draft{claims: i.claims(claims, time.Now()), sign: i.signWith(i.key)}
	for _, alter := range alterations {
		alter(i, d)
	}
	token, err := d.sign(d.claims)
	if err != nil {
		return "", fmt.Errorf("token for client %s: %w", claims.ClientID, err)
	}
	return token, nil
}

// claims shapes c as Entra does. appidacr and azpacr are 2 because a managed identity proves itself by certificate.
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
		maps.Copy(all, map[string]any{"azp": c.ClientID, "azpacr": "2"})
	} else {
		maps.Copy(all, map[string]any{"appid": c.ClientID, "appidacr": "2", "idp": i.URL(V1)})
	}
	if c.ResourceID != "" {
		all["xms_mirid"] = c.ResourceID
	}
	return all
}

// draft is a token before it is signed.
type draft struct {
	claims map[string]any
	sign   func(claims map[string]any) (string, error)
}

// Alteration turns a good token into one that Entra would not issue, so that a test sees it refused. Each changes one
// thing and leaves the rest good.
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

// Expired moves the token's whole life into the past, further than any leeway: it ended an hour ago.
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
	return func(i *Issuer, d *draft) {
		d.sign = func(claims map[string]any) (string, error) {
			key, err := rsa.GenerateKey(rand.Reader, keyBits)
			if err != nil {
				return "", fmt.Errorf("other key: %w", err)
			}
			return i.signWith(key)(claims)
		}
	}
}

// SignedWithPublicKey signs by HS256 with the published key's PEM as the shared secret. A verifier that lets the
// token choose the algorithm accepts it, and anybody could make it.
func SignedWithPublicKey() Alteration {
	return func(i *Issuer, d *draft) {
		d.sign = func(claims map[string]any) (string, error) {
			der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
			if err != nil {
				return "", fmt.Errorf("public key: %w", err)
			}
			secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			return i.serialize(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, claims)
		}
	}
}

// Unsigned states the algorithm none and carries no signature.
func Unsigned() Alteration {
	return func(i *Issuer, d *draft) {
		d.sign = func(claims map[string]any) (string, error) {
			payload, err := json.Marshal(claims)
			encode := base64.RawURLEncoding.EncodeToString
			return encode([]byte(`{"alg":"none","kid":"`+i.keyID+`","typ":"JWT"}`)) + "." + encode(payload) + ".", err
		}
	}
}

// signWith signs by RS256 with key, always under the id of the published one.
func (i *Issuer) signWith(key *rsa.PrivateKey) func(map[string]any) (string, error) {
	return func(claims map[string]any) (string, error) {
		return i.serialize(jose.SigningKey{Algorithm: jose.RS256, Key: key}, claims)
	}
}

func (i *Issuer) serialize(key jose.SigningKey, claims map[string]any) (string, error) {
	// The id goes in by hand: with a shared secret go-jose leaves out that of a JSONWebKey.
	header := new(jose.SignerOptions).WithType("JWT").WithHeader("kid", i.keyID)
	if claims["ver"] == string(V1) {
		header = header.WithHeader("x5t", i.keyID) // Entra names the key twice in v1 tokens
	}
	signer, err := jose.NewSigner(key, header)
	if err != nil {
		return "", fmt.Errorf("signer: %w", err)
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}
