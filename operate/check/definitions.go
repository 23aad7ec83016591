package check

import (
	"mlvault/internal/losses"
	"mlvault/internal/vaultapi"
)

// definitions says when the next up outdates the job definitions that are out. The last up has left
// in the state what they hold.
func (c *checker) definitions() {
	for _, r := range c.made(typeStash) {
		if nameOf(r.URN) != losses.DefinitionName {
			continue
		}
		was, _ := r.Inputs["input"].(map[string]any)
		certificates, err := c.certificates()
		now := losses.Definition(c.settings, c.nextIdentity(), certificates)
		if err != nil { // which is said where Vault is asked
			now[losses.DefinitionCertificates] = was[losses.DefinitionCertificates]
		}
		if changes := losses.Outdated(was, now); len(changes) > 0 {
			c.warning("%s", losses.Renew(changes, c.settings.Stack))
		}
	}
}

// nextIdentity is the ARM id of the job identity after the next up, or empty where that makes it.
func (c *checker) nextIdentity() string {
	if c.settings.Workload.IdentityExists() {
		return c.jobIdentity()
	}
	for _, r := range c.made(losses.Identity) {
		goes := len(c.causes(c.holder(losses.Identity), r)) > 0
		if goes && !isOfWorkspace(r) {
			return ""
		}
	}
	return c.jobIdentity()
}

// certificates are those that jobs get, or empty.
func (c *checker) certificates() (string, error) {
	file := c.certificateFile()
	if file == "" {
		return "", nil
	}
	return vaultapi.Certificates(file)
}
