package vaultplugin_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"mlvault/sandbox/internal/issuer"
	"mlvault/sandbox/internal/vaultplugin"
	"mlvault/sandbox/internal/vaultserver"
)

// canary is in every payload; a message or a property in the clear that holds it fails the test.
const canary = "CANARY-d15ea5e"

var (
	vault *vaultserver.Server // shared: each test uses names of its own, and none is parallel

	// tokens is an issuer that Vault reaches.
	tokens   *issuer.Issuer
	tokensCA []byte

	// fault, if set, answers a request itself and returns true.
	fault atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir := must(os.MkdirTemp("", "vaultplugin"))
	defer func() { _ = os.RemoveAll(dir) }()
	vault = must(vaultserver.Start(context.Background(), vaultserver.Options{Dir: dir, Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f := fault.Load(); f == nil || !(*f)(w, r) {
				next.ServeHTTP(w, r)
			}
		})
	}}))
	defer func() { _ = vault.Stop(context.Background()) }()
	tokens = must(issuer.Start(context.Background(), issuer.Options{TenantID: "t", Dir: dir,
		TLS: &tls.Config{Certificates: []tls.Certificate{must(vault.Certificate())}, MinVersion: tls.VersionTLS12}}))
	defer tokens.Close()
	tokensCA = must(os.ReadFile(vault.CAFile()))
	return m.Run()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// failing makes Vault refuse the requests that match until the test ends.
