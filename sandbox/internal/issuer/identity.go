package issuer

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// identityAPIVersion is the one that Azure ML's endpoint speaks, and MSAL with it (azure_ml.go of MSAL for Go 1.7).
const identityAPIVersion = "2017-09-01"

// azureResourceManager is the resource for which tokens name the identity's ARM id (xms_mirid).
const azureResourceManager = "https://management.azure.com"

// Identity is a user-assigned managed identity that is attached to a compute.
type Identity struct {
	ClientID    string // GUID in lower case
	PrincipalID string // object id of its service principal, GUID in lower case
	ResourceID  string // ARM id
}

// ManagedIdentityEndpoint is what a compute node of Azure ML offers to the jobs on it: tokens of the identities that
// are attached to the compute.
type ManagedIdentityEndpoint struct {
	issuer     *Issuer
	url        string
	secret     string
	identities map[string]Identity // by client id
}

// ManagedIdentityEndpoint starts an endpoint that speaks for identities, on a free port of 127.0.0.1, plain HTTP as
// the real one. It stops with the issuer; ctx covers the start only.
//
// A request is
//
//	GET /MSI/token?api-version=2017-09-01&resource=<audience>&clientid=<client id>
//	secret: <MSI_SECRET>
//
// and the answer a v1 token for any resource, or {"statusCode": ..., "message": ...} with 401 for a wrong secret and
// 400 for anything else that is missing or unknown. One difference is on purpose: for a client id that is missing or
// is no GUID the real endpoint may answer with a token of the logged-in user (azure-sdk-for-python, pull request
// 36047), and this one refuses, so that a client which forgets it is found out here.
func (i *Issuer) ManagedIdentityEndpoint(ctx context.Context, identities ...Identity) (*ManagedIdentityEndpoint, error) {
	endpoint := &ManagedIdentityEndpoint{issuer: i, secret: rand.Text(), identities: map[string]Identity{}}
	for _, identity := range identities {
		endpoint.identities[identity.ClientID] = identity
	}
	if len(endpoint.identities) != len(identities) || len(identities) == 0 {
		return nil, errors.New("managed identity endpoint: needs identities, each with a client id of its own")
	}

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("managed identity endpoint: %w", err)
	}
	endpoint.url = "http://" + listener.Addr().String() + "/MSI/token"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /MSI/token", endpoint.token)
	if err := i.serve(listener, mux); err != nil {
		return nil, err
	}
	return endpoint, nil
}

// Environment returns the variables that Azure ML sets in a job whose default identity has that client id. MSI_SECRET
// is a secret of this endpoint's own; it opens nothing else.
func (e *ManagedIdentityEndpoint) Environment(clientID string) (map[string]string, error) {
	if _, ok := e.identities[clientID]; !ok {
		return nil, fmt.Errorf("managed identity endpoint: no identity with client id %q is attached", clientID)
	}
	return map[string]string{
		"MSI_ENDPOINT":               e.url,
		"MSI_SECRET":                 e.secret,
		"DEFAULT_IDENTITY_CLIENT_ID": clientID,
	}, nil
}

func (e *ManagedIdentityEndpoint) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, message string) {
		answer(w, status, map[string]any{"statusCode": status, "message": message})
	}
	query := r.URL.Query()
	resource, clientID := query.Get("resource"), query.Get("clientid")
	identity, attached := e.identities[strings.ToLower(clientID)]
	switch {
	case subtle.ConstantTimeCompare([]byte(r.Header.Get("secret")), []byte(e.secret)) != 1:
		refuse(http.StatusUnauthorized, "the header secret is missing or wrong")
	case query.Get("api-version") != identityAPIVersion:
		refuse(http.StatusBadRequest, "api-version must be "+identityAPIVersion)
	case resource == "":
		refuse(http.StatusBadRequest, "resource is missing")
	case clientID == "":
		refuse(http.StatusBadRequest, "clientid is missing; Azure ML would answer with a token of the user")
	case !attached:
		refuse(http.StatusBadRequest, "no identity with this clientid is attached to the compute")
	default:
		e.grant(w, identity, resource)
	}
}

func (e *ManagedIdentityEndpoint) grant(w http.ResponseWriter, identity Identity, resource string) {
	claims := Claims{
		Audience:    resource,
		ClientID:    identity.ClientID,
		PrincipalID: identity.PrincipalID,
	}
	if strings.TrimSuffix(resource, "/") == azureResourceManager {
		claims.ResourceID = identity.ResourceID
	}
	expires := time.Now().Add(lifetime)
	token, err := e.issuer.Token(claims)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]any{"statusCode": 500, "message": err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]string{
		"access_token": token,
		"client_id":    identity.ClientID,
		"expires_on":   strconv.FormatInt(expires.Unix(), 10), // text, in seconds since 1970
		"resource":     resource,
		"token_type":   "Bearer",
	})
}
