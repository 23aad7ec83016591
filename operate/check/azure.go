package check

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"mlvault/internal/settings"
)

// providers are Azure's resource providers that a configuration needs (learn.microsoft.com/azure/machine-learning,
// "Azure Machine Learning resource provider registration"). What is brought along exists, and so its provider is
// registered where it is. A registry that nobody names is made by Azure ML at the first image build.
func providers(azure settings.Azure) []string {
	names := []string{"Microsoft.MachineLearningServices", "Microsoft.ManagedIdentity", "Microsoft.Notebooks"}
	for name, needs := range map[string]bool{
		"Microsoft.Storage":             azure.StorageAccountID == "",
		"Microsoft.KeyVault":            azure.KeyVaultID == "",
		"Microsoft.Insights":            azure.ApplicationInsightsID == "" || azure.Diagnostics,
		"Microsoft.OperationalInsights": azure.LogAnalyticsWorkspaceID == "" && (azure.ApplicationInsightsID == "" || azure.Diagnostics),
		"Microsoft.ContainerRegistry":   azure.ContainerRegistryID == "",
		"Microsoft.Network":             azure.PrivateEndpoints != nil || azure.ManagedNetwork != nil && azure.ManagedNetwork.Mode != "Disabled",
		"Microsoft.DocumentDB":          azure.CustomerManagedKey != nil,
		"Microsoft.Search":              azure.CustomerManagedKey != nil,
	} {
		if needs {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// azure asks the Azure CLI, where that is the login of the Azure provider.
func (c *checker) azure(ctx context.Context) {
	if group := c.cfg.Azure.ExistingResourceGroup; group != "" && !c.cfg.Azure.WorkspaceIdentity {
		c.warning("azure.existingResourceGroup: Azure gives the workspace's identity the role Azure AI Administrator on all of %s. It can then change and delete "+
			"whatever else is in it. Keep the group for this stack, or leave the setting out", group)
	}
	switch login := c.stack.azureLogin(); {
	case login != "":
		c.passed("Azure: login by %s, not tried", login)
		c.unseen("Azure's resource providers, quota and the audience's app: the login is not the Azure CLI's")
		return
	case az(ctx, nil, "version") != nil:
		c.problem("Azure: there is no login: no ARM_* variables and no Azure CLI. Install it and `az login`, or set the variables of a service principal")
		return
	case Subscription(ctx) == "":
		c.problem("Azure: the Azure CLI has no login. Run `az login`, and `az account set --subscription ...`")
		return
	}
	c.passed("Azure: login by the Azure CLI; location %s, not tried", c.cfg.Location)
	c.registrations(ctx)
	c.quota(ctx)
	c.audience(ctx)
}

func (c *checker) registrations(ctx context.Context) {
	var registered []string
	if az(ctx, &registered, "provider", "list", "--query", "[?registrationState=='Registered'].namespace") != nil {
		c.unseen("registrations of Azure's resource providers: `az provider list` fails")
		return
	}
	for _, provider := range providers(c.cfg.Azure) {
		if !slices.ContainsFunc(registered, func(name string) bool { return strings.EqualFold(name, provider) }) {
			c.problem("Azure: the resource provider %s is not registered in the subscription. Run `az provider register --namespace %s`", provider, provider)
		}
	}
}

// quota compares the cores of the cluster with Azure ML's own quota for its family of sizes, which is another than that
// of virtual machines (learn.microsoft.com/rest/api/azureml: Virtual Machine Sizes - List, Usages - List).
func (c *checker) quota(ctx context.Context) {
	if c.cfg.Compute == nil {
		return
	}
	rest := func(into any, list, query string) error {
		location := strings.ToLower(strings.ReplaceAll(c.cfg.Location, " ", ""))
		return az(ctx, into, "rest", "--method", "get", "--query", query, "--url",
			"/subscriptions/{subscriptionId}/providers/Microsoft.MachineLearningServices/locations/"+location+"/"+list+"?api-version=2024-10-01")
	}
	var sizes []struct {
		Name, Family string
		Cores        int `json:"vCPUs"`
	}
	var usages []struct {
		Name        string
		Used, Limit int
	}
	if rest(&sizes, "vmSizes", "value[].{name: name, family: family, vCPUs: vCPUs}") != nil ||
		rest(&usages, "usages", "value[?type=='Microsoft.MachineLearningServices/vmFamily/usages'].{name: name.value, used: currentValue, limit: limit}") != nil {
		c.unseen("quota of the cluster: Azure ML's lists of sizes and usages could not be read")
		return
	}
	for _, size := range sizes {
		if !strings.EqualFold(size.Name, c.cfg.Compute.VMSize) {
			continue
		}
		family := strings.TrimSuffix(strings.TrimPrefix(size.Family, "standard"), "Family")
		for _, usage := range usages {
			if !strings.EqualFold(usage.Name, "Standard "+family+" Family Cluster Dedicated vCPUs") {
				continue
			}
			need, has := size.Cores*c.cfg.Compute.MaxNodes, usage.Limit-usage.Used
			if slices.ContainsFunc(c.stack.Resources, func(r Resource) bool { return strings.HasSuffix(r.Type, ":Compute") }) {
				has = usage.Limit // some of what is used may be the cluster's own
			}
			const text = "compute: the cluster needs %d cores (%d nodes of %s), and the quota of %q has %d free of %d. Request more: ml.azure.com, Quota"
			switch {
			case usage.Limit < 0 || has >= need:
				c.passed("quota: %d cores needed, %d free of %d", need, has, usage.Limit)
			case has < size.Cores:
				c.problem(text, need, c.cfg.Compute.MaxNodes, size.Name, usage.Name, has, usage.Limit)
			default:
				c.warning(text, need, c.cfg.Compute.MaxNodes, size.Name, usage.Name, has, usage.Limit)
			}
			return
		}
		c.unseen("quota of the cluster: Azure ML lists none for the family %s", size.Family)
		return
	}
	c.problem("compute.vmSize: Azure ML has no size %s in %s. List them: `az ml compute list-sizes --location %s`", c.cfg.Compute.VMSize, c.cfg.Location, c.cfg.Location)
}

// audience asks Entra for what a job's token needs: an app of this name, its service principal (else AADSTS500011), and
// no required assignment (else AADSTS501051).
func (c *checker) audience(ctx context.Context) {
	id := c.cfg.Workload.Audience
	var principal struct {
		AppID    string `json:"appId"`
		Required bool   `json:"required"`
	}
	err := az(ctx, &principal, "ad", "sp", "show", "--id", id, "--query", "{appId: appId, required: appRoleAssignmentRequired}")
	if err == nil && principal.Required {
		c.problem("workload.audience: the app %s wants every caller assigned, and the job identity is not. Run `az ad sp update --id %s --set appRoleAssignmentRequired=false`", id, principal.AppID)
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
		c.problem("workload.audience: the app %s has no service principal in this tenant, so that Entra gives no token for it. Run `az ad sp create --id %s`", id, app)
	case missing(err) && missing(appErr):
		c.problem("workload.audience: Entra has no app %s in this tenant, so that a job gets no token for it. Make one (docs/deploy.md), or correct the setting", id)
	default:
		c.unseen("the app of workload.audience: the Azure CLI may not read it")
	}
}

// Subscription is the Azure CLI's, or empty.
func Subscription(ctx context.Context) (id string) {
	_ = az(ctx, &id, "account", "show", "--query", "id")
	return id
}

// azureLogin names a login that is not the Azure CLI's, from the stack's configuration or the variables that the
// azure-native provider reads.
func (s Stack) azureLogin() string {
	if s.AzureLogin {
		return "the azure-native settings of the stack"
	}
	set := func(name string) bool { return os.Getenv(name) != "" }
	switch {
	case set("ARM_USE_MSI") || set("ARM_USE_OIDC"):
		return "the ARM_USE_ variables"
	case set("ARM_CLIENT_ID") && set("ARM_TENANT_ID") && (set("ARM_CLIENT_SECRET") || set("ARM_CLIENT_CERTIFICATE_PATH") || set("ARM_OIDC_TOKEN")):
		return "the ARM_ variables of a service principal"
	}
	return ""
}

// tenant is the one that the login is in, or empty.
func (c *checker) tenant(ctx context.Context) (id string) {
	if id = os.Getenv("ARM_TENANT_ID"); id == "" {
		_ = az(ctx, &id, "account", "show", "--query", "tenantId")
	}
	return id
}

// az runs the Azure CLI and reads its answer. What it says about a failure is not shown: it may name accounts.
func az(ctx context.Context, into any, args ...string) error {
	path, err := exec.LookPath("az")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, append(args, "--output", "json")...).Output() //nolint:gosec // G204: the Azure CLI, with arguments of this file.
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(out, into)
}

// missing tells whether the Azure CLI found nothing, as it says by its exit code.
func missing(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 3
}
