package config

import (
	"encoding/pem"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// MaxPayloadBytes is the largest credential: integrated storage refuses an entry over 1 MiB (max_entry_size),
// and Vault's own wrapping and encryption take some of that.
const MaxPayloadBytes = 1_000_000

func (cfg *Config) validate(c *collector) {
	validateAddress(c, cfg.Address.Reveal())
	validateToken(c, cfg.Token.Reveal())
	cfg.validateVault(c)
	cfg.validateAzure(c)
	cfg.validateWorkload(c)
	cfg.validateCompute(c)
}

// validateAddress keeps the token off the wire in the clear. The address is a secret, so no text quotes it.
func validateAddress(c *collector, address string) {
	const key = "vaultAddress"
	if address == "" {
		c.addf(key, "is missing; set it with `pulumi config set --secret vaultAddress https://...`")
		return
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || strings.ContainsFunc(address, unicode.IsSpace) || u.Hostname() == "":
		c.addf(key, "is not a URL such as https://vault.example.com:8200")
	case u.Scheme != "https" && u.Scheme != "http":
		c.addf(key, "does not start with https://")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		c.addf(key, "uses plain http to another machine, which would show the token to the network; use https")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		c.addf(key, "has more than scheme, host and port; the token goes into vaultToken")
	case u.Path != "":
		c.addf(key, "ends in a path; the plugin adds /v1 by itself, give only scheme, host and port")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func validateToken(c *collector, token string) {
	if strings.ContainsFunc(token, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		c.addf("vaultToken", "has a space or a line break in it; set it again without (a file's last line break is kept by `<`)")
	}
}

// pathSegment is what a mount, a prefix and a name are made of. Everything else means something to somebody on the
// way: * and + are wildcards in a policy, .. leaves the mount, ? # and % end or change a URL, a space is cut by tools.
var pathSegment = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?$`)

// pathProblem tells why a Vault path would not be stored, or would not be granted, as it is written.
// It returns the empty string for a good one.
func pathProblem(path string) string {
	switch {
	case path == "":
		return "is empty"
	case len(path) > 256:
		return "is longer than 256 characters"
	case strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/"):
		return "begins or ends with a slash; leave it out"
	case strings.Contains(path, ".."):
		return "has two dots in a row, which would leave its place in Vault"
	}
	for segment := range strings.SplitSeq(path, "/") {
		if !pathSegment.MatchString(segment) {
			return "may have letters, digits, _ - . and / between parts only: anything else changes the path or widens a policy"
		}
	}
	if first, _, _ := strings.Cut(path, "/"); first == "data" || first == "metadata" {
		return "starts with " + first + "/, which KV v2 adds by itself; leave it out"
	}
	return ""
}

// vaultsOwn are mounts that every Vault has.
var vaultsOwn = []string{"sys", "auth", "identity", "cubbyhole"}

var stackName = regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$`)

func (cfg *Config) validateVault(c *collector) {
	v := cfg.Vault
	// Both names stand in the policies' comments, where a line break would start a rule.
	if name := cfg.Project + "/" + cfg.Stack; !stackName.MatchString(name) {
		c.addf("stack", "%q is not a project and a stack as Pulumi names them. Rename the stack: letters, digits, _, - and .", name)
	}
	if problem := pathProblem(v.Mount); problem != "" {
		c.addf("vault.mount", "%s %s", c.show("vault.mount", v.Mount), problem)
	} else if slices.Contains(strings.Split(v.Mount, "/"), "data") {
		c.addf("vault.mount", "%s has data as a part; the plugin would take what precedes it for the mount", c.show("vault.mount", v.Mount))
	} else if first, _, _ := strings.Cut(v.Mount, "/"); slices.Contains(vaultsOwn, first) {
		c.addf("vault.mount", "%s belongs to Vault itself; name a KV v2 mount", c.show("vault.mount", v.Mount))
	}
	if problem := pathProblem(v.Prefix); problem != "" {
		c.addf("vault.prefix", "%s %s", c.show("vault.prefix", v.Prefix), problem)
	}
	if v.Namespace != "" {
		if problem := pathProblem(v.Namespace); problem != "" {
			c.addf("vault.namespace", "%s %s", c.show("vault.namespace", v.Namespace), problem)
		}
	}
	cfg.validateReads(c)
	// The plugin warns below 15 minutes only in its log, and an update that outlives its token fails half-way.
	if v.MaxLeaseTTLSeconds < 60 || v.MaxLeaseTTLSeconds > 86400 {
		c.addf("vault.maxLeaseTtlSeconds", "%d is not between 60 (a minute) and 86400 (a day)", v.MaxLeaseTTLSeconds)
	}
}

// validateReads checks the paths of others that the jobs may read. The policy names each exactly.
func (cfg *Config) validateReads(c *collector) {
	own := cfg.Access()
	own.Reads = nil
	taken := map[string]string{}
	for name, path := range own.Paths() {
		taken[path] = "the path of credential " + name
	}
	if len(cfg.Credentials)+len(cfg.Vault.Reads) == 0 && !c.refused("credentials") {
		c.addf("credentials", "is empty, and so is vault.reads: the jobs would have nothing to read. "+
			"Set a value with `pulumi config set --path --secret credentials.<name>.<key>`")
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Vault.Reads)) {
		key, path := "vault.reads."+name, cfg.Vault.Reads[name]
		first, rest, _ := strings.Cut(path, "/")
		if problem := pathProblem(name); problem != "" {
			c.addf(key, "the name %s", problem)
		}
		if slices.ContainsFunc(cfg.Credentials, func(credential Credential) bool { return credential.Name == name }) {
			c.addf(key, "is the name of a credential too. Rename one of the two: a job asks by name")
		}
		switch problem := pathProblem(path); {
		case problem != "":
			c.addf(key, "%s %s", c.show(key, path), problem)
		case rest == "":
			c.addf(key, "%s is a mount and no path below it", c.show(key, path))
		case slices.Contains(vaultsOwn, first):
			c.addf(key, "%s belongs to Vault itself; name a path of a secrets engine", c.show(key, path))
		case kvWithoutData(cfg.Vault.Mount, path):
			c.addf(key, "%s lacks data/, under which KV v2 serves its values. Write <mount>/data/<path>", c.show(key, path))
		case taken[path] != "":
			c.addf(key, "%s is %s already. Remove it here", c.show(key, path), taken[path])
		default:
			taken[path] = "read as " + name
		}
	}
}

// kvWithoutData knows a KV v2 mount by vault.mount, or by the names that Vault and its documentation give to one.
func kvWithoutData(mount, path string) bool {
	below, isOwn := strings.CutPrefix(path, mount+"/")
	if first, rest, _ := strings.Cut(path, "/"); !isOwn {
		if first != "secret" && !strings.HasPrefix(first, "kv") {
			return false
		}
		below = rest
	}
	return !strings.HasPrefix(below, "data/")
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$`)

func (cfg *Config) validateWorkload(c *collector) {
	w := cfg.Workload
	// Vault tells one API's tokens from another's by the audience alone: without one, a token that a job sent
	// to any other service of the tenant would open the credentials.
	switch {
	case w.Audience == "":
		c.addf("workload.audience", "is missing; name the app registration that stands for Vault, for example api://vault-ml")
	case strings.ContainsFunc(w.Audience, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' || r == '*' }):
		c.addf("workload.audience", "%s has a character that no audience has", c.show("workload.audience", w.Audience))
	}
	if problem := issuerProblem(w.Issuer); problem != "" {
		c.addf("workload.issuer", "%s %s", c.show("workload.issuer", w.Issuer), problem)
	}
	if block, _ := pem.Decode([]byte(w.IssuerCAPEM)); w.IssuerCAPEM != "" && (block == nil || block.Type != "CERTIFICATE") {
		c.addf("workload.issuerCaPem", "is not a PEM certificate")
	}
	if problem := pathProblem(w.AuthPath); problem != "" {
		c.addf("workload.authPath", "%s %s", c.show("workload.authPath", w.AuthPath), problem)
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
	if w.TokenTTLSeconds < 60 || w.TokenTTLSeconds > 3600 {
		c.addf("workload.tokenTtlSeconds", "%d is not between 60 (a minute) and 3600 (an hour)", w.TokenTTLSeconds)
	}
}

// entraHosts are the issuers of Microsoft's clouds: public, US government, China, and sts.windows.net, which signs
// version 1 tokens in all of them.
var entraHosts = []string{
	"sts.windows.net", "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn",
	"sts.chinacloudapi.cn",
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
	if !slices.Contains(entraHosts, u.Host) && !loopback(u.Hostname()) {
		return "is not an issuer of Microsoft Entra ID; its host is one of " + strings.Join(entraHosts, ", ")
	}
	tenant, version, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case !guid.MatchString(tenant):
		return "does not name one tenant by its id; write https://sts.windows.net/<tenant id>/"
	case version != "" && version != "v2.0":
		return "ends in something else than /<tenant id>/ (version 1 tokens) or /<tenant id>/v2.0 (version 2)"
	case version == "" && !strings.HasSuffix(issuer, "/"):
		return "lacks the slash at its end, which is part of the issuer's name in version 1 tokens"
	}
	return ""
}

func (cfg *Config) validateCompute(c *collector) {
	if cfg.Compute == nil {
		return
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_]+$`).MatchString(cfg.Compute.VMSize) {
		c.addf("compute.vmSize", "%s is not a VM size such as Standard_D4ds_v5", c.show("compute.vmSize", cfg.Compute.VMSize))
	}
	if cfg.Compute.MaxNodes < 1 || cfg.Compute.MaxNodes > 1000 {
		c.addf("compute.maxNodes", "%d is not between 1 and 1000", cfg.Compute.MaxNodes)
	}
}
