package arm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	azure "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
)

const (
	typeSubscription  = "Microsoft.Resources/subscriptions"
	typeResourceGroup = "Microsoft.Resources/resourceGroups"
)

// key is a document's key in the store: ARM compares ids without regard to case.
func key(id string) string { return strings.ToLower(strings.TrimRight(id, "/")) }

// guid derives a version 4 shaped GUID from a purpose and an id.
func guid(purpose, id string) string {
	sum := sha256.Sum256([]byte(purpose + " " + key(id)))
	sum[6] = sum[6]&0x0f | 0x40
	sum[8] = sum[8]&0x3f | 0x80
	return guidString(hex.EncodeToString(sum[:16]))
}

// guidString sets the hyphens in 32 hexadecimal digits.
func guidString(hex string) string {
	return strings.Join([]string{hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:32]}, "-")
}

var isGUID = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString

// resourceID is an ARM id taken apart.
type resourceID struct {
	armType   string // "Microsoft.Storage/storageAccounts", spelled as the id spells it
	name      string
	group     string // the resource group's name, "" when the id is of or above a subscription
	groupID   string
	parent    string // the id that must exist first, "" for a subscription
	extension bool   // the resource is attached to its parent by a second /providers/, as a role assignment is
}

// parseID takes apart the id of a subscription, a resource group, a resource, a child resource or an extension resource.
func parseID(id string) (resourceID, error) {
	parsed, err := azure.ParseResourceID(id)
	if err != nil || parsed.Name == "" || strings.Contains(id, "//") {
		return resourceID{}, fmt.Errorf("%q is not a resource id: expected /subscriptions/<guid>/resourceGroups/<name>/providers/"+
			"<namespace>/<type>/<name>", id)
	}
	taken := resourceID{
		armType: parsed.ResourceType.String(), name: parsed.Name, group: parsed.ResourceGroupName,
		extension: strings.Count(strings.ToLower(id), "/providers/") > 1,
	}
	if above := parsed.Parent; above != nil && above.Parent != nil {
		taken.parent = above.String()
	}
	if taken.group != "" {
		taken.groupID = "/subscriptions/" + parsed.SubscriptionID + "/resourceGroups/" + taken.group
	}
	return taken, nil
}

// parameter matches one {parameter} of a path template.
var parameter = regexp.MustCompile(`\{(\w+)\}`)

// parameters returns the wire names in the row's path that the user's inputs fill, in order.
func (r *resourceType) parameters() []string {
	var names []string
	for _, match := range parameter.FindAllStringSubmatch(r.Path, -1) {
		if match[1] != "subscriptionId" {
			names = append(names, match[1])
		}
	}
	return names
}

// subresource tells whether two parameters or more follow the last provider in the path.
func (r *resourceType) subresource() bool {
	_, below, _ := strings.Cut(r.Path, "/providers/")
	return strings.Count(below, "{") > 1
}

// id fills the row's path from inputs.
func (r *resourceType) id(inputs map[string]any) (string, error) {
	var missing []string
	id := parameter.ReplaceAllStringFunc(r.Path, func(match string) string {
		name := strings.Trim(match, "{}")
		if name == "subscriptionId" {
			return SubscriptionID
		}
		value, _ := inputs[name].(string)
		if value == "" {
			missing = append(missing, name)
		}
		return strings.Trim(value, "/") // a scope comes with its own leading slash
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("%s needs %s for its id", r.Token, strings.Join(missing, ", "))
	}
	return id, nil
}

// inputsOfID is the inverse of id: what an import knows from the id alone.
func (r *resourceType) inputsOfID(id string) (map[string]any, error) {
	pattern, rest := "(?i)^", r.Path
	for {
		at := parameter.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		value := `([^/]+)`
		if rest[at[2]:at[3]] == "scope" || rest[at[2]:at[3]] == "resourceUri" {
			value = `(.+)`
		}
		pattern += regexp.QuoteMeta(rest[:at[0]]) + value
		rest = rest[at[1]:]
	}
	match := regexp.MustCompile(pattern + regexp.QuoteMeta(rest) + "$").FindStringSubmatch(id)
	if match == nil {
		return nil, fmt.Errorf("%q is not the id of a %s: expected %s", id, r.Token, r.Path)
	}
	inputs := map[string]any{}
	for i, found := range parameter.FindAllStringSubmatch(r.Path, -1) {
		if found[1] != "subscriptionId" {
			inputs[found[1]] = match[i+1]
		}
	}
	return inputs, nil
}
