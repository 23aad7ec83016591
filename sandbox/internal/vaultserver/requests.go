package vaultserver

import (
	"maps"
	"net/http"
	"regexp"
	"strings"
)

// Requests returns how many requests arrived since Start or ResetRequests, by method and path class, such as
// "PUT */data/*" or "GET auth/token/lookup-self". A class is a path without /v1/ in which every name that a caller chose
// is a star. Requests of Root and Token count as well.
func (s *Server) Requests() map[string]int {
	s.counting.Lock()
	defer s.counting.Unlock()
	return maps.Clone(s.requests)
}

// ResetRequests sets every count to zero.
func (s *Server) ResetRequests() {
	s.counting.Lock()
	defer s.counting.Unlock()
	s.requests = map[string]int{}
}

func (s *Server) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.counting.Lock()
		s.requests[r.Method+" "+classify(r.URL.Path)]++
		s.counting.Unlock()
		next.ServeHTTP(w, r)
	})
}

// classes are of the paths that the program and its provider use. The first match decides; paths below sys/ and
// auth/token/ hold no chosen names beyond these and stay as they are.
var classes = []struct {
	path  *regexp.Regexp
	class string
}{
	{regexp.MustCompile(`^sys/mounts/auth/.*/tune$`), "sys/mounts/auth/*/tune"},
	{regexp.MustCompile(`^sys/mounts/auth/`), "sys/mounts/auth/*"},
	{regexp.MustCompile(`^sys/mounts/.*/tune$`), "sys/mounts/*/tune"},
	{regexp.MustCompile(`^(sys/mounts|sys/policies/acl|sys/auth)/`), "$1/*"},
	{regexp.MustCompile(`^((?:sys|auth/token)/.*)`), "$1"},
	{regexp.MustCompile(`^auth/.*/role/`), "auth/*/role/*"},
	{regexp.MustCompile(`^auth/.*(/[^/]*)$`), "auth/*$1"},
	// The first one decides: a secret's own name may hold "data" as well.
	{regexp.MustCompile(`^.*?/(data|metadata|delete|undelete|destroy|subkeys)/.*`), "*/$1/*"},
	{regexp.MustCompile(`/config$`), "*/config"},
}

func classify(path string) string {
	path = strings.Trim(strings.TrimPrefix(path, "/v1/"), "/")
	for _, c := range classes {
		if found := c.path.FindStringSubmatchIndex(path); found != nil {
			return string(c.path.ExpandString(nil, c.class, path, found))
		}
	}
	return "other"
}
