// Package arm is a local stand-in for Azure Resource Manager: a Pulumi resource provider for the
// package azure-native that keeps documents by resource id and refuses what ARM refuses. It is no
// emulator. It exists so that the real program, through the real Pulumi engine, meets ARM's rules
// before it meets ARM's bill. A rule that no settings of the program can break, because package
// config or the SDK refuses them first, is not here.
//
// The rules are one table, one row per resource type, in table.go and network.go. An error text is
// ARM's where it is public; a comment says where it is ours. Of pulumi-azure-native
// 2.92.3 it imitates automatic names, what replaces and what updates, previews, refresh, and the
// requests (GET, PUT, GET for one create), with its retries. It does not authorize, meter, check
// quotas and regions, or reach any network.
//
// Start it with [Open] and [Server.Register], then point the engine at it with
// PULUMI_DEBUG_PROVIDERS=azure-native:PORT.
package arm

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// The sandbox's own subscription and tenant. They are fixed, and plainly not real, so that an id
// from the sandbox is recognised wherever it turns up.
const (
	SubscriptionID = "5a9db0c5-0000-4000-8000-000000000001"
	TenantID       = "5a9db0c5-0000-4000-8000-000000000002"
)

// Server is the stand-in. Its methods are safe for concurrent use.
type Server struct {
	// Spec, where set, tells what is wrong with the body of a PUT by Microsoft's own types. Tests set
	// it to armspec.Check: the types take a minute of CPU time to compile, so the sandbox itself goes
	// without.
	Spec func(armType string, body map[string]any) error
	// Arrived, where set, hears of each request before it is answered.
	Arrived func(method, armType string)

	store *store

	mu       sync.Mutex
	requests map[string]int
	faults   []Fault // those still to be met have Times left
}

// Open returns a server whose documents live in the JSON file at path, which is created on the
// first write. Its folder must exist. A file that is not such a store is an error: nothing is
// overwritten. Two servers must not share a path.
func Open(path string) (*Server, error) {
	documents, err := openStore(path)
	if err != nil {
		return nil, err
	}
	return &Server{store: documents, requests: map[string]int{}}, nil
}

// Register adds the resource provider to a gRPC server.
func (s *Server) Register(server *grpc.Server) {
	inner := plugin.NewProviderServer(&provider{arm: s})
	pulumirpc.RegisterResourceProviderServer(server, detailed{ResourceProviderServer: inner})
}

// detailed mends plugin.NewProviderServer, which sends a detailed diff and does not say so.
type detailed struct {
	pulumirpc.ResourceProviderServer
}

func (d detailed) Diff(
	ctx context.Context, req *pulumirpc.DiffRequest,
) (*pulumirpc.DiffResponse, error) {
	diff, err := d.ResourceProviderServer.Diff(ctx, req)
	if err == nil {
		diff.HasDetailedDiff = true
	}
	return diff, err
}

// Resource returns the document with this id as a GET would, whatever the id's casing.
func (s *Server) Resource(id string) (Document, bool) {
	now := s.store.read()
	doc := now.get(id)
	return response(now.withConnections(doc), now.Respelled), doc != nil
}

// withConnections is the document of a key vault with the private endpoints that lead to it, which
// the service adds (openapi.json 2026-02-01, VaultProperties.privateEndpointConnections). Of other
// types azure-native knows that this property is read-only, so that it makes no difference there.
func (s *state) withConnections(doc Document) Document {
	if !doc.is(typeVault) {
		return doc
	}
	var connections []any
	for _, k := range slices.Sorted(maps.Keys(s.Resources)) {
		endpoint := s.Resources[k]
		for _, connection := range endpoint.objects("properties.privateLinkServiceConnections") {
			if key(connection.text("properties.privateLinkServiceId")) == key(doc.text("id")) {
				connections = append(connections, map[string]any{
					"id": doc.text("id") + "/privateEndpointConnections/" + endpoint.text("name"),
				})
			}
		}
	}
	if connections == nil {
		return doc
	}
	connected := doc.clone()
	connected.set("properties.privateEndpointConnections", connections)
	return connected
}

