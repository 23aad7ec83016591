package arm

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"mlvault/internal/settings"
)

// resourceType is one row of the table: all that the sandbox knows of one azure-native type.
type resourceType struct {
	// Token is azure-native's type token, and Type is ARM's type.
	Token string
	Type  string
	// Name is what the resource may be called.
	Name settings.NameRule

	// Replaces are the inputs whose change azure-native turns into a replacement: its forceNewMap and
	// x-ms-mutability.
	Replaces []string
	// Computed are the wire names of the outputs that only the service sets, without name and type.
	Computed []string

	// Envelope are the inputs that ARM has at the top and not in the body's properties, beside
	// location and tags.
	Envelope []string
	// Nested says that azure-native does not flatten this type's properties: all inputs are at the
	// top.
	Nested bool
	// Renames are ARM's names of properties that azure-native names otherwise.
	Renames map[string]string
	// Items are objects, or lists of them, with properties of their own, which azure-native flattens
	// too.
	Items []string

	// Generic rows are of azure-native's generic resource: their API version is an input, and so is
	// their type.
	Generic bool
	// Created changes the answer to a PUT that creates, where it differs from what a GET answers
	// later.
	Created func(answer Document)

	// Rules are what the service refuses, in order.
	Rules []rule
	// Taken is the refusal of a name that any resource of the type has. Without it names are not
	// global.
	Taken *Error
	// SoftDelete is the refusal of a name that a deleted resource holds. Without it what is deleted is
	// gone.
	SoftDelete *Error
}

// words splits a list of names, so that a row reads as a row.
func words(list string) []string { return strings.Fields(list) }

// rowOf finds the row of a resource of the program, by its type and, for a generic resource, by its
// inputs or its id.
func rowOf(urn resource.URN, inputs resource.PropertyMap, id resource.ID) (*resourceType, error) {
	generic := typeOf(string(id))
	if inputs.HasValue("resourceType") {
		namespace := inputs["resourceProviderNamespace"].V
		generic = fmt.Sprintf("%v/%v", namespace, inputs["resourceType"].V)
	}
	var known []string
	for _, row := range table {
		isOfType := string(urn.Type()) == row.Token
		if isOfType && (!row.Generic || strings.EqualFold(row.Type, generic)) {
			return row, nil
		}
		known = append(known, row.name())
	}
	return nil, fmt.Errorf("the sandbox's ARM has no %s; it has %s",
		urn.Type(), strings.Join(known, ", "))
}

// name is the row's type as a person looks for it.
func (r *resourceType) name() string {
	if r.Generic {
		return r.Token + " of " + r.Type
	}
	return r.Token
}
