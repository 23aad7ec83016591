package settings

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// locationKey is the Azure provider's own key, which the program reads too.
const locationKey = "azure-native:location"

var locationSetting = Setting{
	Key:      locationKey,
	Name:     locationKey,
	Kind:     KindText,
	Required: true,
	Meaning: "The region, and the Azure provider's own key. So are `azure-native:subscriptionId` " +
		"and the others of that provider.",
	Change: movesAzure,
}

var location = regexp.MustCompile(`^[A-Za-z0-9 ]+$`)

func (s *Settings) validateLocation(r *report) {
	switch {
	case s.Location == "":
		r.addf(locationKey, "is missing; set it with "+
			"`pulumi config set azure-native:location westeurope`")
	case !location.MatchString(s.Location):
		r.addf(locationKey, "%s is not an Azure region such as "+
			"westeurope", r.show(locationKey, s.Location))
	}
}

// cloud is one of Microsoft's clouds: domains of private DNS zones ("Azure Private Endpoint private
// DNS zone values"; of Azure ML: "How to use your workspace with a custom DNS server"), and the
// host that signs version 1 tokens.
type cloud struct {
	// regions are the beginnings of its regions' names.
	regions   []string
	api       string
	notebooks string
	storage   string
	vault     string
	registry  string
	issuer    string
}

var (
	governmentCloud = cloud{
		regions:   []string{"usgov", "usdod"},
		api:       "api.ml.azure.us",
		notebooks: "notebooks.usgovcloudapi.net",
		storage:   "core.usgovcloudapi.net",
		vault:     "vaultcore.usgovcloudapi.net",
		registry:  "azurecr.us",
		issuer:    "sts.windows.net",
	}
	chinasCloud = cloud{
		regions:   []string{"china"},
		api:       "api.ml.azure.cn",
		notebooks: "notebooks.chinacloudapi.cn",
		storage:   "core.chinacloudapi.cn",
		vault:     "vaultcore.azure.cn",
		registry:  "azurecr.cn",
		issuer:    "sts.chinacloudapi.cn",
	}
	publicCloud = cloud{
		api:       "api.azureml.ms",
		notebooks: "notebooks.azure.net",
		storage:   "core.windows.net",
		vault:     "vaultcore.azure.net",
		registry:  "azurecr.io",
		issuer:    "sts.windows.net",
	}
)

// cloud is the one of the location.
func (s *Settings) cloud() cloud {
	region := strings.ToLower(strings.ReplaceAll(s.Location, " ", ""))
	for _, each := range []cloud{governmentCloud, chinasCloud} {
		for _, prefix := range each.regions {
			if strings.HasPrefix(region, prefix) {
				return each
			}
		}
	}
	return publicCloud
}

// PrivateZones are the private DNS zones of the location's cloud, by the part of a resource that an
// endpoint leads to.
func (s *Settings) PrivateZones() map[string][]string {
	const link = "privatelink."
	own := s.cloud()
	zones := map[string][]string{
		"amlworkspace": {link + own.api, link + own.notebooks},
		"vault":        {link + own.vault},
		"registry":     {link + own.registry},
	}
	for _, part := range []string{"blob", "file", "queue", "table"} {
		zones[part] = []string{link + part + "." + own.storage}
	}
	return zones
}

// DefaultIssuer is the iss claim of the version 1 tokens of a tenant, in the location's cloud.
// Entra signs these for every API that does not ask for version 2.
func (s *Settings) DefaultIssuer(tenant string) string {
	return "https://" + s.cloud().issuer + "/" + tenant + "/"
}

// Issuer is the iss claim of the tokens to trust, of an identity in this tenant.
func (s *Settings) Issuer(tenant string) string {
	if s.Workload.Issuer != "" {
		return s.Workload.Issuer
	}
	return s.DefaultIssuer(tenant)
}

// entraHost is an issuer's host. Each signs tokens of one version, and for the other version it
// announces another host.
type entraHost struct {
	version int
	other   string
}

// entraHosts are those of Microsoft's clouds: public, US government and China. sts.windows.net is
// the US government's too.
var entraHosts = map[string]entraHost{
	"sts.windows.net":                  {version: 1, other: "login.microsoftonline.com"},
	"login.microsoftonline.com":        {version: 2, other: "sts.windows.net"},
	"login.microsoftonline.us":         {version: 2, other: "sts.windows.net"},
	"sts.chinacloudapi.cn":             {version: 1, other: "login.partner.microsoftonline.cn"},
	"login.partner.microsoftonline.cn": {version: 2, other: "sts.chinacloudapi.cn"},
}

func entraHostNames() string {
	return strings.Join(slices.Sorted(maps.Keys(entraHosts)), ", ")
}

func signsVersion2(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && entraHosts[u.Host].version == 2
}
