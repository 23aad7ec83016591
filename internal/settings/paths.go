package settings

import (
	"regexp"
	"slices"
	"strings"
)

// pathSegment is what a mount, a prefix and a name are made of. Everything else means something to
// somebody on the way: * and + are wildcards in a policy, .. leaves the mount, ? # and % end or
// change a URL, a space is cut by tools.
var pathSegment = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?$`)

// segments is what an editor can check of a path: one segment or several.
const segments = `^[A-Za-z0-9_](?:[A-Za-z0-9_./-]*[A-Za-z0-9_-])?$`

// vaultPath is the rule of a path in Vault.
var vaultPath = textRule{problem: pathProblem, pattern: segments, longest: maxPathLength}

// mountPath is the rule of the KV v2 mount.
var mountPath = textRule{problem: mountProblem, pattern: segments, longest: maxPathLength}

// maxPathLength keeps a path, and a policy of many paths, well within what Vault stores.
const maxPathLength = 256

// pathProblem tells why a Vault path would not be stored, or would not be granted, as it is
// written. It returns the empty string for a good one.
func pathProblem(path string) string {
	switch {
	case path == "":
		return "is empty"
	case len(path) > maxPathLength:
		return "is longer than 256 characters"
	case strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/"):
		return "begins or ends with a slash; leave it out"
	case strings.Contains(path, ".."):
		return "has two dots in a row, which would leave its place in Vault"
	}
	for segment := range strings.SplitSeq(path, "/") {
		if !pathSegment.MatchString(segment) {
			return "may have letters, digits, _ - . and / between parts only: anything else changes the " +
				"path or widens a policy"
		}
	}
	first, _, _ := strings.Cut(path, "/")
	if first == "data" || first == "metadata" {
		return "starts with " + first + "/, which KV v2 adds by itself; leave it out"
	}
	return ""
}

// vaultsOwn are mounts that every Vault has.
var vaultsOwn = []string{"sys", "auth", "audit", "identity", "cubbyhole"}

func mountProblem(mount string) string {
	if problem := pathProblem(mount); problem != "" {
		return problem
	}
	parts := strings.Split(mount, "/")
	switch {
	case slices.Contains(parts, "data"):
		return "has data as a part; the plugin would take what precedes it for the mount"
	case slices.Contains(vaultsOwn, parts[0]):
		return "belongs to Vault itself; name a KV v2 mount"
	}
	return ""
}
