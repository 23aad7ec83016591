package settings

// Change is what a later change of a setting does to a stack that is up: a row of the table in
// docs/operate.md. It holds for both directions, from one value to another and back. A test of the
// sandbox plays each row and holds it to what the engine did.
type Change struct {
	// Updates are changed where they are.
	Updates []Part
	// Replaces are deleted and made again, with all that is in them.
	Replaces []Part
	// Moves are written at their new place, and then deleted at the old one.
	Moves []Part
	// Makes are made where the setting asks for them, and deleted where it no longer does.
	Makes []Part
	// IsRefused is of what Azure never changes and the program never makes anew. Preflight refuses it.
	IsRefused bool
	// Note is what else to know, in a sentence or two.
	Note string
	Jobs Jobs
	Back Back
}

// Part is something of a stack in Azure or Vault. What only hangs on another part, such as a role
// on it, follows that without being named.
type Part string

// Parts of a stack.
const (
	PartGroup             Part = "the resource group"
	PartJobIdentity       Part = "the job identity"
	PartWorkspaceIdentity Part = "the workspace's own identity"
	PartStorage           Part = "the storage account"
	PartKeyVault          Part = "the key vault"
	PartLogs              Part = "the Log Analytics workspace"
	PartInsights          Part = "Application Insights"
	PartRegistry          Part = "the registry"
	PartWorkspace         Part = "the workspace"
	PartCluster           Part = "the cluster"
	PartRoles             Part = "role assignments"
	PartDiagnostics       Part = "diagnostic settings"
	PartEndpoints         Part = "private endpoints"
	PartZones             Part = "private DNS zones"
	PartLocks             Part = "locks"
	// PartAzure is all of the above.
	PartAzure Part = "everything in Azure"

	PartConnection Part = "Pulumi's connection to Vault"
	PartMount      Part = "the mount"
	PartSecrets    Part = "the secrets"
	PartPolicy     Part = "the jobs' policy"
	PartBackend    Part = "the auth backend"
	PartRole       Part = "the jobs' role"
)

// Jobs says which jobs fail when the change is deployed.
type Jobs string

// Jobs that fail.
const (
	JobsGoOn Jobs = "no"
	// JobsThatRun is where the cluster or the workspace goes.
	JobsThatRun Jobs = "those that run"
	// JobsThatUse is where the change takes something away.
	JobsThatUse Jobs = "those that use what is taken away"
	// JobsOutdated is where a definition names what moved.
	JobsOutdated Jobs = "all, until `make job` has made new definitions"
)

// Back says whether the old value brings back what was.
type Back string

// Ways back.
const (
	BackWhole Back = "yes"
	BackEmpty Back = "the setting, but not what was in it"
	// BackNamed is of a name, which Pulumi keeps when the setting goes.
	BackNamed Back = "the old name, if you write it, but not what was in it"
	BackNever Back = "no, Azure refuses it"
	// BackUnknown is where Azure documents no way back.
	BackUnknown Back = "no way is documented"
	// BackByHand is where the note says what to do.
	BackByHand Back = "by hand"
)

// whatIsClosed has an address of its own, to which public access can be refused.
var whatIsClosed = []Part{PartWorkspace, PartStorage, PartKeyVault, PartRegistry}

// imagesAnew is what another registry means.
const imagesAnew = "Jobs build their images anew."

// loses is of what Azure never changes about a part: it is made again, and what was in it is gone.
func loses(parts ...Part) Change {
	return Change{Replaces: parts, Jobs: JobsThatRun, Back: BackEmpty}
}

// Changes that many settings have.
var (
	// movesAzure takes the job identity along, by which the jobs log in.
	movesAzure = Change{
		Replaces: []Part{PartAzure},
		Updates:  []Part{PartSecrets, PartRole},
		Jobs:     JobsOutdated,
		Back:     BackEmpty,
	}
	changesWorkspace = Change{
		Updates: []Part{PartWorkspace},
		Jobs:    JobsGoOn,
		Back:    BackWhole,
	}
	changesRules = Change{
		Updates: []Part{PartWorkspace},
		Jobs:    JobsThatUse,
		Back:    BackWhole,
	}
	changesRole = Change{
		Updates: []Part{PartRole},
		Jobs:    JobsGoOn,
		Back:    BackWhole,
	}
	changesConnection = Change{
		Updates: []Part{PartConnection},
		Jobs:    JobsGoOn,
		Back:    BackWhole,
	}
	changesSecrets = Change{
		Updates: []Part{PartSecrets},
		Jobs:    JobsGoOn,
		Back:    BackWhole,
	}
	changesRoleAssignments = Change{
		Makes: []Part{PartRoles},
		Jobs:  JobsGoOn,
		Back:  BackWhole,
	}
	// movesToAnotherVault: nothing tells the auth backend that it is in another Vault, until a
	// refresh looks for it.
	movesToAnotherVault = Change{
		Updates:  []Part{PartConnection, PartSecrets, PartPolicy},
		Replaces: []Part{PartRole},
		Note: "What the old Vault has stays there, and jobs of old definitions read it. This `up` " +
			"fails at the role, and `pulumi up --refresh --run-program` makes the auth backend and the " +
			"role. The same command ends the way back: the state has the other Vault's auth backend.",
		Jobs: JobsThatUse,
		Back: BackWhole,
	}
)
