package arm

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"mlvault/internal/settings"
)

// moduleVersion matches the API version in a type token: azure-native has a module for each.
var moduleVersion = regexp.MustCompile(`/v(\d{4})(\d{2})(\d{2})(preview)?:`)

// moduleVersion is the API version of the row's module. azure-native asks with it for whatever it
// knows no inputs of.
func (r *resourceType) moduleVersion() string {
	match := moduleVersion.FindStringSubmatch(r.Token)
	version := strings.Join(match[1:4], "-")
	if match[4] != "" {
		version += "-preview"
	}
	return version
}

// version is the API version that azure-native sends with these inputs.
func (r *resourceType) version(inputs resource.PropertyMap) string {
	if r.Generic && inputs["apiVersion"].IsString() {
		return inputs["apiVersion"].StringValue()
	}
	return r.moduleVersion()
}

// served refuses an API version whose retirement is announced, today already: nobody shall find out
// on the day. Of Key Vault these are all before 2026-02-01
// (learn.microsoft.com/azure/key-vault/general/migrate-api-version). The text is that of ARM for a
// version that a type has not (pulumi-azure-native#4109).
func served(method, id, armType, version string) error {
	for _, known := range settings.APIVersions {
		if strings.EqualFold(known.Type, armType) && !known.Serves(version) {
			return &Error{
				Method: method,
				ID:     id,
				Status: http.StatusBadRequest,
				Code:   "NoRegisteredProviderFound",
				Message: fmt.Sprintf("No registered resource provider found for API version '%s' for "+
					"type '%s'. The supported api-versions are '%s'.", version, armType, known.Ends.Oldest),
			}
		}
	}
	return nil
}