func failing(t *testing.T, method, pathPart string) (repair func()) {
	t.Helper()
	answer := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || !strings.Contains(r.URL.Path, pathPart) {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"errors":["injected, quoting %s"]}`, canary)
		return true
	}
	fault.Store(&answer)
	repair = func() { fault.Store(nil) }
	t.Cleanup(repair)
	return repair
}

type object = map[string]any

// engine is one configured connection to a provider, as the engine makes it.
type engine struct {
	t        *testing.T
	ctx      context.Context
	provider *vaultplugin.Provider
}

// connect opens a connection and configures it; what config lacks is the shared Vault's.
func connect(t *testing.T, provider *vaultplugin.Provider, config object) *engine {
	t.Helper()
	e := &engine{t, peer.NewContext(t.Context(), &peer.Peer{Addr: &net.UnixAddr{Name: rand.Text()}}), provider}
	all := object{"address": vault.Addr(), "token": vault.Root().Token(), "caCertFile": vault.CAFile(), "maxRetries": 0}
	_, err := provider.Configure(e.ctx, &pulumirpc.ConfigureRequest{Args: e.wire(with(all, config))})
	require.NoError(t, err)
	return e
}

func newEngine(t *testing.T, config object) *engine {
	t.Helper()
	return connect(t, vaultplugin.New(), config)
}

// res is a resource in the state.
type res struct {
	urn             string
	id              string
	inputs, outputs *structpb.Struct
	initFailed      bool
}

func fresh(kind string) res { return res{urn: urn(kind)} }

func (r res) kind() string { return string(resource.URN(r.urn).Type()) }

func urn(kind string) string { return "urn:pulumi:dev::p::" + kind + "::x" }

// with is a copy of base with what changes says.
func with(base, changes object) object {
	out := maps.Clone(base)
	maps.Copy(out, changes)
	return out
}

func secret(v any) resource.PropertyValue {
	return resource.MakeSecret(resource.NewPropertyValue(v))
}

func (e *engine) wire(v object) *structpb.Struct {
	e.t.Helper()
	properties := resource.NewPropertyMapFromMapRepl(v, nil, func(v any) (resource.PropertyValue, bool) {
		p, isProperty := v.(resource.PropertyValue)
		return p, isProperty
	})
	out, err := plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	require.NoError(e.t, err)
	return out
}

func (e *engine) check(kind string, in object) (*structpb.Struct, []string) {
	e.t.Helper()
	r, err := e.provider.Check(e.ctx, &pulumirpc.CheckRequest{Urn: urn(kind), News: e.wire(in)})
	require.NoError(e.t, err)
	var failures []string
	for _, f := range r.GetFailures() {
		failures = append(failures, f.GetProperty()+" "+f.GetReason())
	}
	return r.GetInputs(), failures
}

// up creates or updates a resource. After a failure it returns what the engine keeps.
func (e *engine) up(state res, in object) (res, error) {
	e.t.Helper()
	inputs := e.checked(state.kind(), in)
	var outputs *structpb.Struct
	var err error
	if state.id == "" {
		var r *pulumirpc.CreateResponse
		r, err = e.provider.Create(e.ctx, &pulumirpc.CreateRequest{Urn: state.urn, Properties: inputs})
		state.id, outputs = r.GetId(), r.GetProperties()
	} else {
		var r *pulumirpc.UpdateResponse
		r, err = e.provider.Update(e.ctx, &pulumirpc.UpdateRequest{
			Id: state.id, Urn: state.urn, Olds: state.outputs, OldInputs: state.inputs, News: inputs})
		outputs = r.GetProperties()
	}
	if err != nil {
		require.NotContains(e.t, err.Error(), canary, "even where Vault quotes it")
		for _, detail := range status.Convert(err).Details() {
			if failed, ok := detail.(*pulumirpc.ErrorResourceInitFailed); ok {
				state.id, state.outputs, state.initFailed = failed.GetId(), failed.GetProperties(), true
			}
		}
	} else {
		state.inputs, state.outputs = inputs, outputs
	}
	e.requireMasked(state.outputs)
	e.requireMasked(state.inputs)
	return state, err
}

func (e *engine) mustUp(state res, in object) res {
	e.t.Helper()
	state, err := e.up(state, in)
	require.NoError(e.t, err)
	return state
}

// checked are inputs that the provider takes.
func (e *engine) checked(kind string, in object) *structpb.Struct {
	e.t.Helper()
	inputs, failures := e.check(kind, in)
	require.Empty(e.t, failures)
	return inputs
}

// diff returns the changed properties, with a * after those that replace.
func (e *engine) diff(old res, in object) []string {
	e.t.Helper()
	inputs := e.checked(old.kind(), in)
	r, err := e.provider.Diff(e.ctx, &pulumirpc.DiffRequest{
		Id: old.id, Urn: old.urn, OldInputs: old.inputs, Olds: old.outputs, News: inputs})
	require.NoError(e.t, err)
	require.Equal(e.t, len(r.GetReplaces()) > 0, r.GetDeleteBeforeReplace())
	var names []string
	for _, name := range r.GetDiffs() {
		if slices.Contains(r.GetReplaces(), name) {
			name += "*"
		}
		names = append(names, name)
	}
	return names
}

// refresh reads the resource; the id is empty if it is gone.
func (e *engine) refresh(old res) res {
	e.t.Helper()
	r, err := e.provider.Read(e.ctx, &pulumirpc.ReadRequest{Id: old.id, Urn: old.urn, Properties: old.outputs, Inputs: old.inputs})
	require.NoError(e.t, err)
	old.id, old.inputs, old.outputs = r.GetId(), r.GetInputs(), r.GetProperties()
	e.requireMasked(old.outputs)
	e.requireMasked(old.inputs)
	return old
}

func (e *engine) destroy(old res) {
	e.t.Helper()
	_, err := e.provider.Delete(e.ctx, &pulumirpc.DeleteRequest{Id: old.id, Urn: old.urn, Properties: old.outputs, OldInputs: old.inputs})
	require.NoError(e.t, err)
}

// out returns an output, out of its secret wrapping if it has one.
func (e *engine) out(r res, name string) any {
	e.t.Helper()
	v := e.properties(r.outputs)[resource.PropertyKey(name)]
	if v.IsSecret() {
		v = v.SecretValue().Element
	}
	return v.Mappable()
}

func (e *engine) properties(s *structpb.Struct) resource.PropertyMap {
	e.t.Helper()
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	require.NoError(e.t, err)
	return m
}

// requireMasked fails if the canary stands outside a secret property.
func (e *engine) requireMasked(s *structpb.Struct) {
	e.t.Helper()
	for name, v := range e.properties(s) {
		if !v.IsSecret() {
			require.NotContains(e.t, fmt.Sprint(v.Mappable()), canary, name)
		}
	}
}

// requests are what f makes Vault see.
func requests(f func()) (all []string) {
	vault.ResetRequests()
	f()
	for request, times := range vault.Requests() {
		all = append(all, slices.Repeat([]string{request}, times)...)
	}
	return all
}

// one is one request of each kind in the lists.
func one(lists ...string) []string { return strings.Split(strings.Join(lists, ", "), ", ") }
