package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"mlvault/sandbox/internal/arm"
)

// Picture is all that Vault and Azure hold, by path or id, as text.
type Picture map[string]string

// Without is what one picture has and the other has not, or has otherwise.
func (p Picture) Without(other Picture) Picture {
	rest := Picture{}
	for place, text := range p {
		if other[place] != text {
			rest[place] = text
		}
	}
	return rest
}

// Difference says in which places, and there in which fields, there is something else than wanted.
func Difference(got, want Picture) string {
	var lines []string
	for place, text := range got.Without(want) {
		wanted, isWanted := want[place]
		if !isWanted {
			lines = append(lines, "too much: "+place)
			continue
		}
		have := fields(text)
		need := fields(wanted)
		for field := range have.Without(need) {
			lines = append(lines, fmt.Sprintf("%s: %s is %s", place, field, have[field]))
		}
		for field := range need.Without(have) {
			lines = append(lines, fmt.Sprintf("%s: %s should be %s", place, field, need[field]))
		}
	}
	for place := range want.Without(got) {
		if _, isThere := got[place]; !isThere {
			lines = append(lines, "missing: "+place)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// fields are the values in a JSON text, by path.
func fields(text string) Picture {
	var value any
	_ = json.Unmarshal([]byte(text), &value) // the text was made from a value
	found := Picture{}
	collect(value, "", found)
	return found
}

func collect(value any, at string, found Picture) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			collect(member, at+"."+name, found)
		}
	case []any:
		for i, member := range value {
			collect(member, fmt.Sprintf("%s[%d]", at, i), found)
		}
	default:
		found[at] = fmt.Sprintf("%q", fmt.Sprint(value))
	}
}

// Picture is what Vault and Azure hold now.
func (l *Lab) Picture() (Picture, error) {
	all, err := vaultPicture(l.Vault.Root())
	maps.Copy(all, azurePicture(l.ARM))
	return all, err
}

// vaultPicture has every policy, auth method, role and living secret. What a deployer's token has
// is left out: that is the sandbox's own.
func vaultPicture(root *api.Client) (Picture, error) {
	v := vaultReader{root: root, found: Picture{}}
	v.policies()
	v.methods()
	v.mounts()
	return v.found, v.err
}

// vaultReader reads until the first error, which it keeps.
type vaultReader struct {
	root  *api.Client
	found Picture
	err   error
}

func (v *vaultReader) list(at string) []string {
	if v.err != nil {
		return nil
	}
	answer, err := v.root.Logical().List(at)
	v.err = err
	if err != nil || answer == nil {
		return nil
	}
	var names []string
	keys, _ := answer.Data["keys"].([]any)
	for _, name := range keys {
		names = append(names, fmt.Sprint(name))
	}
	return names
}

func (v *vaultReader) read(at string) map[string]any {
	if v.err != nil {
		return nil
	}
	answer, err := v.root.Logical().Read(at)
	if isRefused(err, "no static keys") { // a jwt method that nobody has configured
		return nil
	}
	v.err = err
	if err != nil || answer == nil {
		return nil
	}
	return answer.Data
}

func isRefused(err error, text string) bool {
	return err != nil && strings.Contains(err.Error(), text)
}

func (v *vaultReader) note(place string, data any) {
	text, err := json.Marshal(data)
	if err != nil && v.err == nil {
		v.err = err
	}
	v.found["vault "+place] = string(text)
}

func (v *vaultReader) policies() {
	for _, name := range v.list("sys/policies/acl") {
		if !strings.HasPrefix(name, "deployer-") {
			v.note("policy "+name, v.read("sys/policies/acl/" + name)["policy"])
		}
	}
}

func (v *vaultReader) methods() {
	for mount, about := range v.read("sys/auth") {
		if mount == "token/" {
			continue
		}
		details, _ := about.(map[string]any)
		v.note("auth "+mount, details["description"])
		v.note("auth "+mount+"config", v.read("auth/"+mount+"config"))
		for _, role := range v.list("auth/" + mount + "role") {
			v.note("auth "+mount+"role/"+role, v.read("auth/"+mount+"role/"+role))
		}
	}
}

