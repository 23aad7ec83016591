package settings

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ManagedNetwork is the network that Azure ML keeps for a workspace's compute. Azure lets a mode
// become stricter and never looser.
type ManagedNetwork struct {
	Mode string
	// FirewallSKU is Standard where there is none.
	FirewallSKU string
	// OutboundRules lead to what jobs need. Those to Vault, queue and table are made without being
	// asked for.
	OutboundRules []OutboundRule
	// VaultRule is false where Vault is reached in another way.
	VaultRule bool
}

// Isolation modes of a managed network.
const (
	networkOff      = "Disabled"
	networkInternet = "AllowInternetOutbound"
	networkApproved = "AllowOnlyApprovedOutbound"
)

// Names of the outbound rules that the program makes.
const (
	// VaultRule leads to Vault.
	VaultRule = "vault"
	// QueueRule and TableRule lead to the storage account that is made.
	QueueRule = "storage-queue"
	TableRule = "storage-table"
)

func (n *ManagedNetwork) defaults() {
	n.Mode = networkOff
	n.VaultRule = true
}

func (n *ManagedNetwork) fields() []field {
	return []field{
		{
			key:   "mode",
			value: text(&n.Mode, oneOf(networkOff, networkInternet, networkApproved)),
			meaning: "What it lets out. Beside `azure.workspaceId`, as that workspace has it: clusters " +
				"are made by it.",
			change: Change{
				Updates:  []Part{PartWorkspace},
				Replaces: []Part{PartCluster},
				Note: "It can become stricter only. Where it is switched on, the cluster goes along: Azure " +
					"leaves one from before outside of the network.",
				Jobs: JobsThatRun,
				Back: BackNever,
			},
		},
		{
			key:     "firewallSku",
			value:   text(&n.FirewallSKU, oneOf("Standard", "Basic")),
			meaning: "Size of the firewall of `AllowOnlyApprovedOutbound`. Azure's choice is `Standard`.",
			change:  changesWorkspace,
		},
		{
			key:     "vaultRule",
			value:   flag(&n.VaultRule),
			meaning: "`false`: jobs reach Vault in another way than by the rule that the program makes.",
			change:  changesRules,
		},
		{
			key: "outboundRules",
			value: objects(func() section {
				n.OutboundRules = append(n.OutboundRules, OutboundRule{})
				return &n.OutboundRules[len(n.OutboundRules)-1]
			}),
			meaning: "Where jobs may go, beside Vault and the storage account's queue and table.",
		},
	}
}

// IsOn tells whether Azure ML keeps a network for the workspace's compute.
func (n *ManagedNetwork) IsOn() bool {
	return n != nil && n.Mode != networkOff
}

// IsApprovedOnly tells whether the network lets out only what a rule names.
func (n *ManagedNetwork) IsApprovedOnly() bool {
	return n != nil && n.Mode == networkApproved
}

// IsLooserThan tells whether the network lets out more than one of a mode does. Azure lets a mode
// become stricter only.
func (n *ManagedNetwork) IsLooserThan(mode string) bool {
	own := ""
	if n != nil {
		own = n.Mode
	}
	modes := []string{networkOff, networkInternet, networkApproved}
	return slices.Index(modes, own) < slices.Index(modes, mode)
}

// leadsToVault tells whether a rule for Vault's host is made.
func (n *ManagedNetwork) leadsToVault() bool {
	return n.IsApprovedOnly() && n.VaultRule
}

// VaultHost is Vault's host where the workspace's network lets nothing out without a rule, and
// empty where it needs none. It is a part of the address, and as secret.
func (s *Settings) VaultHost() Secret {
	u, err := url.Parse(s.Address.Reveal())
	if err != nil || !s.Azure.ManagedNetwork.leadsToVault() {
		return Secret{}
	}
	return NewSecret(u.Hostname())
}

