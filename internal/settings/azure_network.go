package settings

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ManagedNetwork is the network that Azure ML keeps for a workspace's compute. Azure lets a mode become stricter and
// never looser.
type ManagedNetwork struct {
	Mode string `json:"mode" default:"Disabled" oneof:"Disabled,AllowInternetOutbound,AllowOnlyApprovedOutbound"`
	// FirewallSKU is Standard where there is none.
	FirewallSKU string `json:"firewallSku" oneof:"Standard,Basic"`
	// OutboundRules lead to what jobs need. Those to Vault, queue and table are made without being asked for.
	OutboundRules []OutboundRule `json:"outboundRules"`
	// VaultRule is false where Vault is reached in another way.
	VaultRule *bool `json:"vaultRule" default:"true"`
}

// OutboundRule lets traffic out to one destination, which is said in one of three ways.
type OutboundRule struct {
	Name string `json:"name"`

	// FQDN is a host, or *.domain, on the ports 80 and 443 alone.
	FQDN string `json:"fqdn"`

	ServiceTag string `json:"serviceTag"`
	// Protocol of a serviceTag is TCP where there is none.
	Protocol string `json:"protocol" oneof:"TCP,UDP,ICMP,*"`
	// PortRanges of a serviceTag are for example 443 or 80,8000-8999.
	PortRanges string `json:"portRanges"`

	// ServiceResourceID is the ARM id of what a private endpoint leads to.
	ServiceResourceID string `json:"serviceResourceId" arm:""`
	Subresource       string `json:"subresource"`
	// SparkEnabled lets Spark's serverless compute use the private endpoint too.
	SparkEnabled bool `json:"sparkEnabled"`
}

// Isolation modes of a managed network.
const (
	networkOff      = "Disabled"
	networkInternet = "AllowInternetOutbound"
	networkApproved = "AllowOnlyApprovedOutbound"
)

// vaultRule is the name of the outbound rule that leads to Vault.
const vaultRule = "vault"

func (n *ManagedNetwork) on() bool { return n != nil && n.Mode != networkOff }

func (n *ManagedNetwork) approvedOnly() bool { return n != nil && n.Mode == networkApproved }

// leadsToVault tells whether a rule for Vault's host is made.
func (n *ManagedNetwork) leadsToVault() bool {
	return n.approvedOnly() && *n.VaultRule
}

// VaultHost is Vault's host where the workspace's network lets nothing out without a rule, and empty where it needs
// none. It is a part of the address, and as secret.
func (cfg *Settings) VaultHost() Secret {
	u, err := url.Parse(cfg.Address.Reveal())
	if err != nil || !cfg.Azure.ManagedNetwork.leadsToVault() {
		return Secret{}
	}
	return NewSecret(u.Hostname())
}

var (
	hostName   = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`)
	serviceTag = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*$`)
	portRanges = regexp.MustCompile(`^\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*$`)
	subGroup   = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	// ruleName is the parameter ruleName of workspaceRP.json 2024-10-01.
	ruleName = nameRule{3, 33, `^[A-Za-z0-9][A-Za-z0-9_-]*$`, "3 to 33 letters, digits, - _, starting with a letter or digit"}
)

// fullyQualified tells whether a host is a name that DNS can hold: two labels or more, of 63 characters at most each.
func fullyQualified(host string) bool {
	tooLong := func(label string) bool { return len(label) > 63 }
	return hostName.MatchString(host) && !slices.ContainsFunc(strings.Split(host, "."), tooLong)
}

