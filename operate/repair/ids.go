package repair

import "regexp"

var subscription = regexp.MustCompile(`(?i)"id": ?"/subscriptions/([0-9a-f-]{36})/`)

// SubscriptionOf is the one that the state's resources are in, or empty.
func SubscriptionOf(state []byte) string {
	found := subscription.FindSubmatch(state)
	if found == nil {
		return ""
	}
	return string(found[1])
}
