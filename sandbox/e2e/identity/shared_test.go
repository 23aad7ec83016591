package identity

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
	"mlvault/sandbox/internal/arm"
	"mlvault/sandbox/internal/issuer"
)

// Two stacks may name one identity that exists. Each role then gives its own policy and no other,
// but nothing keeps the identity from the other role: it is admitted to both.
func TestWhoeverIsTheJobIdentityOfTwoStacksReadsBoth(t *testing.T) {
	l := newLabWith(t, "dev", "qa", "alone")
	const id = "/subscriptions/" + arm.SubscriptionID + "/resourceGroups/platform/providers/" +
		"Microsoft.ManagedIdentity/userAssignedIdentities/jobs"
	require.NoError(t, l.ARM.Seed(id, arm.Document{
		"location": "westeurope",
		"properties": map[string]any{
			"clientId":    arm.ClientID(id),
			"principalId": arm.PrincipalID(id),
			"tenantId":    arm.TenantID,
		},
	}))
	shared := lab.With(t, "workload.identityId", id)
	dev := l.door("dev", issuer.V1, shared)
	qa := l.door("qa", issuer.V1, shared)
	alone := l.door("alone", issuer.V1)

	asDev, asQA := dev.job(), qa.job()
	matrix := []row{
		{name: "dev's role reads dev's", answer: granted, try: dev.reads(asDev, "ml_api_key")},
		{name: "dev's role reads qa's", answer: denied, try: qa.reads(asDev, "ml_api_key")},
		{name: "qa's role reads qa's", answer: granted, try: qa.reads(asQA, "ml_api_key")},
		{name: "qa's role reads dev's", answer: denied, try: dev.reads(asQA, "ml_api_key")},

		// A token that a job of dev gets is one of the identity, whatever it is for.
		{name: "a job of dev at qa's role", answer: granted, try: qa.login(qa.cfg.VaultName(), dev.token())},
		{name: "a job of qa at dev's role", answer: granted, try: dev.login(dev.cfg.VaultName(), qa.token())},

		{name: "a job of dev at another's role", answer: wrongOID, try: alone.login(alone.cfg.VaultName(), dev.token())},
		{name: "a job of another at dev's role", answer: wrongOID, try: dev.login(dev.cfg.VaultName(), alone.token())},
		{name: "a job of another at qa's role", answer: wrongOID, try: qa.login(qa.cfg.VaultName(), alone.token())},
	}
	require.Empty(t, run(matrix))
}
