package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mlvault/internal/settings/strictjson"
)

// section is an object of the configuration: one at the top, one inside another, or each of a list.
//
// It is filled in three steps. defaults says what holds where nothing is written. Then what is
// written is taken, field by field, and each value is checked as it is written: an explicit 0,
// false or "" is never turned into the default. At last [Settings] checks what depends on several
// fields.
type section interface {
	defaults()
	fields() []field
}

// field is all that is known of one setting. The decoder, docs/configuration.md, the table of
// changes in docs/operate.md, Pulumi.yaml and the JSON Schema for editors are all made from it.
type field struct {
	// key is its name in the section.
	key string
	// value is where it goes, and what may be written.
	value value
	// meaning is for people, in a sentence or two.
	meaning string
	// required says what to do where it is missing. Without it the setting may be left out.
	required string
	// change is what a later change of it does. An object needs none where that is in its fields.
	change Change
	// shownDefault is the default in the reference where it follows from other settings. All other
	// defaults are read from the section itself.
	shownDefault string
}

// value is where a setting goes, and what may be written there.
type value interface {
	// decode takes what is written at a key, or reports why it does not.
	decode(r *report, key string, written any)
	// describe says in a Setting of the reference what may be written, and what holds without it.
	describe(into *Setting)
}

// decodeText takes a setting at the top from its JSON text.
func decodeText(r *report, key, text string, into value) {
	root, faults := strictjson.Parse(text)
	reportFaults(r, key, faults)
	if root == nil {
		return // no JSON, which is said
	}
	into.decode(r, key, root)
}

