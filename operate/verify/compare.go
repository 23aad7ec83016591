package verify

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Resource is one of the state.
type Resource struct {
	// Type is Pulumi's type token, with the module of the API version.
	Type string
	// Name is the logical name.
	Name   string
	ID     string
	Inputs map[string]any
	// External says that it is somebody else's: the program sends nothing for it.
	External bool
}

// Compared is what Azure made of a resource: names of properties and of tags, and no value.
type Compared struct {
	Name      string
	Different []string
	OtherCase []string
	FilledIn  []string
	AddedTags []string
}

// compare asks Azure for each of its resources.
func (v Verification) compare(ctx context.Context, report *Report, resources []Resource) {
	v.say("comparing %d resources of the state with Azure", len(resources))
	var absent []string
	answered := 0
	for _, resource := range resources {
		if !strings.HasPrefix(resource.Type, "azure-native:") {
			continue
		}
		var answer map[string]any
		url := resource.ID + "?api-version=" + apiVersion(resource)
		if err := v.Azure.Ask(ctx, &answer, "rest", "--method", "get", "--url", url); err != nil {
			absent = append(absent, resource.Name)
			continue
		}
		answered++
		if resource.External {
			continue
		}
		report.Comparison = append(report.Comparison, difference(resource, answer))
		aboutOne(report, resource, answer)
	}
	byName := func(a, b Compared) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(report.Comparison, byName)
	if answered == 0 {
		report.add(allIsThere, notReached, "Azure answered for no resource")
		return
	}
	report.verdict(allIsThere, absent, fmt.Sprintf("%d resources", answered))
	if len(report.Comparison) == 0 {
		return // all of it is somebody else's
	}
	summarise(report, resources)
}

// verdict is wrong where something was found that should not be.
func (r *Report) verdict(claim Claim, found []string, good string) {
	if len(found) > 0 {
		r.add(claim, wrong, strings.Join(found, ", "))
		return
	}
	r.add(claim, confirmed, good)
}

// summarise says of all resources together what was assumed.
func summarise(report *Report, resources []Resource) {
	var different, otherCase, tags []string
	for _, row := range report.Comparison {
		for _, name := range row.Different {
			different = append(different, row.Name+"."+name)
		}
		for _, name := range row.OtherCase {
			otherCase = append(otherCase, row.Name+"."+name)
		}
		for _, name := range row.AddedTags {
			tags = append(tags, row.Name+"."+name)
		}
	}
	report.verdict(answersWhatWasSent, different, "of every resource")
	seen := "all in the case in which they were sent"
	if len(otherCase) > 0 {
		seen = "another case in " + strings.Join(otherCase, ", ")
	}
	report.add(idsVaryInCase, confirmed, seen)
	report.verdict(addsNoTag, tags, "no tag was added")

	var strange []string
	made := 0
	for _, resource := range resources {
		if resource.Inputs["__createBeforeDelete"] != true || isGUIDNamed(resource) {
			continue
		}
		made++
		name := resource.ID[strings.LastIndex(resource.ID, "/")+1:]
		digits, isAutomatic := strings.CutPrefix(strings.ToLower(name), strings.ToLower(resource.Name))
		if !isAutomatic || !eightDigits.MatchString(digits) {
			strange = append(strange, resource.Name)
		}
	}
	if made > 0 {
		report.verdict(namesAreMade, strange, fmt.Sprintf("%d names", made))
	}
}

var (
	eightDigits = regexp.MustCompile(`^[0-9a-f]{8}$`)
	inModule    = regexp.MustCompile(`/v(\d{4})(\d{2})(\d{2})(preview)?:`)
)

// isGUIDNamed tells whether Azure wants a GUID for a name.
func isGUIDNamed(resource Resource) bool {
	return strings.HasSuffix(resource.Type, ":RoleAssignment")
}

// apiVersion is the one that the program uses for a resource.
func apiVersion(resource Resource) string {
	if version, isInput := resource.Inputs["apiVersion"].(string); isInput {
		return version
	}
	match := inModule.FindStringSubmatch(resource.Type)
	if match == nil {
		return ""
	}
	version := strings.Join(match[1:4], "-")
	if match[4] != "" {
		version += "-preview"
	}
	return version
}

// aboutOne says what was assumed of one resource alone.
func aboutOne(report *Report, resource Resource, answer map[string]any) {
	flat := flatten(answer)
	switch {
	case resource.Inputs["resourceProviderNamespace"] == "Microsoft.KeyVault":
		report.add(vaultIsServed, confirmed, "it answered")
	case strings.HasSuffix(resource.Type, ":Compute"):
		carried := identitiesOf(answer)
		wanted := identitiesOf(resource.Inputs)
		if slices.Equal(carried, wanted) {
			report.add(clusterCarriesIdentity, confirmed, "as the program made it")
			return
		}
		report.add(clusterCarriesIdentity, wrong, fmt.Sprintf("it carries %d identities", len(carried)))
	case strings.HasSuffix(resource.Type, "machinelearningservices/v20241001:Workspace"):
		aboutWorkspace(report, resource, flat)
	}
}

func aboutWorkspace(report *Report, resource Resource, answer map[string]any) {
	if resource.Inputs["containerRegistry"] == nil {
		if textOr(answer["containerRegistry"], "") == "" {
			report.add(registryIsMade, notReached, "no image was built: those of the hand-over need none")
		} else {
			report.add(registryIsMade, confirmed, "the workspace has one")
		}
	}
	network, _ := answer["managedNetwork"].(map[string]any)
	if network == nil || strings.EqualFold(textOr(network["isolationMode"], "Disabled"), "Disabled") {
		return
	}
	status, _ := network["status"].(map[string]any)
	if state := textOr(status["status"], ""); strings.EqualFold(state, "Active") {
		report.add(networkIsMade, confirmed, "active")
	} else {
		report.add(networkIsMade, notReached, "it is "+state)
	}
}

// identitiesOf are the ids of user-assigned identities, without regard to case.
func identitiesOf(resource map[string]any) []string {
	identity, _ := resource["identity"].(map[string]any)
	var ids []string
	switch assigned := identity["userAssignedIdentities"].(type) {
	case map[string]any:
		ids = slices.Collect(maps.Keys(assigned))
	case []any:
		for _, id := range assigned {
			ids = append(ids, textOr(id, ""))
		}
	}
	for i, id := range ids {
		ids[i] = strings.ToLower(id)
	}
	slices.Sort(ids)
	return ids
}
