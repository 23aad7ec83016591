package settings

import (
	"encoding/pem"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Workload says which tokens may log in to Vault and read the credentials.
type Workload struct {
	// Audience is the aud claim. Vault tells one API's tokens from another's by it alone: without one,
	// a token that a job sent to any other service of the tenant would open the credentials.
	Audience string
	// PreviousAudience is one more that is accepted, while job definitions of before still run. Empty:
	// none.
	PreviousAudience string
	// Issuer is the iss claim. Without it [Settings.DefaultIssuer] is trusted.
	Issuer string
	// IssuerCAPEM are roots for fetching the issuer's keys. Without it Vault takes its system's.
	IssuerCAPEM string
	AuthPath    string
	// CreateAuthBackend is false where authPath exists and belongs to somebody else.
	CreateAuthBackend bool
	// Role and Policy are names in Vault: of the role that jobs log in with, and of the policy that it
	// gives them.
	Role   string
	Policy string
	// CreateRole and CreatePolicy are false where the Vault team makes them.
	CreateRole   bool
	CreatePolicy bool
	// IdentityID is the ARM id of a user-assigned identity that exists, as which the jobs run.
	IdentityID string
	// PrincipalIDs are object ids that may read besides the job identity.
	PrincipalIDs []string
	// Serverless attaches the job identity to the workspace, the only ones of which a serverless job
	// can run as.
	Serverless bool
	// PublishAddress makes the output vaultAddress plain.
	PublishAddress bool
	// Endpoints gives the job identity what an online endpoint of Azure ML needs to run as it.
	Endpoints bool
	// TokenTTLSeconds is the life of a job's token: long enough to read every credential at the start
	// of a job, too short to be worth stealing afterwards.
	TokenTTLSeconds int
}

func (w *Workload) defaults() {
	w.CreateAuthBackend = true
	w.CreateRole = true
	w.CreatePolicy = true
	w.TokenTTLSeconds = 900
}

func (w *Workload) fields() []field {
	return []field{
		{
			key:      "audience",
			value:    text(&w.Audience, textRule{problem: audienceProblem}),
			required: "name the app registration that stands for Vault, for example api://vault-ml",
			meaning: "The `aud` claim: the Entra app that stands for Vault. `api://<app id>` for " +
				"version 1 tokens, the bare id for version 2.",
			change: Change{
				Updates: []Part{PartRole},
				Note:    "With the old one as `previousAudience` no job fails.",
				Jobs:    JobsOutdated,
				Back:    BackWhole,
			},
		},
		{
			key:   "previousAudience",
			value: text(&w.PreviousAudience, textRule{problem: audienceProblem}),
			meaning: "One audience more that Vault accepts. After a change of `audience` it is the one " +
				"before, until all jobs have new definitions.",
			change: Change{
				Updates: []Part{PartRole},
				Jobs:    JobsThatUse,
				Back:    BackWhole,
			},
		},
		{
			key:          "issuer",
			value:        text(&w.Issuer, textRule{problem: issuerProblem}),
			shownDefault: "of the job identity's tenant, version 1",
			meaning: "The `iss` claim, for example `https://sts.windows.net/<tenant id>/`. Without it the " +
				"issuer of the region's cloud for version 1 tokens of the job identity's tenant.",
			change: Change{
				Updates: []Part{PartBackend, PartRole},
				Note:    "Who signs the tokens has to change with it.",
				Jobs:    JobsThatUse,
				Back:    BackWhole,
			},
		},
		{
			key:   "issuerCaPem",
			value: text(&w.IssuerCAPEM, textRule{problem: certificateProblem, isLong: true}),
			meaning: "Certificates for fetching the issuer's keys, for an auth backend that is made. " +
				"Without it those of Vault's machine.",
			change: Change{
				Updates: []Part{PartBackend},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:          "authPath",
			value:        text(&w.AuthPath, textRule{problem: authPathProblem, pattern: segments}),
			shownDefault: "jwt-<project>-<stack>-<digest>",
			meaning:      "Where the JWT auth backend is.",
			change: Change{
				Moves: []Part{PartBackend, PartRole},
				Jobs:  JobsOutdated,
				Back:  BackWhole,
			},
		},
		{
			key:     "createAuthBackend",
			value:   flag(&w.CreateAuthBackend),
			meaning: "`false`: the backend at `authPath` exists and belongs to somebody else.",
			change: Change{
				Makes: []Part{PartBackend},
				Moves: []Part{PartRole},
				Note: "Change `authPath` with it: `false` deletes the backend that was made, with every " +
					"role in it.",
				Jobs: JobsOutdated,
				Back: BackWhole,
			},
		},
		{
			key:          "role",
			value:        text(&w.Role, roleName),
			shownDefault: "<project>-<stack>-<digest>",
			meaning:      "The role's name in Vault, in the auth backend.",
			change: Change{
				Moves: []Part{PartRole},
				Jobs:  JobsOutdated,
				Back:  BackWhole,
			},
		},
		{
			key:   "createRole",
			value: flag(&w.CreateRole),
			meaning: "`false`: the Vault team makes the role. `make policy FOR=role` prints it, and the " +
				"preflight compares.",
			change: Change{
				Makes: []Part{PartRole},
				Note:  "Change `role` with it: `false` deletes the role that was made.",
				Jobs:  JobsOutdated,
				Back:  BackWhole,
			},
		},
		{
			key:          "policy",
			value:        text(&w.Policy, policyName),
			shownDefault: "<project>-<stack>-<digest>",
			meaning:      "The name in Vault of the policy that the role gives.",
			change: Change{
				Moves:   []Part{PartPolicy},
				Updates: []Part{PartRole, PartSecrets},
				Note:    "A token that a job has by then can read nothing more.",
				Jobs:    JobsThatRun,
				Back:    BackWhole,
			},
		},
		{
			key:   "createPolicy",
			value: flag(&w.CreatePolicy),
			meaning: "`false`: the Vault team makes the policy. `make policy FOR=jobs` prints it, and the " +
				"preflight compares.",
			change: Change{
				Makes:   []Part{PartPolicy},
				Updates: []Part{PartRole, PartSecrets},
				Note:    "Change `policy` with it: `false` deletes the policy that was made.",
				Jobs:    JobsThatRun,
				Back:    BackWhole,
			},
		},
		{
			key:   "identityId",
			value: text(&w.IdentityID, armID(typeIdentity)),
			meaning: "ARM id of a user-assigned identity that jobs run as, in any subscription. Without " +
				"it one is made. Stacks with the same one have the same readers.",
			change: Change{
				Replaces: []Part{PartJobIdentity},
				Updates:  []Part{PartCluster, PartSecrets, PartRole},
				Note:     "Roles that others gave to the one that was made go with it.",
				Jobs:     JobsOutdated,
				Back:     BackEmpty,
			},
		},
		{
			key:     "principalIds",
			value:   texts(&w.PrincipalIDs, objectID),
			meaning: "Object ids that may read besides the job identity.",
			change: Change{
				Updates: []Part{PartRole},
				Jobs:    JobsThatUse,
				Back:    BackWhole,
			},
		},
		{
			key:     "serverless",
			value:   flag(&w.Serverless),
			meaning: "Attach the job identity to the workspace, so that serverless jobs can run as it.",
			change: Change{
				Updates: []Part{PartWorkspace},
				Note:    "Switch it on at the start.",
				Jobs:    JobsGoOn,
				Back:    BackUnknown,
			},
		},
		{
			key:   "publishAddress",
			value: flag(&w.PublishAddress),
			meaning: "Make the output `vaultAddress` plain, so that `make job` needs no key. `pulumi up` " +
				"shows `[secret]` in any case.",
			change: Change{
				Note: "It is an output of the stack alone.",
				Jobs: JobsGoOn,
				Back: BackWhole,
			},
		},
		{
			key:   "endpoints",
			value: flag(&w.Endpoints),
			meaning: "Online endpoints may run as the job identity: it may read the storage account " +
				"that is made, and pull from the registry that is made.",
			change: changesRoleAssignments,
		},
		{
			key:     "tokenTtlSeconds",
			value:   number(&w.TokenTTLSeconds, 60, 3600),
			meaning: "How long a job's token lives. A lease of `vault.reads` ends with it.",
			change:  changesRole,
		},
	}
}

// validate checks what depends on more than one field.
func (w *Workload) validate(r *report) {
	w.validateAudience(r, "workload.audience", w.Audience)
	w.validateAudience(r, "workload.previousAudience", w.PreviousAudience)
	if w.PreviousAudience != "" && w.PreviousAudience == w.Audience {
		r.addf("workload.previousAudience", "is workload.audience itself; write the one of before, or "+
			"remove it")
	}
	if w.IssuerCAPEM != "" && !w.CreateAuthBackend {
		r.addf("workload.issuerCaPem", "is for a backend that the program makes, and "+
			"workload.createAuthBackend is false; remove one of the two")
	}
	if !w.CreateRole && w.CreateAuthBackend {
		r.addf("workload.createRole", "is false, and a role that exists is in a backend that exists. "+
			"Set workload.createAuthBackend to false too, and workload.authPath to where it is")
	}
}

func (w *Workload) validateAudience(r *report, key, audience string) {
	isURI := strings.HasPrefix(audience, "api://")
	if isURI && signsVersion2(w.Issuer) {
		r.addf(key, "%s is a URI, and workload.issuer signs version 2 tokens, which carry the app's "+
			"bare id. Write <app id>", r.show(key, audience))
	}
}

// Audiences are all that Vault accepts, the one of the next jobs first.
func (w *Workload) Audiences() []string {
	if w.PreviousAudience == "" {
		return []string{w.Audience}
	}
	return []string{w.Audience, w.PreviousAudience}
}

func audienceProblem(audience string) string {
	isStrange := func(r rune) bool {
		return r <= ' ' || r > '~' || r == ',' || r == '*'
	}
	app, isURI := strings.CutPrefix(audience, "api://")
	switch {
	case isURI && strings.Trim(app, "/") == "":
		return "names no app. Write api://<app id>, as the app registration's Application ID URI has it"
	case strings.ContainsFunc(audience, isStrange):
		return "has a character that no audience has"
	}
	return ""
}

func certificateProblem(text string) string {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return "is not a PEM certificate"
	}
	return ""
}

func authPathProblem(path string) string {
	if path == "token" {
		return "is Vault's own token method; name the path of a jwt method"
	}
	return pathProblem(path)
}

// nameInVault is what Vault takes for the name of a role and stores as it is written: it turns
// names into lower case, and a jwt method takes no - and . at either end. Policies may have more,
// and nobody needs it.
var nameInVault = regexp.MustCompile(`^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$`)

var (
	roleName = textRule{
		problem: roleNameProblem,
		pattern: nameInVault.String(),
		longest: maxPathLength,
	}
	policyName = textRule{
		problem: policyNameProblem,
		pattern: nameInVault.String(),
		longest: maxPathLength,
	}
)

func roleNameProblem(name string) string {
	switch {
	case len(name) > maxPathLength:
		return "is longer than 256 characters"
	case !nameInVault.MatchString(name) || strings.Contains(name, ".."):
		return "is no name that Vault stores as it is written: lower-case letters, digits, _ - and ., " +
			"neither - nor . at either end, no two dots in a row"
	}
	return ""
}

// policiesOfVault are in every Vault, and mean something to it.
var policiesOfVault = []string{"root", "default", "response-wrapping", "control-group"}

func policyNameProblem(name string) string {
	if slices.Contains(policiesOfVault, name) {
		return "is Vault's own policy; choose another name"
	}
	return roleNameProblem(name)
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$`)

// objectID is the rule of a principal's id. Vault compares claims by case, and Entra writes object
// ids in lower case.
var objectID = matching(guid, "is not an object id (a GUID in lower case)")

// issuerProblem refuses an issuer that is not one tenant's. An issuer shared by tenants (common,
// organizations) would let every identity of every tenant reach the check of its claims. A loopback
// issuer is a test's.
func issuerProblem(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return "is not an https URL without a query"
	}
	host, isEntras := entraHosts[u.Host]
	if !isEntras && !isLoopback(u.Hostname()) {
		return "is not an issuer of Microsoft Entra ID; its host is one of " + entraHostNames()
	}
	tenant, version, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case !guid.MatchString(tenant):
		return "does not name one tenant by its id; write https://sts.windows.net/<tenant id>/"
	case version != "" && version != "v2.0":
		return "ends in something else than /<tenant id>/ (version 1 tokens) or /<tenant id>/v2.0 " +
			"(version 2)"
	case version == "" && !strings.HasSuffix(issuer, "/"):
		return "lacks the slash at its end, which is part of the issuer's name in version 1 tokens"
	case host.version == 1 && version != "":
		return "has the discovery document of https://" + host.other + "/" + tenant + "/v2.0, " +
			"so Vault refuses it. Write that, or remove v2.0"
	case host.version == 2 && version == "":
		return "has the discovery document of https://" + host.other + "/" + tenant + "/, " +
			"so Vault refuses it. Write that, or add v2.0"
	}
	return ""
}