// OutboundRule lets traffic out to one destination, which is said in one of three ways.
type OutboundRule struct {
	Name string

	// FQDN is a host, or *.domain, on the ports 80 and 443 alone.
	FQDN string

	ServiceTag string
	// Protocol of a serviceTag is TCP where there is none.
	Protocol string
	// PortRanges of a serviceTag are for example 443 or 80,8000-8999.
	PortRanges string

	// ServiceResourceID is the ARM id of what a private endpoint leads to.
	ServiceResourceID string
	Subresource       string
	// SparkEnabled lets Spark's serverless compute use the private endpoint too.
	SparkEnabled bool
}

var (
	hostName = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+` +
		`[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`)
	serviceTag = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*$`)
	portRanges = regexp.MustCompile(`^\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*$`)
	subGroup   = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

func (o *OutboundRule) defaults() {}

func (o *OutboundRule) fields() []field {
	return []field{
		{
			key:      "name",
			value:    text(&o.Name, azureName(OutboundRuleName, "a name that Azure takes")),
			required: "give the rule a name: " + OutboundRuleName.Text,
			meaning:  "The rule's name. Beside it stands one of `fqdn`, `serviceTag`, `serviceResourceId`.",
			change:   changesRules,
		},
		{
			key:     "fqdn",
			value:   text(&o.FQDN, textRule{problem: destinationProblem}),
			meaning: "A host, or `*.` and a domain, on the ports 80 and 443.",
			change:  changesRules,
		},
		{
			key: "serviceTag",
			value: text(&o.ServiceTag, matching(serviceTag, "is not a service tag of Azure such as "+
				"AzureMonitor")),
			meaning: "A service of Azure, for example `AzureMonitor`.",
			change:  changesRules,
		},
		{
			key:          "protocol",
			value:        text(&o.Protocol, oneOf("TCP", "UDP", "ICMP", "*")),
			shownDefault: "TCP",
			meaning:      "Of a service tag.",
			change:       changesRules,
		},
		{
			key: "portRanges",
			value: text(&o.PortRanges, matching(portRanges, "is not a list of ports such as 443 or "+
				"80,8000-8999")),
			meaning: "Of a service tag, for example `443` or `80,8000-8999`.",
			change:  changesRules,
		},
		{
			key:     "serviceResourceId",
			value:   text(&o.ServiceResourceID, armID(typeOfAnyResource)),
			meaning: "ARM id of what a private endpoint leads to.",
			change:  changesRules,
		},
		{
			key: "subresource",
			value: text(&o.Subresource, matching(subGroup, "is not the name of a part such as blob or "+
				"vault")),
			meaning: "The part of that resource, for example `blob`.",
			change:  changesRules,
		},
		{
			key:     "sparkEnabled",
			value:   flag(&o.SparkEnabled),
			meaning: "The private endpoint is for Spark's serverless compute too.",
			change:  changesRules,
		},
	}
}

func destinationProblem(host string) string {
	if isFullyQualified(strings.TrimPrefix(host, "*.")) {
		return ""
	}
	return "is not a host name, or *. and a domain; it has no scheme, port or path"
}

// isFullyQualified tells whether a host is a name that DNS can hold: two labels or more, of 63
// characters at most each.
func isFullyQualified(host string) bool {
	const longestLabel = 63
	for label := range strings.SplitSeq(host, ".") {
		if len(label) > longestLabel {
			return false
		}
	}
	return hostName.MatchString(host)
}

func (s *Settings) validateNetwork(r *report) {
	const key = "azure.managedNetwork"
	network := s.Azure.ManagedNetwork
	if network == nil {
		return
	}
	if network.FirewallSKU != "" && !network.IsApprovedOnly() {
		r.addf(key+".firewallSku", "is for the mode %s, which alone has a firewall", networkApproved)
	}
	s.validateWayToVault(r)
	for i := range network.OutboundRules {
		at := element(key+".outboundRules", i)
		rule := &network.OutboundRules[i]
		if !r.has(at) {
			rule.validate(r, at, network.Mode)
		}
		host := s.VaultHost().Reveal()
		if host != "" && strings.EqualFold(rule.FQDN, host) {
			r.addf(at+".fqdn", "is Vault's host, which has its rule already and is a secret; remove it")
		}
	}
	s.validateRuleNames(r, key+".outboundRules")
}

// validateRuleNames refuses two rules of one name. Azure's names have no case.
func (s *Settings) validateRuleNames(r *report, key string) {
	own := []string{}
	if s.Azure.ManagedNetwork.leadsToVault() {
		own = append(own, VaultRule)
	}
	if s.Azure.StorageAccountID == "" {
		own = append(own, QueueRule, TableRule)
	}
	seen := map[string]bool{}
	for i, rule := range s.Azure.ManagedNetwork.OutboundRules {
		at := element(key, i) + ".name"
		name := strings.ToLower(rule.Name)
		switch {
		case rule.Name == "": // missing or refused, which is said
		case slices.Contains(own, name):
			r.addf(at, "%q is a rule that the program makes; choose another name", name)
		case seen[name]:
			r.addf(at, "%s is the name of another rule", r.show(at, rule.Name))
		}
		seen[name] = true
	}
}

// validateWayToVault refuses an address to which no rule can lead: out of such a network a host is
// reached by an FQDN rule alone, and Microsoft's firewall takes names and the ports 80 and 443
// ("FQDN outbound rules only support ports 80 and 443", how-to-managed-network). The address is a
// secret, so no text quotes it.
func (s *Settings) validateWayToVault(r *report) {
	const key = "vaultAddress"
	const mode = "azure.managedNetwork.mode is " + networkApproved
	u, err := url.Parse(s.Address.Reveal())
	if err != nil || u.Hostname() == "" || !s.Azure.ManagedNetwork.leadsToVault() {
		return // what is wrong with the address is said elsewhere
	}
	isOpen := u.Port() == "" || u.Port() == "443" || u.Port() == "80"
	switch {
	case net.ParseIP(u.Hostname()) != nil:
		r.addf(key, "is an IP address, and %s, whose rules for hosts take names only; give Vault a DNS "+
			"name",
			mode)
	case !isFullyQualified(u.Hostname()):
		r.addf(key, "has no fully qualified host name, and %s, whose rules for hosts take nothing "+
			"else", mode)
	case !isOpen:
		r.addf(key, "has another port than 443 or 80, and %s, whose rules for hosts open those two "+
			"only; serve Vault on 443, for example behind a load balancer", mode)
	}
}

// validate checks what a rule's fields say together.
func (o *OutboundRule) validate(r *report, key, mode string) {
	destinations := 0
	for _, given := range []string{o.FQDN, o.ServiceTag, o.ServiceResourceID} {
		if given != "" {
			destinations++
		}
	}
	switch {
	case mode == networkOff:
		r.addf(key, "has no managed network to apply to; set azure.managedNetwork.mode")
		return
	case destinations != 1:
		r.addf(key, "needs one of fqdn, serviceTag and serviceResourceId, and not two of them")
		return
	case mode == networkInternet && o.ServiceResourceID == "":
		r.addf(key, "has no effect: %s already allows all outbound traffic, and takes rules for private "+
			"endpoints only. Remove the rule", networkInternet)
		return
	}
	ofTag := o.Protocol != "" || o.PortRanges != ""
	if ofTag && o.ServiceTag == "" {
		r.addf(key, "has protocol or portRanges, which belong to a serviceTag")
	}
	ofEndpoint := o.Subresource != "" || o.SparkEnabled
	if ofEndpoint && o.ServiceResourceID == "" {
		r.addf(key, "has subresource or sparkEnabled, which belong to a serviceResourceId")
	}
	if o.ServiceTag != "" && o.PortRanges == "" {
		r.addf(key+".portRanges", "is missing; write a list of ports such as 443 or 80,8000-8999")
	}
	if o.ServiceResourceID != "" && o.Subresource == "" {
		r.addf(key+".subresource", "is missing; write the name of a part such as blob or vault")
	}
}
