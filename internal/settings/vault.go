package settings

import (
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Vault says where in Vault the credentials live and how the plugin talks to it.
type Vault struct {
	Mount string `json:"mount" default:"secret" path:""`
	// CreateMount makes the mount. A destroy never deletes it.
	CreateMount bool   `json:"createMount"`
	Prefix      string `json:"prefix" path:""`
	// Reads are API paths of others that the jobs may read, by the name under which a job asks.
	Reads     map[string]string `json:"reads"`
	Namespace string            `json:"namespace" path:""`
	// CACertFile is a PEM file on the machine that deploys. Without it the plugin takes the system's roots.
	CACertFile string `json:"caCertFile"`
	// SkipChildToken lets the plugin use the token itself: for batch, limited-use and narrow tokens.
	SkipChildToken bool `json:"skipChildToken"`
	// MaxLeaseTTLSeconds is the life of the child token. The plugin warns below 15 minutes only in its log, and an update that
	// outlives its token fails half-way.
	MaxLeaseTTLSeconds int `json:"maxLeaseTtlSeconds" default:"1200" between:"60 86400"`
	// DisableRead writes only: the token needs no right to read, and drift is not noticed.
	DisableRead bool `json:"disableRead"`
	// DeleteOnDestroy purges every version of the stack's own secrets. Without it the newest is soft-deleted.
	DeleteOnDestroy bool `json:"deleteOnDestroy"`
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
	case strings.HasPrefix(address, byteOrderMark):
		c.addf(key, "begins with a byte-order mark. Set it again without")
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

const byteOrderMark = "\ufeff"

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func validateToken(c *collector, token string) {
	switch {
	case strings.HasPrefix(token, byteOrderMark):
		c.addf("vaultToken", "begins with a byte-order mark. Set it again without")
	case strings.ContainsFunc(token, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		c.addf("vaultToken", "has a space or a line break in it. Set it again without: `pulumi config set --secret vaultToken < file` "+
			"drops a last line break, and `--raw` keeps it")
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
var vaultsOwn = []string{"sys", "auth", "audit", "identity", "cubbyhole"}

func (cfg *Settings) validateVault(c *collector) {
	v := cfg.Vault
	if !hasNamesInVault(cfg.Project, cfg.Stack) {
		c.addf("stack", "%q gives no names in Vault. Rename the project or the stack: letters, digits, _, - and ., "+
			"beginning with none of the last two and without two dots in a row", cfg.Project+"/"+cfg.Stack)
	}
	first, _, _ := strings.Cut(v.Mount, "/")
	switch {
	case pathProblem(v.Mount) != "": // said already
	case slices.Contains(strings.Split(v.Mount, "/"), "data"):
		c.addf("vault.mount", "%s has data as a part; the plugin would take what precedes it for the mount", c.show("vault.mount", v.Mount))
	case slices.Contains(vaultsOwn, first):
		c.addf("vault.mount", "%s belongs to Vault itself; name a KV v2 mount", c.show("vault.mount", v.Mount))
	}
	cfg.validateReads(c)
}

// validateReads checks the paths of others that the jobs may read. The policy names each exactly.
func (cfg *Settings) validateReads(c *collector) {
	taken := map[string]string{}
	for _, credential := range cfg.Credentials {
		taken[cfg.DataPath(credential.Name)] = "the path of credential " + credential.Name
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
