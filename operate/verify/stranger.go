package verify

import (
	"context"
	"fmt"
	"net/http"

	"mlvault/internal/outputs"
)

// Answer is what Vault said to a login.
type Answer struct {
	// Status is the HTTP status. Vault answers 400 to a token that its role does not admit.
	Status int
}

// stranger tries to log in as whoever runs this. Vault trusts who signed the token, and the role
// must refuse it all the same: the token is not the job identity's.
func (v Verification) stranger(ctx context.Context, report *Report, given map[string]any) {
	v.say("logging in to Vault as you, which must be refused")
	audience := textOr(given[outputs.VaultAudience], "")
	var issued struct {
		AccessToken string `json:"accessToken"`
	}
	err := v.Azure.Ask(ctx, &issued, "account", "get-access-token", "--resource", audience)
	if err != nil || issued.AccessToken == "" {
		report.add(strangerRefused, notReached,
			"the Azure CLI gets no token for this audience: the app's owner has to allow it "+
				"(*Expose an API*, *Add a client application*)")
		return
	}
	answer, err := v.Vault.Login(ctx, given, issued.AccessToken)
	switch {
	case err != nil:
		report.add(strangerRefused, notReached, "Vault did not answer")
	case answer.Status == http.StatusOK:
		report.add(strangerRefused, wrong,
			"Vault let you in. If you are not among workload.principalIds, the role is too wide")
	case answer.Status == http.StatusBadRequest || answer.Status == http.StatusForbidden:
		report.add(strangerRefused, confirmed, fmt.Sprintf("Vault answered %d", answer.Status))
	default:
		report.add(strangerRefused, notReached, fmt.Sprintf("Vault answered %d", answer.Status))
	}
}
