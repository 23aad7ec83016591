package settings

// Kind is what may be written as a setting's value, in the words of the reference.
type Kind string

// Kinds of settings.
const (
	KindText    Kind = "text"
	KindFlag    Kind = "true or false"
	KindNumber  Kind = "whole number"
	KindTexts   Kind = "list of texts"
	KindTextMap Kind = "object of texts"
	KindReads   Kind = "object of texts, or of objects"
	KindObject  Kind = "object"
	KindObjects Kind = "list of objects"
)

// Setting is what the reference says of one setting.
type Setting struct {
	// Key is as the reference writes it: azure.managedNetwork.outboundRules[].name.
	Key string
	// Name is the last part of the key.
	Name    string
	Kind    Kind
	Meaning string
	// Change is what a later change of it does; without Jobs and Back it is in the Settings.
	Change Change
	// Default is what holds where the setting is left out; empty: nothing does.
	Default  string
	Required bool
	Secret   bool

	// OneOf are the only texts that may be written, if there are any.
	OneOf []string
	// Pattern is a regular expression for a text; empty: none that an editor can check.
	Pattern string
	// Shortest and Longest are the lengths of a text in characters; 0: none that an editor can check.
	Shortest, Longest int
	// MayBeEmpty says that an empty text is one too.
	MayBeEmpty bool
	// Least and Most are the ends of a whole number.
	Least, Most int
	// Settings are those of an object, or of each object of a list.
	Settings []Setting
}

// Reference is every setting, in the order in which people read of them. Names that follow from the
// project and the stack have these in angle brackets.
func Reference() []Setting {
	s := &Settings{Project: "<project>", Stack: "<stack>"}
	s.defaults()
	top := []Setting{locationSetting, addressSetting, tokenSetting, credentialsSetting}
	return append(top, describeFields("", s.fields())...)
}

// describe is what the reference says of the settings of a section. The section has its defaults
// where they follow from project and stack.
func describe(key string, of section) []Setting {
	of.defaults()
	return describeFields(key+".", of.fields())
}

func describeFields(prefix string, fields []field) []Setting {
	var all []Setting
	for _, f := range fields {
		setting := Setting{
			Key:      prefix + f.key,
			Name:     f.key,
			Meaning:  f.meaning,
			Change:   f.change,
			Required: f.required != "",
		}
		f.value.describe(&setting)
		if f.shownDefault != "" {
			setting.Default = f.shownDefault
		}
		all = append(all, setting)
	}
	return all
}
