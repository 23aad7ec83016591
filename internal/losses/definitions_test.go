package losses_test

import (
	"encoding/json"
	"encoding/pem"
	"reflect"
	"slices"
	"testing"

	"mlvault/internal/losses"
	"mlvault/internal/outputs"
	"mlvault/internal/settings"
)

// carried is what a definition is made from.
type carried struct {
	*settings.Settings

	identity     any
	issuer       any
	certificates string
}

// ofLastUp is made anew for each row, which changes it.
func ofLastUp() carried {
	return carried{
		Settings: &settings.Settings{
			Stack:       "dev",
			Address:     settings.NewSecret("https://vault.example.com:8200"),
			Credentials: []settings.Credential{{Name: "ml_api_key"}},
			Vault: settings.Vault{
				Mount:  "secret",
				Prefix: "mlvault/dev",
				Reads: map[string]settings.Read{
					"database": {Path: "database/creds/ml"},
					"tls":      {Path: "pki/issue/ml", Parameters: map[string]any{"ttl": "1h"}},
				},
			},
			Workload: settings.Workload{
				Audience:     "api://x",
				AuthPath:     "jwt-x",
				Role:         "ml",
				CreateRole:   true,
				Policy:       "ml-read",
				CreatePolicy: true,
				PrincipalIDs: []string{"somebody", "another"},
				Serverless:   true,
			},
			Compute: []settings.Cluster{{Name: "cpu"}, {ComputeID: "/subscriptions/x/computes/gpu"}},
		},
		identity:     "/subscriptions/x/userAssignedIdentities/jobs",
		issuer:       "https://sts.windows.net/tenant/",
		certificates: certificate("old"),
	}
}

func certificate(text string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(text)}))
}

func (c carried) definition() map[string]any {
	return losses.Definition(c.Settings, losses.Facts{
		Identity:     c.identity,
		Issuer:       c.issuer,
		Certificates: c.certificates,
	})
}