// decodeObject fills a section. Every unknown field, every value of another type and every missing
// one is reported under its own key, not only the first.
func decodeObject(r *report, key string, written any, into section) {
	fields := into.fields()
	members, isObject := written.(map[string]any)
	if !isObject {
		r.addf(key, "is not an object; set its fields one by one, for example "+
			"`pulumi config set --path %s.%s ...`", key, fields[0].key)
		return
	}
	known := map[string]field{}
	for _, f := range fields {
		known[f.key] = f
		if _, given := members[f.key]; !given && f.required != "" {
			r.addf(key+"."+f.key, "is missing; %s", f.required)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		at := key + "." + name
		f, isKnown := known[name]
		switch {
		case !isKnown:
			names := strings.Join(slices.Sorted(maps.Keys(known)), ", ")
			r.addf(at, "is not a known field; %s has %s", key, names)
		case r.has(at): // a null, or a field that is there twice
		default:
			r.written[at] = true
			f.value.decode(r, at, members[name])
		}
	}
}

// reportFaults adds the faults of a JSON text and returns the keys that have one.
func reportFaults(r *report, key string, faults []strictjson.Fault) map[string]bool {
	faulty := map[string]bool{}
	for _, fault := range faults {
		r.addf(key+fault.Path, "%s", fault.Text)
		faulty[key+fault.Path] = true
	}
	return faulty
}

func element(key string, index int) string {
	return fmt.Sprintf("%s[%d]", key, index)
}

// textRule says which texts may be written.
type textRule struct {
	// oneOf are the only ones, if there are any.
	oneOf []string
	// problem says what is wrong with a text, in words that follow the text; empty: nothing is.
	problem func(text string) string
	// canonical is the one spelling of a text that has several.
	canonical func(text string) string
	// pattern is what an editor can check of problem. It refuses nothing that problem takes.
	pattern string
	// shortest and longest are numbers of characters; 0: no limit that an editor can check.
	shortest, longest int
	// mayBeEmpty is for values that mean something when they are empty.
	mayBeEmpty bool
	// isLong is for texts of many lines, which no message repeats.
	isLong bool
}

// anyText is every text but the empty one, which nobody needs: who leaves a setting out does not
// write it.
var anyText = textRule{}

func oneOf(texts ...string) textRule {
	return textRule{oneOf: texts}
}

// take checks a text and returns it in its canonical spelling.
func (rule textRule) take(r *report, key string, written any) (string, bool) {
	text, isText := written.(string)
	switch {
	case !isText:
		r.addf(key, "is not a text (put it in quotes)")
		return "", false
	case text == "" && !rule.mayBeEmpty:
		r.addf(key, "is empty; give it a value or remove it")
		return "", false
	case len(rule.oneOf) > 0 && !slices.Contains(rule.oneOf, text):
		r.addf(key, "%s is not one of %s", r.show(key, text), strings.Join(rule.oneOf, ", "))
		return "", false
	}
	if problem := rule.check(text); problem != "" {
		if !rule.isLong {
			problem = r.show(key, text) + " " + problem
		}
		r.addf(key, "%s", problem)
		return "", false
	}
	if rule.canonical != nil {
		text = rule.canonical(text)
	}
	return text, true
}

func (rule textRule) check(text string) string {
	if rule.problem == nil {
		return ""
	}
	return rule.problem(text)
}

func (rule textRule) describe(into *Setting) {
	into.OneOf = rule.oneOf
	into.Pattern = rule.pattern
	into.Shortest = rule.shortest
	into.Longest = rule.longest
	into.MayBeEmpty = rule.mayBeEmpty
}

// text is a setting of one text.
func text(into *string, rule textRule) value {
	return textValue{into: into, rule: rule}
}

type textValue struct {
	into *string
	rule textRule
}

func (v textValue) decode(r *report, key string, written any) {
	taken, ok := v.rule.take(r, key, written)
	if ok {
		*v.into = taken
	}
}

func (v textValue) describe(into *Setting) {
	into.Kind = KindText
	into.Default = *v.into
	v.rule.describe(into)
}

// flag is a setting that is true or false.
func flag(into *bool) value {
	return flagValue{into: into}
}

type flagValue struct{ into *bool }

func (v flagValue) decode(r *report, key string, written any) {
	taken, isFlag := written.(bool)
	if !isFlag {
		r.addf(key, "is not true or false")
		return
	}
	*v.into = taken
}

func (v flagValue) describe(into *Setting) {
	into.Kind = KindFlag
	into.Default = strconv.FormatBool(*v.into)
}

// number is a setting of one whole number between two others.
func number(into *int, least, most int) value {
	return numberValue{into: into, least: least, most: most}
}

type numberValue struct {
	into        *int
	least, most int
}

func (v numberValue) decode(r *report, key string, written any) {
	digits, isNumber := written.(json.Number)
	taken, err := strconv.Atoi(digits.String())
	switch {
	case !isNumber || err != nil:
		r.addf(key, "is not a whole number")
	case taken < v.least || taken > v.most:
		r.addf(key, "%d is not between %d and %d", taken, v.least, v.most)
	default:
		*v.into = taken
	}
}

func (v numberValue) describe(into *Setting) {
	into.Kind = KindNumber
	into.Default = strconv.Itoa(*v.into)
	into.Least = v.least
	into.Most = v.most
}

// texts is a setting of a list of texts. Each stands in it once.
func texts(into *[]string, rule textRule) value {
	return textsValue{into: into, rule: rule}
}

type textsValue struct {
	into *[]string
	rule textRule
}

func (v textsValue) decode(r *report, key string, written any) {
	members, isList := written.([]any)
	if !isList {
		r.addf(key, "is not a list of texts")
		return
	}
	var taken []string
	for i, member := range members {
		at := element(key, i)
		if r.has(at) {
			continue
		}
		text, ok := v.rule.take(r, at, member)
		switch {
		case !ok:
		case slices.Contains(taken, text):
			r.addf(at, "%s is given twice", r.show(key, text))
		default:
			taken = append(taken, text)
		}
	}
	*v.into = taken
}

func (v textsValue) describe(into *Setting) {
	into.Kind = KindTexts
	v.rule.describe(into)
}

// textMap is a setting of texts by names that the user chooses.
func textMap(into *map[string]string, rule textRule) value {
	return textMapValue{into: into, rule: rule}
}

type textMapValue struct {
	into *map[string]string
	rule textRule
}

func (v textMapValue) decode(r *report, key string, written any) {
	members, isObject := written.(map[string]any)
	if !isObject {
		r.addf(key, "is not an object whose values are texts")
		return
	}
	taken := map[string]string{}
	for name, member := range members {
		at := key + "." + name
		if r.has(at) {
			continue
		}
		if _, isText := member.(string); !isText {
			r.addf(at, "is not a text; set it again with "+
				"`pulumi config set --path --type string %s ...`", at)
			continue
		}
		text, ok := v.rule.take(r, at, member)
		if ok {
			taken[name] = text
		}
	}
	*v.into = taken
}

func (v textMapValue) describe(into *Setting) {
	into.Kind = KindTextMap
	v.rule.describe(into)
}

// object is a section inside a section. add makes it, and is called only where it is written.
func object(add func() section) value {
	return objectValue{add: add}
}

type objectValue struct{ add func() section }

func (v objectValue) decode(r *report, key string, written any) {
	into := v.add()
	into.defaults()
	decodeObject(r, key, written, into)
}

func (v objectValue) describe(into *Setting) {
	into.Kind = KindObject
	into.Settings = describe(into.Key, v.add())
}

// objects is a list of sections. add makes one more of them.
func objects(add func() section) value {
	return objectsValue{add: add}
}

type objectsValue struct{ add func() section }

func (v objectsValue) decode(r *report, key string, written any) {
	members, isList := written.([]any)
	if !isList {
		r.addf(key, "is not a list of objects; begin each with a hyphen, or set its fields one by one: "+
			"`pulumi config set --path '%s.<field>' ...`", element(key, 0))
		return
	}
	for i, member := range members {
		into := v.add()
		into.defaults()
		if at := element(key, i); !r.has(at) {
			decodeObject(r, at, member, into)
		}
	}
}

func (v objectsValue) describe(into *Setting) {
	into.Kind = KindObjects
	into.Settings = describe(into.Key+"[]", v.add())
}
