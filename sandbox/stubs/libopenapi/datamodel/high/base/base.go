// Package base has what the Pulumi CLI reads of a schema.
package base

import (
	"go.yaml.in/yaml/v4"

	"github.com/pb33f/libopenapi/orderedmap"
)

type (
	Schema struct {
		AllOf, AnyOf, OneOf          []*SchemaProxy
		Type, Required               []string
		Description, Format, Pattern string
		Nullable, ReadOnly           *bool
		MultipleOf, Minimum, Maximum *float64
		MinLength, MaxLength         *int64
		Default                      *yaml.Node
		Enum                         []*yaml.Node
		Items, AdditionalProperties  *DynamicValue
		Properties                   *orderedmap.Map[string, *SchemaProxy]
		Extensions                   *orderedmap.Map[string, *yaml.Node]
		Discriminator                *Discriminator
	}
	SchemaProxy   struct{}
	DynamicValue  struct{ A *SchemaProxy }
	Discriminator struct {
		PropertyName string
		Mapping      *orderedmap.Map[string, string]
	}
	low struct{}
)

func (*SchemaProxy) Schema() *Schema               { return nil }
func (*DynamicValue) IsA() bool                    { return false }
func (*Schema) GoLow() *low                        { return nil }
func (*low) Hash() uint64                          { return 0 }
func (*Schema) MarshalJSONInline() ([]byte, error) { return nil, nil }
