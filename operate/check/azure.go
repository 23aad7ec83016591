package check

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"mlvault/internal/settings"
)

// providers are Azure's resource providers that a configuration needs
// (learn.microsoft.com/azure/machine-learning, "Azure Machine Learning resource provider
// registration"). What is brought along exists, and so its provider is registered where it is. A
// registry that nobody names is made by Azure ML at the first image build.
func providers(s *settings.Settings) []string {
	azure := s.Azure
	if azure.WorkspaceExists() {
		return providersBesideWorkspace(s)
	}
	needsInsights := azure.ApplicationInsightsID == ""
	names := []string{
		"Microsoft.MachineLearningServices",
		"Microsoft.ManagedIdentity",
		"Microsoft.Notebooks",
	}
	for _, each := range []struct {
		name  string
		needs bool
	}{
		{name: "Microsoft.Storage", needs: azure.StorageAccountID == ""},
		{name: "Microsoft.KeyVault", needs: azure.KeyVaultID == ""},
		{name: "Microsoft.Insights", needs: needsInsights || azure.Diagnostics},
		{
			name:  "Microsoft.OperationalInsights",
			needs: azure.LogAnalyticsWorkspaceID == "" && azure.NeedsLogAnalytics(),
		},
		{name: "Microsoft.ContainerRegistry", needs: azure.ContainerRegistryID == ""},
		{
			name:  "Microsoft.Network",
			needs: azure.PrivateEndpoints != nil || azure.ManagedNetwork.IsOn(),
		},
		{name: "Microsoft.DocumentDB", needs: azure.CustomerManagedKey != nil},
		{name: "Microsoft.Search", needs: azure.CustomerManagedKey != nil},
	} {
		if each.needs {
			names = append(names, each.name)
		}
	}
	slices.Sort(names)
	return names
}

// providersBesideWorkspace are for the job identity and clusters alone.
func providersBesideWorkspace(s *settings.Settings) []string {
	var names []string
	if len(s.MadeClusters()) > 0 {
		names = append(names, "Microsoft.MachineLearningServices")
	}
	if !s.Workload.IdentityExists() {
		names = append(names, "Microsoft.ManagedIdentity")
	}
	return names
}

// azure asks the Azure CLI, where that is the login of the Azure provider.
func (c *checker) azure(ctx context.Context) {
	azure := c.settings.Azure
	isOfOthers := azure.WorkspaceExists() || azure.HasOwnIdentity()
	if group := azure.ExistingResourceGroup; group != "" && !isOfOthers {
		c.warning("azure.existingResourceGroup: Azure gives the workspace's identity the role Azure AI "+
			"Administrator on all of %s. It can then change and delete whatever else is in it. "+
			"Keep the group for this stack, or leave the setting out", group)
	}
	subscription := c.azureLogin(ctx)
	if subscription == "" {
		return
	}
	c.registrations(ctx)
	c.quota(ctx)
	c.audience(ctx)
	c.zones(ctx)
	c.subnets(ctx, subscription)
	c.approvals(ctx)
	c.existing(ctx, subscription)
}

// azureLogin is the subscription of the Azure CLI's login, or empty where the CLI cannot be asked.
func (c *checker) azureLogin(ctx context.Context) string {
	if login := c.stack.azureLogin(); login != "" {
		c.passed("Azure: the login is from %s. It was not tried", login)
		c.unseen("Azure's resource providers, quota, networks and the audience's app: " +
			"only the Azure CLI's login can be asked")
		return ""
	}
	if az(ctx, nil, "version") != nil {
		c.problem("Azure: there is no login: no ARM_* variables and no Azure CLI. " +
			"Install it and run `az login`, or set the variables of a service principal")
		return ""
	}
	subscription := Subscription(ctx)
	if subscription == "" {
		c.problem("Azure: the Azure CLI has no login. Run `az login`, and " +
			"`az account set --subscription ...`")
		return ""
	}
	c.passed("Azure: the login is the Azure CLI's. The location %s was not tried", c.settings.Location)
	return subscription
}

func (c *checker) registrations(ctx context.Context) {
	var registered []string
	const query = "[?registrationState=='Registered'].namespace"
	if az(ctx, &registered, "provider", "list", "--query", query) != nil {
		c.unseen("registrations of Azure's resource providers: `az provider list` fails")
		return
	}
	for _, provider := range providers(c.settings) {
		isRegistered := slices.ContainsFunc(registered, func(name string) bool {
			return strings.EqualFold(name, provider)
		})
		if !isRegistered {
			c.problem("Azure: the resource provider %s is not registered in the subscription. "+
				"Run `az provider register --namespace %s`", provider, provider)
		}
	}
}

