package settings

import (
	"maps"
	"slices"
	"strings"
)

// besideWorkspace are the fields of azure that mean something where the workspace exists. Every
// other is for a workspace that the program makes, a field that is new among them: whoever adds one
// decides here.
var besideWorkspace = []string{
	"azure.existingResourceGroup",
	"azure.ignoreTags",
	"azure.managedNetwork",
	"azure.managedNetwork.mode", // clusters are made otherwise in a managed network
	"azure.names",
	"azure.names.jobIdentity",
	"azure.names.template",
	"azure.tags",
	"azure.workspaceId",
}

// WorkspaceExists tells whether the workspace is somebody else's. Then neither it nor what it needs
// is made.
func (a *Azure) WorkspaceExists() bool {
	return a.WorkspaceID != ""
}

// WorkspaceGroup is the resource group of the workspace that exists.
func (a *Azure) WorkspaceGroup() string {
	id, _ := parseARMID(a.WorkspaceID)
	return id.group
}

// WorkspaceSubscription is the subscription of the workspace that exists.
func (a *Azure) WorkspaceSubscription() string {
	id, _ := parseARMID(a.WorkspaceID)
	return id.subscription
}

// IdentityExists tells whether the job identity is somebody else's.
func (w *Workload) IdentityExists() bool {
	return w.IdentityID != ""
}

// validateExistingWorkspace refuses what only a workspace that is made can have.
func (s *Settings) validateExistingWorkspace(r *report) {
	a := &s.Azure
	s.validateExistingIdentity(r)
	if !a.WorkspaceExists() {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(r.written)) {
		isOfAzure := strings.HasPrefix(key, "azure.") && !strings.ContainsRune(key, '[')
		if !isOfAzure || slices.Contains(besideWorkspace, key) || goesWithItsObject(key) {
			continue
		}
		r.addf(key, "is for a workspace that the program makes, and azure.workspaceId names one that "+
			"exists; remove it. What the workspace has, its owner decides")
	}
	if s.Workload.Serverless {
		r.addf("workload.serverless", "changes the workspace, and azure.workspaceId names one that "+
			"exists; remove it. Its owner attaches the identity, under `identity` of the workspace's file "+
			"for `az ml workspace update --file`")
	}
	if s.Workload.Endpoints {
		r.addf("workload.endpoints", "gives roles on what is made with a workspace, and "+
			"azure.workspaceId names one that exists; remove it. Its owner gives the job identity AcrPull "+
			"on the registry and Storage Blob Data Reader on the storage account")
	}
	s.validateExistingClusters(r)
}

// goesWithItsObject tells whether a key is a field of an object that is refused as a whole.
func goesWithItsObject(key string) bool {
	object := key[:strings.LastIndexByte(key, '.')]
	return object != "azure" && !slices.Contains(besideWorkspace, object)
}

// validateExistingClusters wants the clusters that exist to be in the workspace that exists.
func (s *Settings) validateExistingClusters(r *report) {
	below := strings.ToLower(s.Azure.WorkspaceID + "/computes/")
	for i, cluster := range s.Compute {
		if cluster.Exists() && !strings.HasPrefix(strings.ToLower(cluster.ComputeID), below) {
			r.addf(element("compute", i)+".computeId", "is not a cluster of the workspace that "+
				"azure.workspaceId names, and jobs reach no other")
		}
	}
}

// validateExistingIdentity refuses what is said of a job identity that is made, or of a group for
// it, where it exists.
func (s *Settings) validateExistingIdentity(r *report) {
	if !s.Workload.IdentityExists() {
		return
	}
	if s.Azure.Names.JobIdentity != "" {
		r.addf("azure.names.jobIdentity", "is for an identity that the program makes, and "+
			"workload.identityId names one that exists; remove one of the two")
	}
	if s.Azure.WorkspaceExists() && s.Azure.ExistingResourceGroup != "" {
		r.addf("azure.existingResourceGroup", "is used by nothing: azure.workspaceId and "+
			"workload.identityId name what exists, and clusters are in the workspace's group. Remove it")
	}
	isAttached := slices.Contains(s.Azure.UserAssignedIdentityIDs, s.Workload.IdentityID)
	if s.Workload.Serverless && isAttached {
		r.addf("azure.userAssignedIdentityIds", "has the identity of workload.identityId, which "+
			"workload.serverless attaches already; remove it from the list")
	}
	if s.Azure.WorkspaceIdentityID == s.Workload.IdentityID {
		r.addf("workload.identityId", "is the workspace's own identity, and has the power over all that "+
			"the workspace has; give jobs another one")
	}
}
