package check

import (
	"mlvault/internal/losses"
	"mlvault/internal/vaultapi"
)

// definitions says what the next up changes for jobs and for whoever logs in. The last up has left
// in the state what they have.
func (c *checker) definitions() {
	for _, r := range c.made(typeStash) {
		if nameOf(r.URN) != losses.DefinitionName {
			continue
		}
		was, _ := r.Inputs["input"].(map[string]any)
		certificates, err := c.certificates()
		now := losses.Definition(c.settings, losses.Facts{
			Identity:     c.nextIdentity(),
			Issuer:       c.nextIssuer(),
			Certificates: certificates,
		})
		if err != nil { // which is said where Vault is asked
			now[losses.DefinitionCertificates] = was[losses.DefinitionCertificates]
		}
		for _, announced := range losses.Announced(was, now, c.settings.Stack) {
			c.warning("%s", announced)
		}
	}
}

// nextIssuer is the iss claim that the next up binds, or empty where it depends on the tenant of an
// identity that the state does not have.
func (c *checker) nextIssuer() string {
	jobs, isKnown := c.stack.State.JobIdentity()
	if !isKnown && c.settings.Workload.Issuer == "" {
		return ""
	}
	return c.settings.Issuer(jobs.TenantID)
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
