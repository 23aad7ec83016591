package azureml

import (
	machinelearningservices "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Compute is an AmlCompute cluster that scales to zero.
type Compute struct {
	VMSize   string
	MaxNodes int
}

// computeCluster carries the job identity: a job on it asks for that identity's token and for no other.
func (b *builder) computeCluster(workspace pulumi.StringInput, identity pulumi.IDOutput) (*machinelearningservices.Compute, error) {
	return machinelearningservices.NewCompute(b.ctx, b.name+"-cluster", &machinelearningservices.ComputeArgs{
		ResourceGroupName: b.group,
		WorkspaceName:     workspace,
		ComputeName:       named(b.args.Names.ComputeCluster),
		Location:          pulumi.String(b.args.Location),
		Identity: machinelearningservices.ManagedServiceIdentityArgs{
			Type:                   pulumi.String(machinelearningservices.ManagedServiceIdentityTypeUserAssigned),
			UserAssignedIdentities: pulumi.StringArray{identity.ToStringOutput()},
		},
		Properties: machinelearningservices.AmlComputeArgs{
			ComputeType:      pulumi.String("AmlCompute"),
			DisableLocalAuth: pulumi.Bool(true),
			Properties: machinelearningservices.AmlComputePropertiesArgs{
				VmSize:                      pulumi.String(b.args.Compute.VMSize),
				RemoteLoginPortPublicAccess: pulumi.String("Disabled"),
				ScaleSettings: machinelearningservices.ScaleSettingsArgs{
					MinNodeCount:                pulumi.Int(0),
					MaxNodeCount:                pulumi.Int(b.args.Compute.MaxNodes),
					NodeIdleTimeBeforeScaleDown: pulumi.String("PT2M"),
				},
			},
		},
		Tags: b.tags(),
	}, b.child()...)
}
