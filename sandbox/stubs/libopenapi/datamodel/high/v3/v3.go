// Package v3 has what the Pulumi CLI reads of an OpenAPI document.
package v3

import (
	"go.yaml.in/yaml/v4"

	"github.com/pb33f/libopenapi/datamodel/high/base"
	"github.com/pb33f/libopenapi/orderedmap"
)

type (
	Model    struct{ Model Document }
	Document struct {
		Info  *struct{ Version string }
		Paths *struct {
			PathItems *orderedmap.Map[string, *PathItem]
		}
		Components *struct {
			Schemas *orderedmap.Map[string, *base.SchemaProxy]
		}
	}
	PathItem  struct{ Get, Post, Put, Delete, Patch, Head *Operation }
	Operation struct {
		OperationId, Summary, Description string
		Tags                              []string
		Deprecated                        *bool
		Parameters                        []*Parameter
		RequestBody                       *Response
		Responses                         *struct {
			Codes   *orderedmap.Map[string, *Response]
			Default *Response
		}
		Extensions *orderedmap.Map[string, *yaml.Node]
	}
	Parameter struct {
		Name, In, Description string
		Required              *bool
		Schema                *base.SchemaProxy
	}
	Response struct {
		Description string
		Content     *orderedmap.Map[string, *MediaType]
	}
	MediaType struct{ Schema *base.SchemaProxy }
)