func (cfg *Settings) validateNetwork(c *collector) {
	const key = "azure.managedNetwork"
	n := cfg.Azure.ManagedNetwork
	if n == nil {
		return
	}
	if n.FirewallSKU != "" && !n.approvedOnly() {
		c.addf(key+".firewallSku", "is for the mode %s, which alone has a firewall", networkApproved)
	}
	cfg.validateVaultRule(c)
	seen := map[string]bool{vaultRule: n.leadsToVault()}
	for _, own := range []string{"storage-queue", "storage-table"} {
		seen[own] = cfg.Azure.StorageAccountID == ""
	}
	for i := range n.OutboundRules {
		key, rule := element(key+".outboundRules", i), &n.OutboundRules[i]
		rule.validate(c, key, n.Mode)
		if host := cfg.VaultHost().Reveal(); host != "" && strings.EqualFold(rule.FQDN, host) {
			c.addf(key+".fqdn", "is Vault's host, which has its rule already and is a secret; remove it")
		}
		switch folded := strings.ToLower(rule.Name); {
		case !ruleName.valid(rule.Name):
			c.addf(key+".name", "%s is not a name that Azure takes: %s", c.show(key, rule.Name), ruleName.text)
		case seen[folded] && slices.Contains([]string{vaultRule, "storage-queue", "storage-table"}, folded):
			c.addf(key+".name", "%q is a rule that the program makes; choose another name", folded)
		case seen[folded]:
			c.addf(key+".name", "%s is the name of another rule", c.show(key, rule.Name))
		default:
			seen[folded] = true
		}
	}
}

// validateVaultRule refuses an address to which no rule can lead: out of such a network a host is reached by an FQDN
// rule alone, and Microsoft's firewall takes names and the ports 80 and 443 ("FQDN outbound rules only support ports 80
// and 443", how-to-managed-network). The address is a secret, so no text quotes it.
func (cfg *Settings) validateVaultRule(c *collector) {
	const key, mode = "vaultAddress", "azure.managedNetwork.mode is " + networkApproved
	u, err := url.Parse(cfg.Address.Reveal())
	if !cfg.Azure.ManagedNetwork.leadsToVault() || err != nil || u.Hostname() == "" {
		return // what is wrong with the address is said elsewhere
	}
	switch port := u.Port(); {
	case net.ParseIP(u.Hostname()) != nil:
		c.addf(key, "is an IP address, and %s, whose rules for hosts take names only; give Vault a DNS name", mode)
	case !fullyQualified(u.Hostname()):
		c.addf(key, "has no fully qualified host name, and %s, whose rules for hosts take nothing else", mode)
	case port != "" && port != "443" && port != "80":
		c.addf(key, "has another port than 443 or 80, and %s, whose rules for hosts open those two only; "+
			"serve Vault on 443, for example behind a load balancer", mode)
	}
}

func (r *OutboundRule) validate(c *collector, key, mode string) {
	if mode == networkOff {
		c.addf(key, "has no managed network to apply to; set azure.managedNetwork.mode")
		return
	}
	kinds := 0
	for _, given := range []string{r.FQDN, r.ServiceTag, r.ServiceResourceID} {
		if given != "" {
			kinds++
		}
	}
	if kinds != 1 {
		c.addf(key, "needs one of fqdn, serviceTag and serviceResourceId, and not two of them")
		return
	}
	if r.ServiceTag == "" && (r.Protocol != "" || r.PortRanges != "") {
		c.addf(key, "has protocol or portRanges, which belong to a serviceTag")
	}
	if r.ServiceResourceID == "" && (r.Subresource != "" || r.SparkEnabled) {
		c.addf(key, "has subresource or sparkEnabled, which belong to a serviceResourceId")
	}
	switch {
	case r.ServiceResourceID != "":
		if !subGroup.MatchString(r.Subresource) {
			c.addf(key+".subresource", "%s is not the name of a part such as blob or vault", c.show(key, r.Subresource))
		}
	case mode == networkInternet:
		c.addf(key, "has no effect: %s already allows all outbound traffic, and takes rules for private endpoints only. Remove the rule", networkInternet)
	case r.FQDN != "":
		if !fullyQualified(strings.TrimPrefix(r.FQDN, "*.")) {
			c.addf(key+".fqdn", "%s is not a host name, or *. and a domain; it has no scheme, port or path", c.show(key, r.FQDN))
		}
	default:
		if !serviceTag.MatchString(r.ServiceTag) {
			c.addf(key+".serviceTag", "%s is not a service tag of Azure such as AzureMonitor", c.show(key, r.ServiceTag))
		}
		if !portRanges.MatchString(r.PortRanges) {
			c.addf(key+".portRanges", "%s is not a list of ports such as 443 or 80,8000-8999", c.show(key, r.PortRanges))
		}
	}
}
