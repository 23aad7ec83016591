package verify

// Claim is something that the stand-in for Azure assumes, or that the documentation promises, and
// that only a real subscription can confirm.
type Claim struct {
	Text string
	// Source is where it comes from.
	Source string
}

var (
	jobReads = Claim{
		Text:   "A job logs in to Vault as the job identity and reads its credentials",
		Source: "how-to-identity-based-service-authentication",
	}
	stepsRead = Claim{
		Text:   "Each step of a pipeline does, with variables and an identity of its own",
		Source: "reference-yaml-job-pipeline",
	}
	strangerRefused = Claim{
		Text:   "Vault refuses a token of the same tenant and app that is not the job identity's",
		Source: "docs/security.md",
	}
	refreshIsQuiet = Claim{
		Text:   "A refresh finds nothing that an `up` would change",
		Source: "docs/azure.md",
	}
	allIsThere = Claim{
		Text:   "Each resource of the state is in Azure, at the API version of the program",
		Source: "internal/settings/api_versions.go",
	}
	answersWhatWasSent = Claim{
		Text:   "ARM answers with what was sent to it",
		Source: "the stand-in",
	}
	idsVaryInCase = Claim{
		Text:   "Ids in an answer differ from those that were sent in their case at most",
		Source: "azure-rest-api-specs#8323",
	}
	addsNoTag = Claim{
		Text:   "Nobody adds a tag that azure.ignoreTags does not name",
		Source: "the stand-in",
	}
	namesAreMade = Claim{
		Text:   "A name that nobody gave is the logical name and eight hexadecimal digits",
		Source: "azure-native 2.92.3, getDefaultName",
	}
	vaultIsServed = Claim{
		Text:   "The key vault is served at API version 2026-02-01",
		Source: "key-vault/general/migrate-api-version",
	}
	clusterCarriesIdentity = Claim{
		Text:   "The cluster carries the job identity and no other",
		Source: "docs/security.md",
	}
	registryIsMade = Claim{
		Text:   "Azure ML makes a registry for a workspace without one when it builds the first image",
		Source: "concept-workspace",
	}
	networkIsMade = Claim{
		Text:   "The managed network is active once a cluster is there",
		Source: "how-to-managed-network",
	}
)

// claims are all, in the order of the report: one that nothing was said about is not reached.
var claims = []Claim{
	jobReads, stepsRead, strangerRefused, refreshIsQuiet, allIsThere, answersWhatWasSent,
	idsVaryInCase, addsNoTag, namesAreMade, vaultIsServed, clusterCarriesIdentity, registryIsMade,
	networkIsMade,
}
