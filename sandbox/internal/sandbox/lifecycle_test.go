package sandbox_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/stretchr/testify/require"

	"mlvault/sandbox/e2e/lab"
)

func TestAStackLivesFromUpToDown(t *testing.T) {
	l := lab.New(t)

	configured := l.Prepare("dev", lab.Sample())
	require.NotContains(t, l.Planned(configured), "delete", "the first preview only creates")
	require.Empty(t, l.ARM.List(""), "a preview creates nothing in Azure")
	data, _ := l.Read(lab.APIKeyPath)
	require.Nil(t, data, "a preview creates nothing in Vault")

	_, changes := l.Up("dev", lab.Sample())
	require.Equal(t, map[string]int{"create": 20}, changes)
	data, version := l.Read(lab.StorePath)
	require.Equal(t, lab.Canary+`-"<&>`, data["password"], "the payload arrives as it was given")
	require.Equal(t, 1, version)

	_, changes = l.Up("dev", lab.Sample())
	require.Equal(t, map[string]int{"same": 20}, changes, "the second up changes nothing")

	l.Reopen()
	_, changes = l.Up("dev", lab.Sample())
	require.Equal(t, map[string]int{"same": 20}, changes, "and neither does one after a restart")

	changed := lab.Sample()
	changed["ml_api_key"]["api_key"] = lab.Canary + "-rotated"
	dev, changes := l.Up("dev", changed)
	require.Equal(t, map[string]int{"same": 19, "update": 1}, changes, "one changed payload is one update")
	data, version = l.Read(lab.APIKeyPath)
	require.Equal(t, lab.Canary+"-rotated", data["api_key"])
	require.Equal(t, 2, version, "of one new version")
	_, version = l.Read(lab.StorePath)
	require.Equal(t, 1, version, "and of no other credential")

	refreshed, err := dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	require.Equal(t, map[string]int{"same": 20}, *refreshed.Summary.ResourceChanges, "refresh finds nothing changed: ARM's casing of ids is no drift")
	require.Equal(t, map[string]int{"same": 20}, l.Planned(dev, optpreview.ExpectNoChanges()))

	l.Destroy(dev)
	require.Empty(t, l.ARM.List(""))
	data, _ = l.Read(lab.APIKeyPath)
	require.Nil(t, data)
	l.Write(strings.Replace(lab.APIKeyPath, "/data/", "/undelete/", 1), map[string]any{"versions": []int{2}})
	data, _ = l.Read(lab.APIKeyPath)
	require.Equal(t, lab.Canary+"-rotated", data["api_key"], "a destroyed credential can be brought back")

	dev, changes = l.Up("dev", lab.Sample())
	require.Equal(t, 20, changes["create"], "after a destroy, up works again")
	read, err := dev.Job(t.Context())
	require.NoError(t, err)
	require.Equal(t, "feature_store: password, port, user\nml_api_key: api_key", read, "a job reads, and prints no value")
}

func TestACredentialThatLeavesTheConfigurationLeavesVaultAndThePolicyAndCanBeBroughtBack(t *testing.T) {
	l := lab.New(t)
	l.Up("dev", lab.Sample())

	renamed := lab.Payloads{"ml_api_key": lab.Sample()["ml_api_key"], "features": {"user": "ml", "password": lab.Canary + "-new"}}
	_, changes := l.Up("dev", renamed)
	require.Equal(t, map[string]int{"same": 18, "create": 1, "update": 1, "delete": 1}, changes, "a renamed credential is a new one, a changed policy and a deleted one")
	data, version := l.Read("secret/data/mlvault/dev/features")
	require.Equal(t, lab.Canary+"-new", data["password"], "the new name has the new value")
	require.Equal(t, 1, version)
	data, _ = l.Read(lab.StorePath)
	require.Nil(t, data, "the old name has none")
	policy, err := l.Vault.Root().Sys().GetPolicyWithContext(t.Context(), "mlvault-dev-ae5143b98a56bf8e")
	require.NoError(t, err)
	require.NotContains(t, policy, "feature_store")
	require.Contains(t, policy, "features")

	l.Write(strings.Replace(lab.StorePath, "/data/", "/undelete/", 1), map[string]any{"versions": []int{1}})
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
	dev, _ := l.Up("dev", credentials)
	l.Write(lab.APIKeyPath, map[string]any{"data": map[string]any{"api_key": "tampered"}})
	for _, path := range []string{lab.StorePath, "secret/metadata/mlvault/dev/purged", "secret/data/mlvault/dev/unread"} {
		_, err := l.Vault.Root().Logical().DeleteWithContext(t.Context(), path)
		require.NoError(t, err)
	}

	_, err := dev.Preview(t.Context(), optpreview.Refresh(), optpreview.ExpectNoChanges(), optpreview.SuppressProgress())
	require.Error(t, err, "`preview --refresh --expect-no-changes`, the scheduled check, fails on drift")

	_, err = dev.Refresh(t.Context(), optrefresh.SuppressProgress())
	require.NoError(t, err)
	_, changes := l.Up("dev", credentials)
	require.Equal(t, map[string]int{"same": 19, "update": 2, "create": 1}, changes)
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
