package sandbox_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/stretchr/testify/require"

	"mlvault/internal/settings"
	"mlvault/sandbox/e2e/lab"
)

// unchanged is what a run with nothing to do reports for so many resources.
func unchanged(count int) map[string]int { return map[string]int{"same": count} }

// undelete brings a version of a secret back, as its operator does.
func undelete(l *lab.Lab, path string, version int) {
	l.T.Helper()
	undelete := strings.Replace(path, "/data/", "/undelete/", 1)
	l.Write(undelete, map[string]any{"versions": []int{version}})
}

func TestAStackLivesFromUpToDown(t *testing.T) {
	l := lab.New(t)

	configured := l.Prepare("dev", lab.Sample())
	require.NotContains(t, l.Planned(configured), "delete", "the first preview only creates")
	require.Empty(t, l.ARM.List(""), "a preview creates nothing in Azure")
	data, _ := l.Read(lab.APIKeyPath)
	require.Nil(t, data, "a preview creates nothing in Vault")

	_, changes := l.Up("dev", lab.Sample())
	all := changes["create"]
	require.Equal(t, map[string]int{"create": all}, changes)
	data, version := l.Read(lab.StorePath)
	require.Equal(t, lab.Canary+`-"<&>`, data["password"], "the payload arrives as it was given")
	require.Equal(t, 1, version)

	_, changes = l.Up("dev", lab.Sample())
	require.Equal(t, unchanged(all), changes, "the second up changes nothing")

	l.Reopen()
	_, changes = l.Up("dev", lab.Sample())
	require.Equal(t, unchanged(all), changes, "and neither does one after a restart")

	rotated := lab.Sample()
	rotated["ml_api_key"]["api_key"] = lab.Canary + "-rotated"
	dev, changes := l.Up("dev", rotated)
	require.Equal(t, map[string]int{"same": all - 1, "update": 1}, changes, "one payload, one update")
	data, version = l.Read(lab.APIKeyPath)
	require.Equal(t, lab.Canary+"-rotated", data["api_key"])
	require.Equal(t, 2, version, "of one new version")
	_, version = l.Read(lab.StorePath)
	require.Equal(t, 1, version, "and of no other credential")

	// Azure answers before the key vault is ready, and azure-native's generic resource keeps that
	// answer until the first refresh.
	_, err := dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	refreshed, err := dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	require.Equal(t, unchanged(all), *refreshed.Summary.ResourceChanges,
		"a refresh finds nothing changed: ARM's casing of ids is no drift\n%s", refreshed.StdOut)
	require.Equal(t, unchanged(all), l.Planned(dev, optpreview.ExpectNoChanges()))

	l.Destroy(dev)
	require.Empty(t, l.ARM.List(""))
	data, _ = l.Read(lab.APIKeyPath)
	require.Nil(t, data)
	undelete(l, lab.APIKeyPath, 2)
	data, _ = l.Read(lab.APIKeyPath)
	require.Equal(t, lab.Canary+"-rotated", data["api_key"], "a destroyed credential can come back")
	// Live, it belongs to the job identity of before, so the next up would leave it alone.
	require.NoError(t, l.Vault.Root().KVv2("secret").Delete(t.Context(), "mlvault/dev/ml_api_key"))

	dev, changes = l.Up("dev", lab.Sample())
	require.Equal(t, all, changes["create"], "after a destroy, up works again")
	read, err := dev.Job(t.Context())
	require.NoError(t, err)
	const names = "feature_store: password, port, user\nml_api_key: api_key"
	require.Equal(t, names, read, "a job reads, and prints no value")
}

func TestACredentialThatLeavesTheConfigurationLeavesVaultAndThePolicyAndCanBeBroughtBack(t *testing.T) {
	l := lab.New(t)
	_, changes := l.Up("dev", lab.Sample())
	all := changes["create"]

	renamed := lab.Payloads{
		"ml_api_key": lab.Sample()["ml_api_key"],
		"features":   {"user": "ml", "password": lab.Canary + "-new"},
	}
	_, changes = l.Up("dev", renamed)
	aNewOneAPolicyAndADeletedOne := map[string]int{
		"same":   all - 3,
		"create": 1,
		"update": 2, // what definitions name, too
		"delete": 1,
	}
	require.Equal(t, aNewOneAPolicyAndADeletedOne, changes)
	data, version := l.Read("secret/data/mlvault/dev/features")
	require.Equal(t, lab.Canary+"-new", data["password"], "the new name has the new value")
	require.Equal(t, 1, version)
	data, _ = l.Read(lab.StorePath)
	require.Nil(t, data, "the old name has none")
	name := settings.NameInVault(lab.ProjectName, "dev")
	policy, err := l.Vault.Root().Sys().GetPolicyWithContext(t.Context(), name)
	require.NoError(t, err)
	require.NotContains(t, policy, "feature_store")
	require.Contains(t, policy, "features")

	undelete(l, lab.StorePath, 1)
	data, _ = l.Read(lab.StorePath)
	require.Equal(t, "ml", data["user"], "what was removed can be undeleted")
}

func TestDriftInVaultIsFoundByARefreshAndRepaired(t *testing.T) {
	l := lab.New(t)
	credentials := lab.Payloads{
		"ml_api_key":    lab.Sample()["ml_api_key"],
		"feature_store": {"user": "ml", "password": lab.Canary + "-password"},
		"purged":        {"key": lab.Canary + "-purged"},
		"unread":        {"port": 54321},
	}
	dev, changes := l.Up("dev", credentials)
	all := changes["create"]
	tampered := map[string]any{"api_key": "tampered"}
	l.Write(lab.APIKeyPath, map[string]any{"data": tampered})
	for _, path := range []string{
		lab.StorePath,
		"secret/metadata/mlvault/dev/purged",
		"secret/data/mlvault/dev/unread",
	} {
		_, err := l.Vault.Root().Logical().DeleteWithContext(t.Context(), path)
		require.NoError(t, err)
	}

	_, err := dev.Preview(t.Context(),
		optpreview.Refresh(),
		optpreview.ExpectNoChanges(),
		optpreview.SuppressProgress())
	require.Error(t, err, "the scheduled check fails on drift")

	_, err = dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	_, changes = l.Up("dev", credentials)
	require.Equal(t, map[string]int{"same": all - 3, "update": 2, "create": 1}, changes)
	data, _ := l.Read(lab.APIKeyPath)
	require.Equal(t, lab.Canary+"-key", data["api_key"], "an edit is corrected")
	data, _ = l.Read(lab.StorePath)
	require.Equal(t, "ml", data["user"], "a deleted one is written again")
	data, version := l.Read("secret/data/mlvault/dev/purged")
	require.Equal(t, lab.Canary+"-purged", data["key"], "and so is a purged one")
	require.Equal(t, 1, version)
	data, _ = l.Read("secret/data/mlvault/dev/unread")
	require.Nil(t, data, "the price of not reading: nobody notices here")
}
