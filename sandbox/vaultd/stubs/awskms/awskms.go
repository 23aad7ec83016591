// Package awskms stands in for the seal that keeps its key at Amazon, whose SDK is large. Configuring it fails.
package awskms

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
)

type wrapper struct{ wrapping.Wrapper }

func NewWrapper() *wrapper { return &wrapper{} }

func (*wrapper) SetConfig(context.Context, ...wrapping.Option) (*wrapping.WrapperConfig, error) {
	return nil, errors.New("seals that keep their key in a cloud are not in this build")
}

// WithLogger is given to the Shamir seal too, which does not look at it.
func WithLogger(hclog.Logger) wrapping.Option  { return none }
func WithDisallowEnvVars(bool) wrapping.Option { return none }

func none() any { return nil }

const (
	EnvAwsKmsWrapperKeyId   = "AWSKMS_WRAPPER_KEY_ID"
	EnvVaultAwsKmsSealKeyId = "VAULT_AWSKMS_SEAL_KEY_ID"
)
