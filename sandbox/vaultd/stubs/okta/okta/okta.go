// Package okta stands in for Okta's SDK, which Vault's login MFA asks and this server never does: it took 80 CPU seconds to
// compile. Every request fails.
package okta

import (
	"context"
	"errors"
)

var errLeftOut = errors.New("login MFA with Okta is not in this build")

// Config, ConfigSetter and the functions that make them are what Vault calls first.
type (
	Config       struct{ Context context.Context }
	ConfigSetter func(*Config)
)

func NewConfiguration(...ConfigSetter) (*Config, error) { return nil, errLeftOut }
func WithToken(string) ConfigSetter                     { return nil }
func WithOrgUrl(string) ConfigSetter                    { return nil }
func WithCache(bool) ConfigSetter                       { return nil }

type (
	// APIClient is never made.
	APIClient struct{ UserAPI, UserFactorAPI api }

	// UserFactorPush is also every other answer of the API, none of which is ever given.
	UserFactorPush struct {
		UserFactorPush *UserFactorPush
		Links          any

		UserFactorPushTransaction, UserFactorPushTransactionWaiting, UserFactorPushTransactionRejected,
		UserFactorPushTransactionTimeout *UserFactorPush
	}

	api            struct{}
	request[T any] struct{}
)

func NewAPIClient(*Config) *APIClient { return &APIClient{} }

func (*APIClient) GetConfig() *Config              { return &Config{Context: context.Background()} }
func (*UserFactorPush) GetId() string              { return "" }
func (*UserFactorPush) GetFactorResult() string    { return "" }
func (r request[T]) Filter(string) request[T]      { return r }
func (request[T]) Execute() (none T, _, err error) { return none, nil, errLeftOut }

func (api) ListUsers(context.Context) (r request[[]UserFactorPush])           { return r }
func (api) ListFactors(context.Context, string) (r request[[]UserFactorPush]) { return r }

func (api) VerifyFactor(context.Context, string, string) (r request[*UserFactorPush]) { return r }

func (api) GetFactorTransactionStatus(context.Context, string, string, string) (r request[*UserFactorPush]) {
	return r
}