// inState is a definition as the state has it.
func inState(t *testing.T, definition map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(definition)
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

const distrust = "vault.caCertFile has a CA that they do not trust (they fail as soon as Vault's " +
	"certificate is from it)"

func TestWhateverADefinitionHoldsOutdatesItWhenItChanges(t *testing.T) {
	isHeld := map[string]bool{}
	for _, row := range []struct {
		name string
		// holds is the variable of a job that changes, or empty.
		holds string
		does  func(*carried)
		says  []string
	}{
		{name: "nothing", does: func(*carried) {}},
		{
			name:  "the address",
			holds: "VAULT_ADDR",
			does:  func(c *carried) { c.Address = settings.NewSecret("https://other.example.com:8200") },
			says:  []string{"vaultAddress changes"},
		},
		{
			name:  "the namespace",
			holds: "VAULT_NAMESPACE",
			does:  func(c *carried) { c.Vault.Namespace = "ml" },
			says:  []string{"vault.namespace changes"},
		},
		{
			name:  "the role",
			holds: "VAULT_ROLE",
			does:  func(c *carried) { c.Workload.Role = "other" },
			says:  []string{"the role changes"},
		},
		{
			name:  "the login",
			holds: "VAULT_LOGIN_PATH",
			does:  func(c *carried) { c.Workload.AuthPath = "jwt-y" },
			says:  []string{"the login path changes"},
		},
		{
			name:  "the audience",
			holds: "VAULT_AUDIENCE",
			does:  func(c *carried) { c.Workload.Audience = "api://y" },
			says:  []string{"audience api://x goes (workload.previousAudience keeps it)"},
		},
		{
			name: "an audience that is still accepted",
			does: func(c *carried) {
				c.Workload.Audience = "api://y"
				c.Workload.PreviousAudience = "api://x"
			},
		},
		{
			name:  "the identity",
			holds: "AZURE_CLIENT_ID",
			does:  func(c *carried) { c.identity = "/subscriptions/x/userAssignedIdentities/other" },
			says:  []string{"the job identity changes"},
		},
		{
			name: "an identity that the up will make",
			does: func(c *carried) { c.identity = nil },
			says: []string{"the job identity changes"},
		},
		{
			name: "the same identity in other letters",
			does: func(c *carried) { c.identity = "/subscriptions/X/userassignedidentities/JOBS" },
		},
		{
			name:  "a CA",
			holds: "VAULT_CACERT",
			does:  func(c *carried) { c.certificates = certificate("new") },
			says:  []string{distrust},
		},
		{
			name: "a CA beside the old one, from which Vault's certificate may be already",
			does: func(c *carried) { c.certificates += certificate("new") },
			says: []string{distrust},
		},
		{
			name: "the system's CAs",
			does: func(c *carried) { c.certificates = "" },
			says: []string{distrust},
		},
		{
			name:  "a prefix",
			holds: "VAULT_CREDENTIALS",
			does:  func(c *carried) { c.Vault.Prefix = "other" },
			says:  []string{"credential ml_api_key moves"},
		},
		{
			name: "a credential less",
			does: func(c *carried) { c.Credentials = nil },
			says: []string{"credential ml_api_key goes (of scripts that ask for it, or for all)"},
		},
		{
			name: "a credential more",
			does: func(c *carried) {
				c.Credentials = append(c.Credentials, settings.Credential{Name: "more"})
			},
		},
		{
			name: "a path of others",
			does: func(c *carried) { c.Vault.Reads["database"] = settings.Read{Path: "database/creds/other"} },
			says: []string{"credential database moves"},
		},
		{
			name: "a path of others less",
			does: func(c *carried) { delete(c.Vault.Reads, "tls") },
			says: []string{"credential tls goes (of scripts that ask for it, or for all)"},
		},
		{
			name: "what a job writes",
			does: func(c *carried) { c.Vault.Reads["tls"].Parameters["ttl"] = "2h" },
			says: []string{"what is written for credential tls changes"},
		},
		{
			name: "a path that is read from now on",
			does: func(c *carried) { c.Vault.Reads["tls"] = settings.Read{Path: "pki/issue/ml"} },
			says: []string{"what is written for credential tls changes"},
		},
		{
			name: "a cluster by another name",
			does: func(c *carried) { c.Compute[0].Name = "cpus" },
			says: []string{"cluster cpu goes"},
		},
		{
			name: "a cluster of others, which stays where it is",
			does: func(c *carried) { c.Compute = c.Compute[:1] },
		},
		{
			name: "an identity that the workspace gives up",
			does: func(c *carried) { c.Workload.Serverless = false },
			says: []string{"the workspace gives up the job identity (workload.serverless)"},
		},
	} {
		isHeld[row.holds] = true
		t.Run(row.name, func(t *testing.T) {
			next := ofLastUp()
			row.does(&next)
			says := losses.Outdated(inState(t, ofLastUp().definition()), inState(t, next.definition()))
			if !slices.Equal(says, row.says) {
				t.Errorf("%q, and not %q", says, row.says)
			}
			if row.holds != "" && reflect.DeepEqual(next.definition(), ofLastUp().definition()) {
				t.Error("nothing has changed")
			}
		})
	}
	for _, variable := range outputs.JobVariables {
		if !isHeld[variable.Name] {
			t.Errorf("a job gets %s, and no row changes it", variable.Name)
		}
	}
}

// Of what an older program has not kept, nothing is known.
func TestADefinitionOfAnOlderProgramIsOutdatedByNothingThatItDoesNotHold(t *testing.T) {
	was := inState(t, ofLastUp().definition())
	for _, name := range []string{
		"certificates", "clusters", "identity", "issuer", "parameters", "policy", "protect", "readers", "serverless",
	} {
		delete(was, name)
	}
	now := ofLastUp()
	now.identity = "/subscriptions/x/userAssignedIdentities/other"
	now.certificates = certificate("new")
	now.Workload.Serverless = false
	now.Compute = nil
	now.Vault.Reads["tls"].Parameters["ttl"] = "2h"
	now.issuer = "https://login.microsoftonline.com/tenant/v2.0"
	now.Workload.PrincipalIDs = nil
	now.Workload.Policy = "jobs"
	now.Azure.Protect = true
	if says := losses.Announced(was, inState(t, now.definition()), "dev"); len(says) > 0 {
		t.Errorf("%q", says)
	}
	if says := losses.ChangedProtection(was, inState(t, now.definition())); says != "" {
		t.Error(says)
	}
}

func TestWhoCanNoLongerLogInIsSaid(t *testing.T) {
	const (
		otherIssuer = "workload.issuer: Vault admits tokens of https://login.microsoftonline.com/tenant/v2.0 " +
			"after the up, and no longer those of https://sts.windows.net/tenant/. No job can log in until " +
			"its tokens are from there"
		lessReaders = "workload.principalIds: another can no longer log in after the up"
		otherPolicy = "workload.policy: the up deletes the policy ml-read, and jobs that run by then can " +
			"read nothing more. Submit them again after it"
	)
	for _, row := range []struct {
		name   string
		before func(*carried)
		does   func(*carried)
		says   []string
	}{
		{name: "nothing", does: func(*carried) {}},
		{
			name: "another issuer",
			does: func(c *carried) { c.issuer = "https://login.microsoftonline.com/tenant/v2.0" },
			says: []string{otherIssuer},
		},
		{
			name: "an issuer of a tenant that the up will tell",
			does: func(c *carried) { c.issuer = nil },
		},
		{
			name: "an issuer of a role that the Vault team makes",
			does: func(c *carried) {
				c.issuer = "https://login.microsoftonline.com/tenant/v2.0"
				c.Workload.CreateRole = false
			},
		},
		{
			name: "one reader less",
			does: func(c *carried) { c.Workload.PrincipalIDs = []string{"somebody"} },
			says: []string{lessReaders},
		},
		{
			name: "one reader in place of another",
			does: func(c *carried) { c.Workload.PrincipalIDs = []string{"third", "somebody"} },
			says: []string{lessReaders},
		},
		{
			name: "no reader but the jobs",
			does: func(c *carried) { c.Workload.PrincipalIDs = nil },
			says: []string{"workload.principalIds: somebody can no longer log in after the up", lessReaders},
		},
		{
			name: "one reader more",
			does: func(c *carried) { c.Workload.PrincipalIDs = append(c.Workload.PrincipalIDs, "third") },
		},
		{
			name:   "readers of a role that the Vault team makes, as it made it",
			before: func(c *carried) { c.Workload.CreateRole = false },
			does:   func(c *carried) { c.Workload.PrincipalIDs = nil },
		},
		{
			name: "another name of the policy",
			does: func(c *carried) { c.Workload.Policy = "jobs" },
			says: []string{otherPolicy},
		},
		{
			name: "a policy of the Vault team's in place of the stack's",
			does: func(c *carried) {
				c.Workload.Policy = "theirs"
				c.Workload.CreatePolicy = false
			},
			says: []string{otherPolicy},
		},
		{
			name:   "one policy of the Vault team's in place of another, which stays",
			before: func(c *carried) { c.Workload.CreatePolicy = false },
			does:   func(c *carried) { c.Workload.Policy = "theirs" },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			last := ofLastUp()
			next := ofLastUp()
			if row.before != nil {
				row.before(&last)
				row.before(&next)
			}
			row.does(&next)
			says := losses.Announced(inState(t, last.definition()), inState(t, next.definition()), "dev")
			if !slices.Equal(says, row.says) {
				t.Errorf("%q, and not %q", says, row.says)
			}
		})
	}
}

func TestAChangeOfProtectionIsSaid(t *testing.T) {
	last := ofLastUp()
	next := ofLastUp()
	next.Azure.Protect = true
	unprotected := inState(t, last.definition())
	protected := inState(t, next.definition())
	next.Azure.WorkspaceID = "/subscriptions/x/theirs"
	given := inState(t, next.definition())
	for _, row := range []struct {
		was  map[string]any
		now  map[string]any
		says string
	}{
		{was: protected, now: protected},
		{was: unprotected, now: unprotected},
		{was: unprotected, now: protected, says: losses.NotYetProtected("what holds data")},
		{was: protected, now: unprotected, says: losses.StillProtected("what holds data")},
		{was: protected, now: given},
		{was: given, now: protected},
	} {
		if says := losses.ChangedProtection(row.was, row.now); says != row.says {
			t.Errorf("%q, and not %q", says, row.says)
		}
	}
}