func (v *vaultReader) mounts() {
	for mount, about := range v.read("sys/mounts") {
		details, _ := about.(map[string]any)
		if details["type"] == "kv" {
			v.secrets(mount, "")
		}
	}
}

// secrets notes what lives below a folder. A secret whose newest version is deleted does not.
func (v *vaultReader) secrets(mount, folder string) {
	for _, name := range v.list(mount + "metadata/" + folder) {
		place := folder + name
		if strings.HasSuffix(name, "/") {
			v.secrets(mount, place)
			continue
		}
		data := v.read(mount + "data/" + place)["data"]
		if data == nil {
			continue
		}
		v.note("secret "+mount+place, map[string]any{
			"data":     data,
			"metadata": v.read(mount + "metadata/" + place)["custom_metadata"],
		})
	}
}

// azurePicture has every document, under the ids that ARM gave.
func azurePicture(server *arm.Server) Picture {
	found := Picture{}
	for _, doc := range server.List("") {
		text, _ := json.Marshal(doc)
		found["azure "+strings.ToLower(fmt.Sprint(doc["id"]))] = string(text)
	}
	return found
}

var (
	// suffix is the random end of a name that azure-native made up.
	suffix = regexp.MustCompile(`[0-9a-f]{8}$`)
	// hasGUID matches a name that is nothing but chance.
	hasGUID = regexp.MustCompile(`^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$`)
)

// WithoutChance takes out of a picture what chance made: the ends of automatic names, names that
// are GUIDs, and what Azure derives from an id.
func (l *Lab) WithoutChance(p Picture) Picture {
	var replace []string
	for _, doc := range l.ARM.List("") {
		id := fmt.Sprint(doc["id"])
		name := path.Base(id)
		plain := suffix.ReplaceAllString(name, "*")
		if hasGUID.MatchString(name) { // a role assignment, or the registry that Azure ML makes
			plain = "guid"
		}
		owner := "of " + fmt.Sprint(doc["type"]) + " " + plain
		replace = append(replace,
			arm.PrincipalID(id), "principal "+owner,
			arm.ClientID(id), "client "+owner,
		)
		if plain != name {
			replace = append(replace, name, plain)
		}
	}
	replacer := strings.NewReplacer(replace...)
	texts := map[string][]string{}
	for place, text := range p {
		text = workspaceGUID.ReplaceAllString(replacer.Replace(text), `"workspaceId":"guid"`)
		text = requiredRule.ReplaceAllString(text, "$1")
		text = ownersMark.ReplaceAllString(text, "$1")
		text = formerIdentity.ReplaceAllString(text, jobsPrincipal)
		plain := replacer.Replace(place)
		texts[plain] = append(texts[plain], text)
	}
	result := Picture{}
	for plain, all := range texts {
		slices.Sort(all) // such as role assignments of one scope
		for i, text := range all {
			result[plain+strings.Repeat("+", i)] = text
		}
	}
	return result
}

// jobsPrincipal is how a picture has the job identity.
const jobsPrincipal = "identity principal of Microsoft.ManagedIdentity/userAssignedIdentities " +
	"ml-identity*"

var (
	workspaceGUID = regexp.MustCompile(`"workspaceId":"[0-9a-f-]{36}"`)
	// ownersMark is that of a backend. One that stays where it is keeps its first one after a rename.
	ownersMark = regexp.MustCompile(`(Azure ML jobs of mlvault stack [^/"]+/)\w+`)
	// formerIdentity is in the mark of a backend that is older than the job identity.
	formerIdentity = regexp.MustCompile(`identity [0-9a-f-]{36}`)
	requiredRule   = regexp.MustCompile(`(__SYS_PE_[^"]*_)[0-9a-f]{8}`)
)
