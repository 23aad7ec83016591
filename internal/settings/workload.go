package settings

import (
	"encoding/pem"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Workload says which tokens may log in to Vault and read the credentials.
type Workload struct {
	// Audience is the aud claim. Vault tells one API's tokens from another's by it alone: without one, a token that a job sent
	// to any other service of the tenant would open the credentials.
	Audience string `json:"audience" required:"name the app registration that stands for Vault, for example api://vault-ml"`
	// Issuer is the iss claim. Without it that of version 1 tokens of the job identity's tenant is trusted.
	Issuer string `json:"issuer"`
	// IssuerCAPEM are roots for fetching the issuer's keys. Without it Vault takes its system's.
	IssuerCAPEM string `json:"issuerCaPem"`
	AuthPath    string `json:"authPath" path:""`
	// CreateAuthBackend is false where authPath exists and belongs to somebody else.
	CreateAuthBackend *bool `json:"createAuthBackend" default:"true"`
	// PrincipalIDs are object ids that may read besides the job identity.
	PrincipalIDs []string `json:"principalIds"`
	// PublishAddress makes the output vaultAddress plain.
	PublishAddress bool `json:"publishAddress"`
	// TokenTTLSeconds is the life of a job's token: long enough to read every credential at the start of a job, too short to be
	// worth stealing afterwards.
	TokenTTLSeconds int `json:"tokenTtlSeconds" default:"900" between:"60 3600"`
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$`)

func (cfg *Settings) validateWorkload(c *collector) {
	w := cfg.Workload
	switch {
	case strings.HasPrefix(w.Audience, "api://") && strings.Trim(w.Audience[6:], "/") == "":
		c.addf("workload.audience", "%s names no app. Write api://<app id>, as the app registration's Application ID URI has it", c.show("workload.audience", w.Audience))
	case strings.HasPrefix(w.Audience, "api://") && version2(w.Issuer):
		c.addf("workload.audience", "%s is a URI, and workload.issuer signs version 2 tokens, which carry the app's bare id. Write <app id>",
			c.show("workload.audience", w.Audience))
	case strings.ContainsFunc(w.Audience, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' || r == '*' }):
		c.addf("workload.audience", "%s has a character that no audience has", c.show("workload.audience", w.Audience))
	}
	if problem := issuerProblem(w.Issuer); problem != "" {
		c.addf("workload.issuer", "%s %s", c.show("workload.issuer", w.Issuer), problem)
	}
	switch block, _ := pem.Decode([]byte(w.IssuerCAPEM)); {
	case w.IssuerCAPEM == "":
	case !*w.CreateAuthBackend:
		c.addf("workload.issuerCaPem", "is for a backend that the program makes, and workload.createAuthBackend is false; remove one of the two")
	case block == nil || block.Type != "CERTIFICATE":
		c.addf("workload.issuerCaPem", "is not a PEM certificate")
	}
	if w.AuthPath == "token" {
		c.addf("workload.authPath", "is Vault's own token method; name the path of a jwt method")
	}
	seen := map[string]bool{}
	for _, id := range w.PrincipalIDs {
		// Vault compares claims by case, and Entra writes object ids in lower case.
		if !guid.MatchString(id) {
			c.addf("workload.principalIds", "%s is not an object id (a GUID in lower case)", c.show("workload.principalIds", id))
		} else if seen[id] {
			c.addf("workload.principalIds", "%s is given twice", c.show("workload.principalIds", id))
		}
		seen[id] = true
	}
}

// entraHosts are the issuers of Microsoft's clouds: public, US government and China. Each signs tokens of one version, and
// for the other version it announces another host. sts.windows.net is the US government's too.
var entraHosts = map[string]struct {
	version int
	other   string
}{
	"sts.windows.net": {1, "login.microsoftonline.com"}, "login.microsoftonline.com": {2, "sts.windows.net"},
	"login.microsoftonline.us": {2, "sts.windows.net"},
	"sts.chinacloudapi.cn":     {1, "login.partner.microsoftonline.cn"}, "login.partner.microsoftonline.cn": {2, "sts.chinacloudapi.cn"},
}

func version2(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && entraHosts[u.Host].version == 2
}

// issuerProblem refuses an issuer that is not one tenant's. An issuer shared by tenants (common, organizations)
// would let every identity of every tenant reach the check of its claims. A loopback issuer is a test's.
func issuerProblem(issuer string) string {
	if issuer == "" {
		return ""
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return "is not an https URL without a query"
	}
	host, known := entraHosts[u.Host]
	if !known && !loopback(u.Hostname()) {
		return "is not an issuer of Microsoft Entra ID; its host is one of " + strings.Join(slices.Sorted(maps.Keys(entraHosts)), ", ")
	}
	tenant, version, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case !guid.MatchString(tenant):
		return "does not name one tenant by its id; write https://sts.windows.net/<tenant id>/"
	case version != "" && version != "v2.0":
		return "ends in something else than /<tenant id>/ (version 1 tokens) or /<tenant id>/v2.0 (version 2)"
	case version == "" && !strings.HasSuffix(issuer, "/"):
		return "lacks the slash at its end, which is part of the issuer's name in version 1 tokens"
	case host.version == 1 && version != "":
		return "has the discovery document of https://" + host.other + "/" + tenant + "/v2.0, so Vault refuses it. Write that, or remove v2.0"
	case host.version == 2 && version == "":
		return "has the discovery document of https://" + host.other + "/" + tenant + "/, so Vault refuses it. Write that, or add v2.0"
	}
	return ""
}
