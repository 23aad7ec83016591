package vaultserver

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// Requests returns how many requests arrived since Start or ResetRequests, by
// method and path class, such as "PUT */data/*" or "GET auth/token/lookup-self".
// A class is a path without /v1/ in which every name that a caller chose is a
// star; see classify. Requests of Root, Token and Unseal count as well.
func (s *Server) Requests() map[string]int { return s.requests.snapshot() }

// ResetRequests sets every count to zero.
func (s *Server) ResetRequests() { s.requests.reset() }

type requestCounter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *requestCounter) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Method + " " + classify(r.URL.Path)
		c.mu.Lock()
		if c.counts == nil {
			c.counts = map[string]int{}
		}
		c.counts[key]++
		c.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (c *requestCounter) snapshot() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		return map[string]int{}
	}
	return maps.Clone(c.counts)
}

func (c *requestCounter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts = nil
}

// kvEndpoints are the KV v2 path segments between a mount and a secret's name.
var kvEndpoints = []string{"/data/", "/metadata/", "/delete/", "/undelete/", "/destroy/", "/subkeys/"}

// classify maps a request path to its class. It knows the paths that the program
// and its provider use; any other falls under "other", except that sys/ and
// auth/token/ paths, which hold no chosen names beyond these, stay as they are.
func classify(path string) string {
	path = strings.Trim(strings.TrimPrefix(path, "/v1/"), "/")
	switch {
	case strings.HasPrefix(path, "auth/token/"):
		return path
	case strings.HasPrefix(path, "sys/mounts/"):
		class := "sys/mounts/*"
		if strings.HasPrefix(path, "sys/mounts/auth/") {
			class = "sys/mounts/auth/*"
		}
		if strings.HasSuffix(path, "/tune") {
			class += "/tune"
		}
		return class
	case strings.HasPrefix(path, "sys/policies/acl/"):
		return "sys/policies/acl/*"
	case strings.HasPrefix(path, "sys/auth/"):
		return "sys/auth/*"
	case strings.HasPrefix(path, "sys/"):
		return path
	case strings.HasPrefix(path, "auth/") && strings.Contains(path, "/role/"):
		return "auth/*/role/*"
	case strings.HasPrefix(path, "auth/"):
		return "auth/*" + path[strings.LastIndex(path, "/"):]
	}
	// The first one decides: a secret's own name may hold "data" as well.
	class, first := "", len(path)
	for _, endpoint := range kvEndpoints {
		if i := strings.Index(path, endpoint); i >= 0 && i < first {
			class, first = "*"+endpoint+"*", i
		}
	}
	if class != "" {
		return class
	}
	if strings.HasSuffix(path, "/config") {
		return "*/config"
	}
	return "other"
}
