package check

import "mlvault/internal/losses"

// definitions says when the next up outdates the job definitions that are out. The last up has left
// in the state what they name.
func (c *checker) definitions() {
	for _, r := range c.made(typeStash) {
		if nameOf(r.URN) != losses.DefinitionName {
			continue
		}
		was, _ := r.Inputs["input"].(map[string]any)
		if changes := losses.Outdated(was, c.settings); len(changes) > 0 {
			c.warning("%s", losses.Renew(changes, c.settings.Stack))
		}
	}
}
