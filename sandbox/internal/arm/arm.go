// Package arm is a local stand-in for Azure Resource Manager: a Pulumi resource provider for the package azure-native
// that keeps documents by resource id and refuses what ARM refuses. It is no emulator. It exists so that the real
// program, through the real Pulumi engine, meets ARM's rules before it meets ARM's bill.
//
// The rules are one table, one row per resource type, in table.go and endpoints.go. An error text is ARM's where it is
// public; a text that is ours is marked "own words" there. Of pulumi-azure-native 2.92.3 it imitates automatic names, what
// replaces and what updates, previews, refresh, and the requests (GET, PUT, GET for one create), with its retries. It does
// not authorize, meter, check quotas and regions, or reach any network.
//
// Start it with [Open] and [Server.Register], then point the engine at it with PULUMI_DEBUG_PROVIDERS=azure-native:PORT.
package arm

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// The sandbox's own subscription, tenant and deployer. They are fixed, and plainly not real, so that an id from the
// sandbox is recognised wherever it turns up.
const (
	SubscriptionID = "5a9db0c5-0000-4000-8000-000000000001"
	TenantID       = "5a9db0c5-0000-4000-8000-000000000002"
	DeployerID     = "5a9db0c5-0000-4000-8000-000000000003"
)

// Server is the stand-in. Its methods are safe for concurrent use.
type Server struct {
	store  *store
	faults faults
	now    func() time.Time

	mu       sync.Mutex
	requests map[string]int
}

// Open returns a server whose documents live in the JSON file at path, which is created on the first write. Its folder
// must exist. A file that is not such a store is an error: nothing is overwritten. Two servers must not share a path.
func Open(path string) (*Server, error) {
	documents, err := openStore(path)
	if err != nil {
		return nil, err
	}
	return &Server{store: documents, now: time.Now, requests: map[string]int{}}, nil
}

// Register adds the resource provider to a gRPC server. Register once: the provider's configuration, which is the
// default location, is the server's.
func (s *Server) Register(server *grpc.Server) {
	pulumirpc.RegisterResourceProviderServer(server, &provider{arm: s})
}

// Requests counts the requests so far, by method: GET, PUT, DELETE. A retry is a request.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Resource returns the document with this id as a GET would, whatever the id's casing.
func (s *Server) Resource(id string) (Document, bool) {
	now := s.store.read()
	doc, found := now.Resources[key(id)]
	if !found {
		return nil, false
	}
	return response(doc, now.Respelled), true
}

// List returns the documents of an ARM type, such as "Microsoft.KeyVault/vaults", or every document for "", by id.
func (s *Server) List(armType string) []Document {
	now := s.store.read()
	var list []Document
	for _, k := range slices.Sorted(maps.Keys(now.Resources)) {
		if doc := now.Resources[k]; armType == "" || strings.EqualFold(doc.text("type"), armType) {
			list = append(list, response(doc, now.Respelled))
		}
	}
	return list
}

// Seed stores a document as if somebody else had made it, replacing the one with the same id: a storage account to
// bring along, or drift. It checks the id's form and nothing else, and fills id, name and type from it.
func (s *Server) Seed(id string, doc Document) error {
	parsed, err := parseID(id)
	if err != nil {
		return err
	}
	seeded := doc.clone()
	if seeded == nil {
		seeded = Document{}
	}
	seeded["id"], seeded["name"], seeded["type"] = id, parsed.name, parsed.armType
	return s.store.change(func(st *state) error {
		st.Resources[key(id)] = seeded
		return nil
	})
}

// BuildImage does what Azure ML does at the first image build of a workspace without a registry: it makes one.
func (s *Server) BuildImage(workspaceID string) error {
	return s.store.change(func(st *state) error {
		workspace := st.Resources[key(workspaceID)].clone()
		if workspace == nil || workspace.text("properties.containerRegistry") != "" {
			return nil
		}
		group, _, _ := strings.Cut(workspaceID, "/providers/")
		id := group + "/providers/" + typeRegistry + "/" +
			strings.ReplaceAll(guid("registry", workspaceID), "-", "")
		workspace.set("properties.containerRegistry", id)
		st.Resources[key(workspaceID)] = workspace
		st.Resources[key(id)] = Document{
			"id": id, "name": id[strings.LastIndex(id, "/")+1:], "type": typeRegistry, "location": workspace["location"],
			"sku": map[string]any{"name": "Standard", "tier": "Standard"}, "properties": map[string]any{"adminUserEnabled": true},
		}
		return nil
	})
}

// Live does what happens in a subscription between two deployments: images are built, a policy adds tags to all that can
// have them, and from then on ARM spells ids otherwise.
func (s *Server) Live(tags map[string]any) error {
	for _, workspace := range s.List(typeML) {
		if err := s.BuildImage(workspace.text("id")); err != nil {
			return err
		}
	}
	return s.store.change(func(st *state) error {
		st.Respelled = !st.Respelled
		for k, doc := range st.Resources {
			if row, known := rowOfType(doc.text("type")); known && slices.Contains(row.Inputs, "tags") {
				doc = doc.clone()
				for name, value := range tags {
					doc.set("tags."+name, value)
				}
				st.Resources[k] = doc
			}
		}
		return nil
	})
}

// Purge forgets a soft-deleted workspace or key vault, which frees its name, and reports whether there was one.
// In Azure this is `az ml workspace delete --permanently-delete` and `az keyvault purge`.
func (s *Server) Purge(id string) (bool, error) {
	found := false
	err := s.store.change(func(st *state) error {
		_, found = st.Deleted[key(id)]
		delete(st.Deleted, key(id))
		return nil
	})
	return found, err
}

// Inject makes the next matching requests meet a fault. Faults are met in the order of injection, one for each request.
func (s *Server) Inject(f Fault) {
	s.faults.add(f)
}

// PrincipalID is the object id of an identity: of a user-assigned identity by its resource id, or of the
// system-assigned identity of any other resource. It is a GUID and a function of the id alone, whatever its casing, so a
// token issuer knows it without asking. Unlike Azure, an identity that is deleted and made again keeps it.
func PrincipalID(resourceID string) string { return guid("principal", resourceID) }

// ClientID is the application id of an identity, made like [PrincipalID].
func ClientID(resourceID string) string { return guid("client", resourceID) }
