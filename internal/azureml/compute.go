package azureml

import (
	"fmt"

	ml "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"mlvault/internal/component"
	"mlvault/internal/settings"
)

const firstClusterSuffix = "-cluster"

// clusterSuffix is of a cluster's name in Pulumi. One that the settings name has that name behind
// it: to remove a cluster must not make the others again.
func clusterSuffix(cluster settings.Cluster) string {
	if cluster.Name == settings.DefaultCluster {
		return firstClusterSuffix
	}
	return firstClusterSuffix + "-" + cluster.Name
}

// fixClusters registers what each cluster keeps for its life: its size, its priority, its subnet,
// and whether it is in the workspace's managed network. A cluster that was made outside of it stays
// outside.
func (b *builder) fixClusters() error {
	for _, cluster := range b.settings.MadeClusters() {
		size := cluster.VMSize
		if cluster.LowPriority {
			size += " of low priority"
		}
		values := fmt.Sprintf("vmSize %s, subnetId %q, in the managed network %t. "+
			"A change deletes the cluster, with the jobs that run on it.",
			size, cluster.SubnetID, b.azure.ManagedNetwork.IsOn())
		fixed, err := b.fixed(clusterSuffix(cluster), pulumi.String(values), b.ownOptions())
		if err != nil {
			return fmt.Errorf("%s: %w", cluster.Name, err)
		}
		b.clustersFixed = append(b.clustersFixed, fixed)
	}
	return nil
}

// computeClusters makes the clusters, and names those that exist beside them, in the order of the
// settings.
func (b *builder) computeClusters() error {
	made := 0
	for _, cluster := range b.settings.Compute {
		if cluster.Exists() {
			name := pulumi.String(cluster.AzureName())
			b.parent.Clusters = append(b.parent.Clusters, name)
			b.parent.ExistingClusters = append(b.parent.ExistingClusters, name)
			continue
		}
		name, err := b.computeCluster(cluster, b.clustersFixed[made])
		if err != nil {
			return fmt.Errorf("%s: %w", cluster.Name, err)
		}
		b.parent.Clusters = append(b.parent.Clusters, name)
		made++
	}
	return nil
}

// computeCluster carries the job identity: a job on it asks for that identity's token and for no
// other.
func (b *builder) computeCluster(
	cluster settings.Cluster, fixed component.Fixed,
) (pulumi.StringInput, error) {
	properties := ml.AmlComputePropertiesArgs{
		VmSize:                      pulumi.String(cluster.VMSize),
		RemoteLoginPortPublicAccess: pulumi.String("Disabled"),
		ScaleSettings: ml.ScaleSettingsArgs{
			MinNodeCount:                pulumi.Int(cluster.MinNodes),
			MaxNodeCount:                pulumi.Int(cluster.MaxNodes),
			NodeIdleTimeBeforeScaleDown: pulumi.String(cluster.IdleTime()),
		},
	}
	if cluster.LowPriority {
		properties.VmPriority = pulumi.String(ml.VmPriorityLowPriority)
	}
	if cluster.SubnetID != "" {
		properties.Subnet = ml.ResourceIdArgs{Id: pulumi.String(cluster.SubnetID)}
	}
	if cluster.SubnetID != "" || b.azure.ManagedNetwork.IsOn() {
		// Azure gives each node a public address unless it is told not to.
		properties.EnableNodePublicIp = pulumi.Bool(false)
	}
	options := []pulumi.ResourceOption{
		pulumi.IgnoreChanges([]string{"properties.properties.subnet"}), // see fixClusters
		pulumi.DeleteBeforeReplace(true),                               // the new one has the same name
	}
	if cluster.SubnetID != "" {
		// PUT of a cluster without public addresses in a network of one's own: Azure ML refuses it
		// until the workspace has its private endpoint ("Secure training environment").
		options = append(options, pulumi.DependsOn(b.endpoints))
	}
	made, err := ml.NewCompute(b.ctx, b.name+clusterSuffix(cluster), &ml.ComputeArgs{
		ResourceGroupName: fixed.Known(b.group),
		WorkspaceName:     b.parent.Name,
		ComputeName:       pulumi.String(cluster.Name),
		Location:          b.location,
		Identity: ml.ManagedServiceIdentityArgs{
			Type:                   pulumi.String(ml.ManagedServiceIdentityTypeUserAssigned),
			UserAssignedIdentities: pulumi.StringArray{b.parent.JobIdentity.ID},
		},
		Properties: ml.AmlComputeArgs{
			ComputeType:      pulumi.String("AmlCompute"),
			DisableLocalAuth: pulumi.Bool(true),
			Properties:       properties,
		},
		Tags: b.tags(),
	}, b.ownTaggedOptions(options...)...)
	if err != nil {
		return nil, err
	}
	return made.Name, nil
}
