package settings

import (
	"slices"
	"strings"
	"testing"
)

// template is a configuration with a template, and more of azure.
func template(text, more string) func(fake) {
	return set("azure", `{"names":{"template":"`+text+`"}`+more+`}`)
}

// longTail is more than an endpoint's name has room for, and less than others have.
var longTail = strings.Repeat("x", 50)

var refusalsOfNames = []refusal{
	{
		name: "a template without a kind",
		edit: template("acme-{stack}", ""),
		want: "azure.names.template: \"acme-{stack}\" has no {kind}",
	},
	{
		name: "a template with a placeholder that there is not",
		edit: template("{org}-{kind}", ""),
		want: "has something else than letters, digits, - _ . and the placeholders",
	},
	{
		name: "a template with a space",
		edit: template("acme {kind}", ""),
		want: "has something else than letters",
	},
	{
		name: "a template that is too long for a storage account",
		edit: set("azure", `{"names":{"template":"a-very-long-company-name-{stack}-{kind}","keyVault":"kv-ml"}}`),
		want: `azure.names.template: gives the storage account the name "averylongcompanynamedevst"`,
	},
	{
		name: "a template that is too long for a key vault",
		edit: template("a-rather-long-name-{stack}-{kind}", ""),
		want: `gives the key vault the name "a-rather-long-name-dev-kv", and Azure takes 3 to 24 letters`,
	},
	{
		name: "a template that begins with a digit",
		edit: template("1{kind}", ""),
		want: "or set azure.names.keyVault",
	},
	{
		name: "a template that is too long for an endpoint",
		edit: alter(endpoints(aSubnet), "azure", `{`, `{"names":{"template":"acme-{kind}-`+longTail+`",`+
			`"storageAccount":"mlstore","keyVault":"kv-ml","containerRegistry":"mlimages","workspace":"mlw"},`),
		want: "gives a private endpoint the name \"acme-pep-amlworkspace-",
	},
}

// One report has every name that does not fit, so that a template is mended once.
func TestEveryNameOfATemplateThatAzureRefusesIsReportedAtOnce(t *testing.T) {
	_, err := From(with(template(strings.Repeat("x", 40)+"-{kind}", "")).source())
	problems, isRefused := AsProblems(err)
	if !isRefused {
		t.Fatal(err)
	}
	for _, what := range []string{"the storage account", "the key vault", "the workspace"} {
		isSaid := slices.ContainsFunc(problems, func(p Problem) bool {
			return strings.Contains(p.Text, "gives "+what+" the name")
		})
		if !isSaid {
			t.Errorf("%s: nothing is said in\n%v", what, err)
		}
	}
}

func TestATemplateNamesAllThatIsMadeAndNotNamed(t *testing.T) {
	s := with(template("Acme-{project}-{stack}-{kind}", `,"createContainerRegistry":true,`+
		`"keyVaultId":"`+vaultID+`"`)).load(t)
	want := Names{
		Template:            "Acme-{project}-{stack}-{kind}",
		ResourceGroup:       "Acme-mlvault-dev-rg",
		JobIdentity:         "Acme-mlvault-dev-id",
		StorageAccount:      "acmemlvaultdevst",
		LogAnalytics:        "Acme-mlvault-dev-log",
		ApplicationInsights: "Acme-mlvault-dev-appi",
		ContainerRegistry:   "Acmemlvaultdevcr",
		Workspace:           "Acme-mlvault-dev-mlw",
	}
	if s.Azure.Names != want {
		t.Errorf("got %+v, want %+v", s.Azure.Names, want)
	}
	if name := s.PrivateEndpointName("blob"); name != "Acme-mlvault-dev-pep-blob" {
		t.Errorf("an endpoint is called %s", name)
	}
	if name := s.LockName("registry"); name != "Acme-mlvault-dev-lock-cr" {
		t.Errorf("a lock is called %s", name)
	}
}

func TestANameOfItsOwnWinsOverTheTemplate(t *testing.T) {
	long := "a-rather-long-name-{stack}-{kind}"
	names := `{"names":{"template":"` + long + `","keyVault":"kv-ml","storageAccount":"mlstore"}}`
	s := with(set("azure", names)).load(t)
	if s.Azure.Names.KeyVault != "kv-ml" || s.Azure.Names.StorageAccount != "mlstore" {
		t.Errorf("got %+v", s.Azure.Names)
	}
	none := with(set("azure", `{"names":{"keyVault":"kv-ml"}}`)).load(t)
	if none.Azure.Names.Workspace != "" || none.LockName("kv") != "" {
		t.Error("without a template something has a name")
	}
}
