package settings

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// addressSetting and tokenSetting are in the reference. Both are texts at the top of the
// configuration, and secret.
var (
	addressSetting = Setting{
		Key:      "vaultAddress",
		Name:     "vaultAddress",
		Kind:     KindText,
		Required: true,
		Secret:   true,
		Meaning: "URL of Vault, `https://host:port`, without a path. Plain http only to this " +
			"machine.",
		Change: movesToAnotherVault,
	}
	tokenSetting = Setting{
		Key:    "vaultToken",
		Name:   "vaultToken",
		Kind:   KindText,
		Secret: true,
		Meaning: "The deployer's Vault token. Left out, the plugin takes `~/.vault-token`, then " +
			"`VAULT_TOKEN`, and no token is in the state.",
		Change: changesConnection,
	}
)

const byteOrderMark = "\ufeff"

// validateAddress keeps the token off the wire in the clear. The address is a secret, so no text
// quotes it.
func validateAddress(r *report, address string) {
	const key = "vaultAddress"
	if address == "" {
		r.addf(key, "is missing; set it with `pulumi config set --secret vaultAddress https://...`")
		return
	}
	if strings.HasPrefix(address, byteOrderMark) {
		r.addf(key, "begins with a byte-order mark. Set it again without")
		return
	}
	u, err := url.Parse(address)
	if err != nil || strings.ContainsFunc(address, unicode.IsSpace) || u.Hostname() == "" {
		r.addf(key, "is not a URL such as https://vault.example.com:8200")
		return
	}
	hasMore := u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != ""
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		r.addf(key, "does not start with https://")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		r.addf(key, "uses plain http to another machine, which would show the token to the network; "+
			"use https")
	case hasMore:
		r.addf(key, "has more than scheme, host and port; the token goes into vaultToken")
	case u.Path != "":
		r.addf(key, "ends in a path; the plugin adds /v1 by itself, give only scheme, host and port")
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func validateToken(r *report, token string) {
	isBroken := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	switch {
	case strings.HasPrefix(token, byteOrderMark):
		r.addf("vaultToken", "begins with a byte-order mark. Set it again without")
	case strings.ContainsFunc(token, isBroken):
		r.addf("vaultToken", "has a space or a line break in it. Set it again without: "+
			"`pulumi config set --secret vaultToken < file` drops a last line break, and `--raw` keeps it")
	}
}

// Mask takes everything secret out of a text that Vault or a library wrote: the address, the token,
// the payloads, and whatever else the caller knows to be secret.
//
// The address goes as a whole, and its host with a port or a domain. A bare host of one word stays:
// with https://vault:8200 a report would lose the word vault wherever it means the product.
func (s *Settings) Mask(text string, more ...Secret) string {
	secrets := append([]Secret{s.Address, s.Token}, more...)
	for _, credential := range s.Credentials {
		secrets = append(secrets, credential.Payload)
	}
	// The longest first: a shorter one inside it would leave the rest.
	slices.SortFunc(secrets, func(a, b Secret) int { return len(b.Reveal()) - len(a.Reveal()) })
	for _, secret := range secrets {
		if len(secret.Reveal()) >= minMasked {
			text = strings.ReplaceAll(text, secret.Reveal(), masked)
		}
	}
	u, err := url.Parse(s.Address.Reveal())
	if err != nil {
		return text
	}
	for _, host := range []string{u.Host, u.Hostname()} {
		if strings.ContainsAny(host, ".:") {
			text = strings.ReplaceAll(text, host, masked)
		}
	}
	return text
}
