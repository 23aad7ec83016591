package check

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"mlvault/internal/config"
)

// providers are Azure's resource providers of what the program makes. What is brought along exists, and so its provider is
// registered where it is.
func providers(azure config.Azure) []string {
	names := []string{"Microsoft.MachineLearningServices", "Microsoft.ManagedIdentity"}
	for name, makes := range map[string]bool{
		"Microsoft.Storage":             azure.StorageAccountID == "",
		"Microsoft.KeyVault":            azure.KeyVaultID == "",
		"Microsoft.Insights":            azure.ApplicationInsightsID == "" || azure.Diagnostics,
		"Microsoft.OperationalInsights": azure.LogAnalyticsWorkspaceID == "" && (azure.ApplicationInsightsID == "" || azure.Diagnostics),
		"Microsoft.ContainerRegistry":   azure.CreateContainerRegistry,
	} {
		if makes {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// azure tells what can be known without asking Azure itself: whether there is a login that the Azure provider takes, and
// by the Azure CLI, where it is installed, whether the resource providers are registered.
func (c *checker) azure(ctx context.Context) {
	switch login := c.stack.azureLogin(); {
	case login != "":
		c.passed("Azure: login by %s, not tried", login)
		c.unseen("registrations of Azure's resource providers: the login is not the Azure CLI's")
		return
	case az(ctx, "version") == nil:
		c.problem("Azure: there is no login: no ARM_* variables and no Azure CLI; install it and `az login`, or set the variables of a service principal")
		return
	}
	if Subscription(ctx) == "" {
		c.problem("Azure: the Azure CLI has no login; `az login`, and `az account set --subscription ...`")
		return
	}
	c.passed("Azure: login by the Azure CLI; location %s, not tried", c.cfg.Location)
	registered := az(ctx, "provider", "list", "--query", "[?registrationState=='Registered'].namespace", "--output", "tsv")
	if len(registered) == 0 {
		c.unseen("registrations of Azure's resource providers: `az provider list` gave none")
		return
	}
	for _, provider := range providers(c.cfg.Azure) {
		if !slices.ContainsFunc(registered, func(name string) bool { return strings.EqualFold(name, provider) }) {
			c.problem("Azure: the resource provider %s is not registered in the subscription; `az provider register --namespace %s`", provider, provider)
		}
	}
}

// Subscription is the Azure CLI's, or empty.
func Subscription(ctx context.Context) string {
	if answer := az(ctx, "account", "show", "--query", "id", "--output", "tsv"); len(answer) == 1 {
		return answer[0]
	}
	return ""
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
func (c *checker) tenant(ctx context.Context) string {
	if tenant := os.Getenv("ARM_TENANT_ID"); tenant != "" {
		return tenant
	}
	if answer := az(ctx, "account", "show", "--query", "tenantId", "--output", "tsv"); len(answer) == 1 {
		return answer[0]
	}
	return ""
}

// az runs the Azure CLI and returns the words of its answer, or nil when it is missing or fails. What it says about
// a failure is not shown: it may name accounts.
func az(ctx context.Context, args ...string) []string {
	path, err := exec.LookPath("az")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output() //nolint:gosec // G204: the Azure CLI, with arguments of this file.
	if err != nil {
		return nil
	}
	return strings.Fields(string(out))
}
