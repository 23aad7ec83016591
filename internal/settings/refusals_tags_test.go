package settings

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

var refusalsOfTags = []refusal{
	{
		name: "too many tags with one in the place of the program's",
		edit: set("azure", `{"tags":{"Stack":"x",`+tags(48)+`}}`),
		want: "azure.tags: has 49 tags; at most 48, the program adds 2 of its own",
	},
	{
		name: "a tag that Azure refuses",
		edit: set("azure", `{"tags":{"a/b":"x"}}`),
		want: "azure.tags.a/b: has a name that Azure refuses",
	},
	{
		name: "a tag that is a number",
		edit: set("azure", `{"tags":{"a":1}}`),
		want: "azure.tags.a: is not a text; set it again with " +
			"`pulumi config set --path --type string azure.tags.a ...`",
	},
	{
		name: "a tag value that is too long",
		edit: set("azure", `{"tags":{"a":"`+strings.Repeat("ä", 257)+`"}}`),
		want: "azure.tags.a: has a value of more than 256",
	},
	{
		name: "a tag name that is too long",
		edit: set("azure", `{"tags":{"`+strings.Repeat("ä", 129)+`":"x"}}`),
		want: "has a name that Azure refuses",
	},
	{
		name: "two tags that differ by case",
		edit: set("azure", `{"tags":{"Team":"a","team":"b"}}`),
		want: "differs from another tag by case only",
	},
	{
		name: "too many tags",
		edit: set("azure", `{"tags":{`+tags(48)+`}}`),
		want: "azure.tags: has 48 tags; at most 47",
	},
	{
		name: "a tag that is set and ignored",
		edit: set("azure", `{"tags":{"team":"a"},"ignoreTags":["team"]}`),
		want: `azure.ignoreTags[0]: "team" is a tag that the program sets`,
	},
	{
		name: "a tag that is set and ignored in another case",
		edit: set("azure", `{"tags":{"team":"a"},"ignoreTags":["Team"]}`),
		want: `azure.ignoreTags[0]: "Team" is a tag that the program sets`,
	},
	{
		name: "a tag without a value that is ignored",
		edit: set("azure", `{"tags":{"team":""},"ignoreTags":["team"]}`),
		want: `azure.ignoreTags[0]: "team" is a tag that the program sets`,
	},
	{
		name: "a tag of the program's that is ignored",
		edit: set("azure", `{"ignoreTags":["Managed-By"]}`),
		want: `azure.ignoreTags[0]: "Managed-By" is a tag that the program sets`,
	},
	{
		name: "too many tags of a zone",
		edit: zones(tags(13)),
		want: "azure.tags: has 13 tags; at most 12, the program adds 3 of its own, and the private DNS zones",
	},
	{
		name: "a tag of a zone with a space",
		edit: zones(`"cost center":"x"`),
		want: "azure.tags.cost center: has a name that the private DNS zones refuse",
	},
	{
		name: "a tag of a zone that begins with a digit",
		edit: zones(`"1st":"x"`),
		want: "azure.tags.1st: has a name that the private DNS zones refuse",
	},
}

// tags are so many.
func tags(count int) string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf(`"t%d":"x"`, i)
	}
	return strings.Join(all, ",")
}

// A company's rule may ask for a tag of the program's name, with a value of its own.
func TestAMandatoryTagTakesThePlaceOfTheProgramsOwn(t *testing.T) {
	s := with(set("azure", `{"tags":{"Project":"P-4711","MANAGED-BY":"platform"}}`)).load(t)
	want := map[string]string{"Project": "P-4711", "MANAGED-BY": "platform", "stack": "dev"}
	if got := s.ResourceTags(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	with(set("azure", `{"tags":{"Stack":"x",`+tags(47)+`}}`)).load(t)
}

// Azure counts characters, and a name of a German word has more bytes.
func TestTagsAreAsLongAsAzureTakesThem(t *testing.T) {
	longest := strings.Repeat("ä", 128)
	value := strings.Repeat("ü", 256)
	with(set("azure", `{"tags":{"`+longest+`":"`+value+`"}}`)).load(t)
	with(set("azure", `{"tags":{`+tags(47)+`}}`)).load(t)
	with(zones(tags(12))).load(t)
}