// List returns the documents of an ARM type, such as "Microsoft.KeyVault/vaults", or every document
// for "", by id.
func (s *Server) List(armType string) []Document {
	now := s.store.read()
	var list []Document
	for _, k := range slices.Sorted(maps.Keys(now.Resources)) {
		if doc := now.Resources[k]; armType == "" || doc.is(armType) {
			list = append(list, response(doc, now.Respelled))
		}
	}
	return list
}

// Seed stores a document as if somebody else had made it, replacing the one with the same id: a
// storage account to bring along, or drift. It checks nothing, and fills id, name and type from the
// id.
func (s *Server) Seed(id string, doc Document) error {
	seeded := Document{}
	maps.Copy(seeded, doc.clone())
	seeded["id"] = id
	seeded["name"] = path.Base(id)
	seeded["type"] = typeOf(id)
	return s.store.change(func(st *state) error {
		st.Resources[key(id)] = seeded
		return nil
	})
}

// Keep forgets every document that a test does not want to keep, those of deleted resources too.
func (s *Server) Keep(isKept func(Document) bool) error {
	return s.store.change(func(st *state) error {
		isForgotten := func(_ string, doc Document) bool { return !isKept(doc) }
		maps.DeleteFunc(st.Resources, isForgotten)
		maps.DeleteFunc(st.Deleted, isForgotten)
		return nil
	})
}

// Carries tells whether a resource, such as a cluster, has a user-assigned identity.
func (s *Server) Carries(id, identityID string) bool {
	doc, _ := s.Resource(id)
	for carried := range doc.object("identity.userAssignedIdentities") {
		if key(carried) == key(identityID) {
			return true
		}
	}
	return false
}

// BuildImage does what Azure ML does at the first image build of a workspace without a registry: it
// makes one.
func (s *Server) BuildImage(workspaceID string) error {
	workspace, _ := s.Resource(workspaceID)
	if workspace == nil || workspace.text("properties.containerRegistry") != "" {
		return nil
	}
	group, _, _ := strings.Cut(workspaceID, "/providers/")
	name := strings.ReplaceAll(guid("registry", workspaceID), "-", "")
	id := group + providers + typeRegistry + "/" + name
	workspace.set("properties.containerRegistry", id)
	if err := s.Seed(workspaceID, workspace); err != nil {
		return err
	}
	return s.Seed(id, Document{
		"location":   workspace["location"],
		"sku":        map[string]any{"name": "Standard", "tier": "Standard"},
		"properties": map[string]any{"adminUserEnabled": true},
	})
}

// Live does what happens in a subscription between two deployments: images are built, a policy adds
// tags to all that can have them, and from then on ARM spells ids otherwise.
func (s *Server) Live(tags map[string]any) error {
	for _, workspace := range s.List(typeML) {
		if err := s.BuildImage(workspace.text("id")); err != nil {
			return err
		}
	}
	return s.store.change(func(st *state) error {
		st.Respelled = !st.Respelled
		for k, doc := range st.Resources {
			hasTags := doc["location"] != nil
			if !hasTags {
				continue
			}
			doc = doc.clone()
			for name, value := range tags {
				doc.set("tags."+name, value)
			}
			st.Resources[k] = doc
		}
		return nil
	})
}

// PrincipalID is the object id of an identity: of a user-assigned identity by its resource id, or
// of the system-assigned identity of any other resource. It is a GUID and a function of the id
// alone, whatever its casing, so a token issuer knows it without asking. Unlike Azure, an identity
// that is deleted and made again keeps it.
func PrincipalID(resourceID string) string { return guid("principal", resourceID) }

// ClientID is the application id of an identity, made like [PrincipalID].
func ClientID(resourceID string) string { return guid("client", resourceID) }
