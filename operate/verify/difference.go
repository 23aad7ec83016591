package verify

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// otherNames are properties that azure-native calls otherwise than Azure, and not only in another
// case.
var otherNames = map[string]string{
	"enablehttpstrafficonly": "supportshttpstrafficonly",
	"networkruleset":         "networkacls",
}

// onlyInTheRequest are inputs at the top that are in the address of a request.
var onlyInTheRequest = []string{
	"apiVersion", "name", "parentResourcePath", "resourceProviderNamespace", "resourceType",
	"resourceUri", "scope",
}

// difference compares what was sent with what Azure answers.
func difference(resource Resource, answer map[string]any) Compared {
	sent := map[string]any{}
	for name, value := range resource.Inputs {
		isInAddress := slices.Contains(onlyInTheRequest, name) || strings.HasSuffix(name, "Name") ||
			strings.HasPrefix(name, "__")
		if !isInAddress && !isSecret(value) {
			sent[name] = value
		}
	}
	sent = byAzuresNames(flatten(sent))
	got := byAzuresNames(flatten(answer))
	row := Compared{Name: resource.Name}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if name == "tags" {
			continue
		}
		switch compare(sent[name], got[name]) {
		case isDifferent:
			row.Different = append(row.Different, name)
		case isOtherCase:
			row.OtherCase = append(row.OtherCase, name)
		case isSame:
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		_, wasSent := sent[name]
		if !wasSent && !slices.Contains([]string{"id", "name", "type", "systemdata", "tags"}, name) {
			row.FilledIn = append(row.FilledIn, name)
		}
	}
	row.AddedTags = addedTags(sent["tags"], got["tags"])
	return row
}

func addedTags(sent, got any) []string {
	before, _ := sent.(map[string]any)
	after, _ := got.(map[string]any)
	var added []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if !hasFold(before, name) {
			added = append(added, name)
		}
	}
	return added
}

// hasFold looks a name up as Azure does, without regard to case.
func hasFold(object map[string]any, name string) bool {
	for key := range object {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// likeness says how much two values have in common.
type likeness int

const (
	isSame likeness = iota
	isOtherCase
	isDifferent
)

// compare looks whether all that was sent is in the answer, which may have more.
func compare(sent, got any) likeness {
	if isSecret(sent) {
		return isSame // nobody can see it here
	}
	switch sent := sent.(type) {
	case map[string]any:
		return compareObjects(sent, got)
	case []any:
		return compareLists(sent, got)
	case string:
		text, _ := got.(string)
		return compareTexts(sent, text)
	case nil:
		return isSame
	}
	if reflect.DeepEqual(sent, got) {
		return isSame
	}
	return isDifferent
}

func compareObjects(sent map[string]any, got any) likeness {
	answer, _ := got.(map[string]any)
	worst := isSame
	for name, value := range sent {
		worst = max(worst, compare(value, foldedValue(answer, name)))
	}
	return worst
}

// foldedValue is the value of a name, which may be an id in another case.
func foldedValue(object map[string]any, name string) any {
	if value, exact := object[name]; exact {
		return value
	}
	for key, value := range object {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return nil
}

// compareLists takes a list of ids that Azure answers as the keys of an object, too.
func compareLists(sent []any, got any) likeness {
	if keys, isObject := got.(map[string]any); isObject {
		worst := isSame
		for _, id := range sent {
			text, _ := id.(string)
			_, exact := keys[text]
			switch {
			case exact:
			case hasFold(keys, text):
				worst = max(worst, isOtherCase)
			default:
				worst = isDifferent
			}
		}
		return worst
	}
	answer, _ := got.([]any)
	if len(answer) < len(sent) {
		return isDifferent
	}
	worst := isSame
	for i, value := range sent {
		worst = max(worst, compare(value, answer[i]))
	}
	return worst
}

// compareTexts takes a place with and without spaces, and an id to which Azure adds a subscription.
func compareTexts(sent, got string) likeness {
	switch {
	case sent == got, strings.HasSuffix(got, sent) && strings.HasPrefix(sent, "/"):
		return isSame
	case strings.EqualFold(strings.ReplaceAll(sent, " ", ""), strings.ReplaceAll(got, " ", "")):
		return isOtherCase
	}
	return isDifferent
}

// flatten lifts the properties of every object to its own level, as azure-native does.
func flatten(object map[string]any) map[string]any {
	flat := map[string]any{}
	for name, value := range object {
		inner, isObject := value.(map[string]any)
		if name == "properties" && isObject {
			maps.Copy(flat, flatten(inner))
			continue
		}
		flat[name] = flattened(value)
	}
	return flat
}

func flattened(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return flatten(value)
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = flattened(item)
		}
		return items
	}
	return value
}

// byAzuresNames has the names at the top without case, underscores and azure-native's own words.
func byAzuresNames(object map[string]any) map[string]any {
	renamed := map[string]any{}
	for name, value := range object {
		name = strings.ToLower(strings.ReplaceAll(name, "_", ""))
		if azures, differs := otherNames[name]; differs {
			name = azures
		}
		renamed[name] = value
	}
	return renamed
}

// secretMark is what a state has in the place of a secret value.
const secretMark = "4dabf18193072939515e22adb298388d" //nolint:gosec // G101: Pulumi's, for all.

func isSecret(value any) bool {
	object, _ := value.(map[string]any)
	_, marked := object[secretMark]
	return marked
}
