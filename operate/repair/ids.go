package repair

import (
	"encoding/json"
	"regexp"
)

var subscription = regexp.MustCompile(`(?i)^/subscriptions/([0-9a-f-]{36})/`)

// SubscriptionOf is the one that the state's resources are in, or empty. What the program only
// reads may be in any.
func SubscriptionOf(state []byte) string {
	var file struct {
		Deployment struct {
			Resources []struct {
				ID       string
				External bool
			}
		}
	}
	if json.Unmarshal(state, &file) != nil {
		return ""
	}
	for _, resource := range file.Deployment.Resources {
		found := subscription.FindStringSubmatch(resource.ID)
		if found != nil && !resource.External {
			return found[1]
		}
	}
	return ""
}
