package azureml

import (
	machinelearningservices "github.com/pulumi/pulumi-azure-native-sdk/machinelearningservices/v2/v20241001"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// CustomerManagedKey encrypts what Azure ML stores about the workspace. It stands in a key vault of its own with purge
// protection, in the workspace's subscription.
type CustomerManagedKey struct {
	KeyVaultID string // ARM id
	KeyID      string // the key's URI, with its version
	IdentityID string // ARM id of the user-assigned identity that reads the key; empty: the services' own principals do
}

func (k *CustomerManagedKey) encryption() machinelearningservices.EncryptionPropertyArgs {
	encryption := machinelearningservices.EncryptionPropertyArgs{
		Status: pulumi.String(machinelearningservices.EncryptionStatusEnabled),
		KeyVaultProperties: machinelearningservices.EncryptionKeyVaultPropertiesArgs{
			KeyVaultArmId: pulumi.String(k.KeyVaultID),
			KeyIdentifier: pulumi.String(k.KeyID),
		},
	}
	if k.IdentityID != "" {
		// It is not one of the workspace's own identities: a workspace that has had a second cannot go back.
		encryption.Identity = machinelearningservices.IdentityForCmkArgs{UserAssignedIdentity: pulumi.String(k.IdentityID)}
	}
	return encryption
}
