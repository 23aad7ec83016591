package settings

import (
	"maps"
	"slices"
	"strings"
)

// Vault says where in Vault the credentials live and how the plugin talks to it.
type Vault struct {
	Mount string
	// CreateMount makes the mount. A destroy never deletes it.
	CreateMount bool
	Prefix      string
	// Reads are paths of others that the jobs may read, by the name under which a job asks.
	Reads map[string]Read
	// Readers are stacks that may name this one's credentials in their vault.reads.
	Readers   []string
	Namespace string
	// CACertFile is a PEM file on the machine that deploys. Without it the plugin takes the system's
	// roots.
	CACertFile string
	// SkipChildToken lets the plugin use the token itself.
	SkipChildToken bool
	// MaxLeaseTTLSeconds is the life of the child token. The plugin warns below 15 minutes only in its
	// log, and an update that outlives its token fails half-way.
	MaxLeaseTTLSeconds int
	// DisableRead writes only: drift is not noticed.
	DisableRead bool
	// DeleteOnDestroy purges every version of the stack's own secrets. Without it the newest is
	// soft-deleted.
	DeleteOnDestroy bool
}

func (v *Vault) defaults() {
	v.Mount = "secret"
	v.MaxLeaseTTLSeconds = 1200
}

func (v *Vault) fields() []field {
	return []field{
		{
			key:     "mount",
			value:   text(&v.Mount, mountPath),
			meaning: "The KV v2 mount.",
			change: Change{
				Moves:   []Part{PartSecrets},
				Updates: []Part{PartPolicy},
				Jobs:    JobsOutdated,
				Back:    BackWhole,
			},
		},
		{
			key:     "createMount",
			value:   flag(&v.CreateMount),
			meaning: "Make the mount. A destroy never deletes it.",
			change: Change{
				Makes: []Part{PartMount},
				Note:  "`false` leaves the mount where it is. To have it again, import it.",
				Jobs:  JobsGoOn,
				Back:  BackByHand,
			},
		},
		{
			key:     "prefix",
			value:   text(&v.Prefix, vaultPath),
			meaning: "The path below the mount, for this stack alone.",
			change: Change{
				Moves:   []Part{PartSecrets},
				Updates: []Part{PartPolicy},
				Jobs:    JobsOutdated,
				Back:    BackWhole,
			},
		},
		{
			key:   "reads",
			value: reads(&v.Reads),
			meaning: "Paths of others that jobs may read, by the name under which a job asks: API paths, " +
				"for example `database/creds/ml-reader`. KV v2 has `data/` behind the mount. A path that " +
				"answers to a write, as `pki/issue/ml` does, is an object of `path` and `parameters`.",
			change: Change{
				Updates: []Part{PartPolicy},
				Jobs:    JobsThatUse,
				Back:    BackWhole,
			},
		},
		{
			key:   "readers",
			value: texts(&v.Readers, stackOfReader),
			meaning: "Stacks, as `<project>/<stack>`, that may name this one's credentials in their " +
				"`vault.reads`. The secrets' labels say so, and `up` and preflight refuse any other.",
			change: Change{
				Updates: []Part{PartSecrets, PartPolicy},
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:     "namespace",
			value:   text(&v.Namespace, vaultPath),
			meaning: "The namespace, for Vault Enterprise and HCP.",
			change:  movesToAnotherVault,
		},
		{
			key:   "caCertFile",
			value: text(&v.CACertFile, anyText),
			meaning: "A PEM file on the machine that deploys, for it and for the jobs, to which " +
				"`make job` hands it. Without it the system's certificates are trusted.",
			change: Change{
				Updates: []Part{PartConnection},
				Note:    "Jobs trust the CA that their definition came with: run `make job`.",
				Jobs:    JobsGoOn,
				Back:    BackWhole,
			},
		},
		{
			key:   "skipChildToken",
			value: flag(&v.SkipChildToken),
			meaning: "Use the deployer's token itself and no child of it: for batch tokens, tokens of " +
				"limited use, and narrow ones.",
			change: changesConnection,
		},
		{
			key:     "maxLeaseTtlSeconds",
			value:   number(&v.MaxLeaseTTLSeconds, 60, 86400),
			meaning: "How long the child token lives. An `up` that takes longer fails half-way.",
			change:  changesConnection,
		},
		{
			key:   "disableRead",
			value: flag(&v.DisableRead),
			meaning: "Write the credentials and never read them back. The token needs no right to read " +
				"them, and a change made in Vault is not noticed.",
			change: changesSecrets,
		},
		{
			key:   "deleteOnDestroy",
			value: flag(&v.DeleteOnDestroy),
			meaning: "Purge every version of the stack's own secrets when they go. Without it " +
				"`vault kv undelete` brings the newest back.",
			change: changesSecrets,
		},
	}
}

// stackOfReader is the rule of a stack's name with its project.
var stackOfReader = textRule{problem: stackOfReaderProblem, longest: maxPathLength}

func stackOfReaderProblem(name string) string {
	project, stack, isPair := strings.Cut(name, "/")
	if isPair && hasNamesInVault(project, stack) {
		return ""
	}
	return "is not <project>/<stack>"
}

// validateReaders keeps the label that names them within what Vault stores.
func (s *Settings) validateReaders(r *report) {
	const longest = 512
	if size := len(s.readersLabel()); size > longest {
		r.addf("vault.readers", "has %d characters in all, and Vault takes %d in a label", size, longest)
	}
}

// readersLabel are the readers in one text.
func (s *Settings) readersLabel() string {
	readers := slices.Sorted(slices.Values(s.Vault.Readers))
	return strings.Join(readers, ",")
}

// validateReads checks the paths of others that the jobs may read. The policy names each exactly.
func (s *Settings) validateReads(r *report) {
	nothing := len(s.Credentials) == 0 && len(s.Vault.Reads) == 0
	if nothing && !r.has("credentials") && !r.has("vault.reads") {
		r.addf("credentials", "is empty, and so is vault.reads: the jobs would have nothing to read. "+
			"Set a value with %s", setCredential)
	}
	readAs := map[string]string{} // path -> what reads it
	written := map[string]bool{}  // paths that are read by writing to them
	names := map[string]bool{}    // of credentials
	for _, credential := range s.Credentials {
		readAs[s.DataPath(credential.Name)] = "the path of credential " + credential.Name
		names[credential.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.Vault.Reads)) {
		key := "vault.reads." + name
		read := s.Vault.Reads[name]
		path := read.Path
		if problem := pathProblem(name); problem != "" {
			r.addf(key, "the name %s", problem)
		}
		if names[name] {
			r.addf(key, "is the name of a credential too. Rename one of the two: a job asks by name")
		}
		problem := s.readProblem(path)
		switch {
		case problem != "":
			r.addf(key, "%s %s", r.show(key, path), problem)
		case readAs[path] != "":
			r.addf(key, "%s is %s already. Remove it here", r.show(key, path), readAs[path])
		case written[path] && read.IsWrite(): // with other parameters it is another value
		case written[path]:
			r.addf(key, "%s is written to already. Give it parameters, or remove it here",
				r.show(key, path))
		case read.IsWrite():
			written[path] = true
		default:
			readAs[path] = "read as " + name
		}
	}
}

// readProblem tells why a path of vault.reads cannot be granted, in words that follow the path.
func (s *Settings) readProblem(path string) string {
	if problem := pathProblem(path); problem != "" {
		return problem
	}
	mount, below, _ := strings.Cut(path, "/")
	switch {
	case below == "":
		return "is a mount and no path below it"
	case mount == "v1":
		return "begins with v1/, which stands before every path of the API; leave it out"
	case slices.Contains(vaultsOwn, mount):
		return "belongs to Vault itself; name a path of a secrets engine"
	case s.lacksData(path):
		return "lacks data/, under which KV v2 serves its values. Write <mount>/data/<path>"
	}
	return ""
}

// lacksData tells of a path in the stack's own mount that KV v2 would not serve. What other mounts
// are only Vault knows, and the preflight asks it.
func (s *Settings) lacksData(path string) bool {
	below, isOwn := strings.CutPrefix(path, s.Vault.Mount+"/")
	return isOwn && !strings.HasPrefix(below, "data/")
}
