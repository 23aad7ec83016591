package arm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"mlvault/internal/settings"
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

// guidName is a name for which a GUID is made up.
var guidName = named(36, 36, `(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

const providers = "/providers/"

// typeOf is the ARM type of what an id is of: a resource group, a resource, or a part or an
// extension of one.
func typeOf(id string) string {
	last := strings.LastIndex(id, providers)
	if last < 0 {
		return typeResourceGroup
	}
	// A namespace, then pairs of a type and a name.
	steps := strings.Split(id[last+len(providers):], "/")
	armType := steps[0]
	for i := 1; i < len(steps); i += 2 {
		armType += "/" + steps[i]
	}
	return armType
}

// above is the id of what a resource is in, part of, or attached to.
func above(id string) string {
	id = path.Dir(path.Dir(id))
	if namespace := path.Dir(id); path.Base(namespace) == "providers" {
		return path.Dir(namespace)
	}
	return id
}

// groupOf is the name of the resource group in an id.
func groupOf(id string) string {
	_, below, _ := strings.Cut(id, "/resourceGroups/")
	name, _, _ := strings.Cut(below, "/")
	return name
}

// parameter matches one {parameter} of a path template.
var parameter = regexp.MustCompile(`\{(\w+)\}`)

// path is the template of the row's id, in the casing in which ARM returns it.
func (r *resourceType) path() string {
	template := settings.IDTemplate(r.Token)
	return strings.Replace(template, "{resourceProviderNamespace}/{resourceType}", r.Type, 1)
}

// parameters returns the wire names in the row's path that the user's inputs fill, in order.
func (r *resourceType) parameters() []string {
	var names []string
	for _, match := range parameter.FindAllStringSubmatch(r.path(), -1) {
		if match[1] != "subscriptionId" {
			names = append(names, match[1])
		}
	}
	return names
}

// genericInputs are those of a generic resource that no body and no output has.
var genericInputs = words("apiVersion parentResourcePath resourceProviderNamespace resourceType")

// unsent returns the inputs that are in the path or the query and not in the body.
func (r *resourceType) unsent() []string {
	if r.Generic {
		return append(r.parameters(), genericInputs...)
	}
	return r.parameters()
}

// nameProperty is the input that holds the resource's name: the last parameter of its path.
func (r *resourceType) nameProperty() string {
	all := r.parameters()
	return all[len(all)-1]
}

// subresource tells whether two parameters or more follow the last provider in the path.
func (r *resourceType) subresource() bool {
	_, below, _ := strings.Cut(r.path(), providers)
	return strings.Count(below, "{") > 1
}

// id fills the row's path from inputs, which have been checked.
func (r *resourceType) id(inputs resource.PropertyMap) string {
	return parameter.ReplaceAllStringFunc(r.path(), func(match string) string {
		name := strings.Trim(match, "{}")
		if name == "subscriptionId" {
			return SubscriptionID
		}
		value := fmt.Sprint(inputs[resource.PropertyKey(name)].V)
		return strings.Trim(value, "/") // a scope comes with its own leading slash
	})
}

// inputsOfID is the inverse of id: what an import knows from the id alone.
func (r *resourceType) inputsOfID(id string) (resource.PropertyMap, error) {
	// These two parameters hold a whole id, slashes and all.
	whole := strings.NewReplacer("{scope}", "(?P<scope>.+)", "{resourceUri}", "(?P<resourceUri>.+)")
	path := parameter.ReplaceAllString(whole.Replace(r.path()), "(?P<$1>[^/]+)")
	pattern := regexp.MustCompile("(?i)^" + path + "$")
	match := pattern.FindStringSubmatch(id)
	if match == nil {
		return nil, fmt.Errorf("%q is not the id of a %s: expected %s", id, r.Token, r.path())
	}
	inputs := resource.PropertyMap{}
	for _, name := range r.parameters() {
		value := match[pattern.SubexpIndex(name)]
		inputs[resource.PropertyKey(name)] = resource.NewStringProperty(value)
	}
	return inputs, nil
}