// audience asks Entra for what a job's token needs: an app of this name, its service principal
// (else AADSTS500011), and no required assignment (else AADSTS501051).
func (c *checker) audience(ctx context.Context) {
	id := c.settings.Workload.Audience
	var principal struct {
		AppID    string `json:"appId"`
		Required bool   `json:"required"`
	}
	const query = "{appId: appId, required: appRoleAssignmentRequired}"
	err := az(ctx, &principal, "ad", "sp", "show", "--id", id, "--query", query)
	if err == nil && principal.Required {
		c.problem("workload.audience: the app %s wants every caller assigned, and the job identity is "+
			"not. Run `az ad sp update --id %s --set appRoleAssignmentRequired=false`", id, principal.AppID)
		return
	}
	if err == nil {
		c.passed("workload.audience: the app and its service principal are there")
		return
	}
	var app string
	appErr := az(ctx, &app, "ad", "app", "show", "--id", id, "--query", "appId")
	switch {
	case appErr == nil:
		c.problem("workload.audience: the app %s has no service principal in this tenant, so that Entra "+
			"gives no token for it. Run `az ad sp create --id %s`", id, app)
	case foundNothing(err) && foundNothing(appErr):
		c.problem("workload.audience: Entra has no app %s in this tenant, so that a job gets no token "+
			"for it. Make one (docs/deploy.md), or correct the setting", id)
	default:
		c.unseen("the app of workload.audience: the Azure CLI may not read it")
	}
}

// zones looks for private DNS zones of the same names that the virtual network is linked to
// already. Azure refuses the link to a second one, by then with most of the stack made. A hub
// mostly has them, and a second stack in the same network finds the first one's.
func (c *checker) zones(ctx context.Context) {
	endpoints := c.settings.Azure.PrivateEndpoints
	if endpoints == nil || endpoints.VirtualNetworkID == "" {
		return
	}
	var zones []struct{ Name, ID string }
	const list = "Microsoft.Network/privateDnsZones"
	err := az(ctx, &zones, "resource", "list", "--resource-type", list, "--query", "[].{name: name, "+
		"id: id}")
	if err != nil {
		c.unseen("private DNS zones of the virtual network: `az resource list` fails")
		return
	}
	own := map[string]bool{}
	for _, r := range c.made("azure-native:network:PrivateZone") {
		own[strings.ToLower(strings.Trim(r.ID, "/"))] = true
	}
	var taken []string
	for _, zone := range zones {
		isOwn := own[strings.ToLower(strings.Trim(zone.ID, "/"))]
		if !isOwn && c.needsZone(zone.Name) && isLinked(ctx, zone.ID, endpoints.VirtualNetworkID) {
			taken = append(taken, zone.ID)
		}
	}
	if len(taken) > 0 {
		c.problem("azure.privateEndpoints.virtualNetworkId: the network has private DNS zones of these "+
			"names "+
			"already, and Azure links no second one: %s. Remove the setting, and name all zones that are "+
			"needed in azure.privateEndpoints.dnsZoneIds", strings.Join(taken, ", "))
		return
	}
	c.passed("private DNS zones: the network has none of these names that this subscription shows")
}

func (c *checker) needsZone(name string) bool {
	for _, names := range c.settings.PrivateZones() {
		if slices.Contains(names, name) {
			return true
		}
	}
	return false
}

// isLinked tells whether a private DNS zone is linked to a virtual network.
func isLinked(ctx context.Context, zone, network string) bool {
	group, _, _ := strings.Cut(after(zone, "/resourceGroups/"), "/")
	var networks []string
	err := az(ctx, &networks, "network", "private-dns", "link", "vnet", "list",
		"--subscription", subscriptionOf(zone), "--resource-group", group, "--zone-name", path.Base(zone),
		"--query", "[].virtualNetwork.id")
	return err == nil && slices.ContainsFunc(networks, func(id string) bool {
		return strings.EqualFold(id, network)
	})
}

// after is what follows a part of an ARM id, whose case varies.
func after(id, part string) string {
	at := strings.Index(strings.ToLower(id), strings.ToLower(part))
	if at < 0 {
		return ""
	}
	return id[at+len(part):]
}

// Subscription is the Azure CLI's, or empty.
func Subscription(ctx context.Context) string {
	var id string
	_ = az(ctx, &id, "account", "show", "--query", "id")
	return id
}

// azureLogin names a login that is not the Azure CLI's, from the stack's configuration or the
// variables that the azure-native provider reads.
func (s Stack) azureLogin() string {
	isSet := func(name string) bool { return os.Getenv(name) != "" }
	isPrincipal := isSet("ARM_CLIENT_ID") && isSet("ARM_TENANT_ID")
	hasProof := isSet("ARM_CLIENT_SECRET") || isSet("ARM_CLIENT_CERTIFICATE_PATH") ||
		isSet("ARM_OIDC_TOKEN")
	switch {
	case s.AzureLogin:
		return "the azure-native settings of the stack"
	case isSet("ARM_USE_MSI"):
		return "a managed identity (ARM_USE_MSI)"
	case isSet("ARM_USE_OIDC"):
		return "the pipeline's OIDC token (ARM_USE_OIDC)"
	case isPrincipal && hasProof:
		return "the ARM_ variables of a service principal"
	default:
		return ""
	}
}

// tenant is the one that the login is in, or empty.
func (c *checker) tenant(ctx context.Context) string {
	id := os.Getenv("ARM_TENANT_ID")
	if id == "" {
		_ = az(ctx, &id, "account", "show", "--query", "tenantId")
	}
	return id
}

// az runs the Azure CLI and reads its answer. What it says about a failure is not shown: it may
// name accounts.
func az(ctx context.Context, into any, args ...string) error {
	command, err := exec.LookPath("az")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	args = append(args, "--output", "json")
	cmd := exec.CommandContext(ctx, command, args...) //nolint:gosec // G204: arguments of this file.
	out, err := cmd.Output()
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(out, into)
}

// foundNothing tells whether the Azure CLI found nothing, as it says by its exit code.
func foundNothing(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 3
}
