package issuer

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// identityAPIVersion is the one that Azure ML's endpoint speaks, and MSAL with it (azure_ml.go of
// MSAL for Go 1.7).
const identityAPIVersion = "2017-09-01"

// ManagedIdentityEndpoint starts what a compute node of Azure ML offers to the jobs on it: tokens
// of the managed identity that is attached to the compute. It listens on a free port of 127.0.0.1,
// plain HTTP as the real one, and stops with the issuer; ctx covers the start only. It returns the
// variables that Azure ML sets in a job. MSI_SECRET opens this endpoint and nothing else.
//
// A request is
//
//	GET /MSI/token?api-version=2017-09-01&resource=<audience>&clientid=<client id>
//	secret: <MSI_SECRET>
//
// and the answer a v1 token for any resource, or {"statusCode": ..., "message": ...} with 401 for a
// wrong secret and 400 for anything else that is missing or unknown. One difference is on purpose:
// for a client id that is missing or is no GUID the real endpoint may answer with a token of the
// logged-in user (azure-sdk-for-python, pull request 36047), and this one refuses, so that a client
// which forgets it is found out here.
func (i *Issuer) ManagedIdentityEndpoint(
	ctx context.Context, clientID, principalID string,
) (map[string]string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("managed identity endpoint: %w", err)
	}
	secret := rand.Text()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /MSI/token", func(w http.ResponseWriter, r *http.Request) {
		given := []byte(r.Header.Get("secret"))
		if subtle.ConstantTimeCompare(given, []byte(secret)) != 1 {
			refuse(w, http.StatusUnauthorized, "the header secret is missing or wrong")
			return
		}
		query := r.URL.Query()
		if problem := problemOf(query, clientID); problem != "" {
			refuse(w, http.StatusBadRequest, problem)
			return
		}
		i.grant(w, Claims{
			Audience:    query.Get("resource"),
			ClientID:    clientID,
			PrincipalID: principalID,
		})
	})
	i.serve(listener, mux)
	return map[string]string{
		"MSI_ENDPOINT":               "http://" + listener.Addr().String() + "/MSI/token",
		"MSI_SECRET":                 secret,
		"DEFAULT_IDENTITY_CLIENT_ID": clientID,
	}, nil
}

// problemOf says what is wrong with a request for a token, or nothing.
func problemOf(query url.Values, clientID string) string {
	asked := query.Get("clientid")
	switch {
	case query.Get("api-version") != identityAPIVersion:
		return "api-version must be " + identityAPIVersion
	case query.Get("resource") == "":
		return "resource is missing"
	case asked == "":
		return "clientid is missing; Azure ML would answer with a token of the user"
	case !strings.EqualFold(asked, clientID):
		return "no identity with this clientid is attached to the compute"
	}
	return ""
}

func refuse(w http.ResponseWriter, status int, problem string) {
	answer(w, status, map[string]any{"statusCode": status, "message": problem})
}

func (i *Issuer) grant(w http.ResponseWriter, claims Claims) {
	expires := time.Now().Add(lifetime)
	token, err := i.Token(claims)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]string{
		"access_token": token,
		"client_id":    claims.ClientID,
		"expires_on":   strconv.FormatInt(expires.Unix(), 10), // text, in seconds since 1970
		"resource":     claims.Audience,
		"token_type":   "Bearer",
	})
}
