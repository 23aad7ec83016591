package arm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
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

const guidPattern = `(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`

// resourceID is an ARM id taken apart.
type resourceID struct {
	armType   string // "Microsoft.Storage/storageAccounts", spelled as the id spells it
	name      string
	group     string // the resource group's name, "" when the id is of or above a subscription
	groupID   string
	parent    string // the id that must exist first, "" for a subscription
	extension bool   // the resource is attached to its parent by a second /providers/, as a role assignment is
}

var idPattern = regexp.MustCompile(
	`(?i)^(/subscriptions/([^/]+)(?:/resourceGroups/([^/]+))?)((?:/providers/[^/]+(?:/[^/]+/[^/]+)+)*)$`)

// parseID takes apart the id of a subscription, a resource group, a resource, a child resource or an extension resource.
func parseID(id string) (resourceID, error) {
	malformed := fmt.Errorf("%q is not a resource id: expected /subscriptions/<guid>/resourceGroups/<name>/providers/"+
		"<namespace>/<type>/<name>", id)
	match := idPattern.FindStringSubmatch(id)
	if match == nil {
		return resourceID{}, malformed
	}
	parsed := resourceID{armType: typeSubscription, name: match[2], group: match[3]}
	if parsed.group != "" {
		parsed.armType, parsed.name = typeResourceGroup, parsed.group
		parsed.groupID, parsed.parent = match[1], "/subscriptions/"+match[2]
	}
	if match[4] == "" {
		return parsed, nil
	}
	const providers = "/providers/"
	lower := strings.ToLower(id)
	last := strings.LastIndex(lower, providers)
	steps := strings.Split(id[last+len(providers):], "/") // a namespace, then pairs of a type and a name
	if len(steps) < 3 {
		return resourceID{}, malformed
	}
	parsed.armType, parsed.parent, parsed.extension = steps[0], id[:last], strings.Count(lower, providers) > 1
	for i := 1; i < len(steps); i += 2 {
		parsed.armType += "/" + steps[i]
	}
	parsed.name = steps[len(steps)-1]
	if len(steps) > 3 {
		parsed.parent = strings.TrimSuffix(id, "/"+strings.Join(steps[len(steps)-2:], "/"))
	}
	return parsed, nil
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

// nameProperty is the input that holds the resource's name: the last parameter of its path.
func (r *resourceType) nameProperty() string {
	all := r.parameters()
	return all[len(all)-1]
}

// subresource tells whether two parameters or more follow the last provider in the path.
func (r *resourceType) subresource() bool {
	_, below, _ := strings.Cut(r.Path, "/providers/")
	return strings.Count(below, "{") > 1
}

// id fills the row's path from inputs, which have been checked.
func (r *resourceType) id(inputs resource.PropertyMap) string {
	return parameter.ReplaceAllStringFunc(r.Path, func(match string) string {
		name := strings.Trim(match, "{}")
		if name == "subscriptionId" {
			return SubscriptionID
		}
		return strings.Trim(fmt.Sprint(inputs[resource.PropertyKey(name)].V), "/") // a scope comes with its own leading slash
	})
}

// inputsOfID is the inverse of id: what an import knows from the id alone.
func (r *resourceType) inputsOfID(id string) (resource.PropertyMap, error) {
	wide := strings.NewReplacer("{scope}", "(?P<scope>.+)", "{resourceUri}", "(?P<resourceUri>.+)").Replace(r.Path)
	pattern := regexp.MustCompile("(?i)^" + parameter.ReplaceAllString(wide, "(?P<$1>[^/]+)") + "$")
	match := pattern.FindStringSubmatch(id)
	if match == nil {
		return nil, fmt.Errorf("%q is not the id of a %s: expected %s", id, r.Token, r.Path)
	}
	inputs := resource.PropertyMap{}
	for _, name := range r.parameters() {
		inputs[resource.PropertyKey(name)] = resource.NewStringProperty(match[pattern.SubexpIndex(name)])
	}
	return inputs, nil
}
