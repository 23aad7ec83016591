package settings

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// ownTags are the names of the program's own: a resource says which stack made it, and a query by
// them finds all of a stack.
var ownTags = []string{"project", "stack", "managed-by"}

// isOwnTag tells of a name in any case, since Azure's names of tags have none.
func isOwnTag(name string) bool {
	return slices.ContainsFunc(ownTags, func(own string) bool { return strings.EqualFold(own, name) })
}

// ResourceTags are the tags of everything in Azure: the program's own and those of azure.tags. A
// tag of the settings takes the place of the program's of that name, in whatever case it is
// written: a company's rule may ask for its own value. So nothing relies on the value of any tag.
func (s *Settings) ResourceTags() map[string]string {
	tags := map[string]string{
		"project":    s.Project,
		"stack":      s.Stack,
		"managed-by": "pulumi",
	}
	for name, value := range s.Azure.Tags {
		if isOwnTag(name) {
			delete(tags, strings.ToLower(name))
		}
		tags[name] = value
	}
	return tags
}

// Limits of tags (Azure Resource Manager, "Use tags to organize your resources"). They count
// characters and not bytes. Storage accounts take the shortest names, and private DNS zones the
// fewest tags.
const (
	mostTags          = 50
	mostTagsOfAZone   = 15
	longestTagName    = 128
	longestTagValue   = 256
	refusedInTagNames = `<>%&\?/`
)

// tagOfAZone is a tag's name that a private DNS zone takes: no space, no digit at its beginning, no
// special character.
var tagOfAZone = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// makesZones tells whether private DNS zones are made, which have the same tags as all that is
// made.
func (a *Azure) makesZones() bool {
	return a.PrivateEndpoints != nil && a.PrivateEndpoints.VirtualNetworkID != ""
}

// validateTags applies the narrowest limits of what is tagged. Azure's names of tags have no case.
func (a *Azure) validateTags(r *report) {
	added := len(ownTags)
	for name := range a.Tags {
		if isOwnTag(name) {
			added--
		}
	}
	most := mostTags - added
	if a.makesZones() {
		most = mostTagsOfAZone - added
	}
	if len(a.Tags) > most {
		r.addf("azure.tags", "has %d tags; at most %d, the program adds %d of its own%s",
			len(a.Tags), most, added, a.becauseOfZones())
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(a.Tags)) {
		key := "azure.tags." + name
		folded := strings.ToLower(name)
		if seen[folded] {
			r.addf(key, "differs from another tag by case only, and Azure's tag names have none")
		} else if problem := a.tagProblem(name, a.Tags[name]); problem != "" {
			r.addf(key, "%s", problem)
		}
		seen[folded] = true
	}
	a.validateIgnoredTags(r, seen)
}

func (a *Azure) becauseOfZones() string {
	if a.makesZones() {
		return ", and the private DNS zones that azure.privateEndpoints makes take no more"
	}
	return ""
}

func (a *Azure) tagProblem(name, value string) string {
	length := utf8.RuneCountInString(name)
	switch {
	case name == "" || length > longestTagName || strings.ContainsAny(name, refusedInTagNames):
		return `has a name that Azure refuses: 1 to 128 characters, none of < > % & \ ? /`
	case a.makesZones() && !tagOfAZone.MatchString(name):
		return "has a name that the private DNS zones refuse, which azure.privateEndpoints makes: " +
			"letters, digits, _ - and ., not beginning with a digit"
	case utf8.RuneCountInString(value) > longestTagValue:
		return "has a value of more than 256 characters"
	}
	return ""
}

// validateIgnoredTags refuses to ignore a tag that is set. tags are names in lower case.
func (a *Azure) validateIgnoredTags(r *report, tags map[string]bool) {
	for i, name := range a.IgnoreTags {
		if tags[strings.ToLower(name)] || isOwnTag(name) {
			key := element("azure.ignoreTags", i)
			r.addf(key, "%s is a tag that the program sets; ignore those of others alone", r.show(key, name))
		}
	}
}
