// Package cloudsqlconn stands in for the way to databases in Google's cloud. Registering a driver of it fails.
package cloudsqlconn

import "errors"

type (
	Option     struct{}
	DialOption struct{}
)

func WithIAMAuthN() (o Option)                        { return o }
func WithCredentialsJSON([]byte) (o Option)           { return o }
func WithDefaultDialOptions(...DialOption) (o Option) { return o }
func WithPrivateIP() (o DialOption)                   { return o }
func WithPSC() (o DialOption)                         { return o }
func RegisterDriver(string, ...Option) (func() error, error) {
	return nil, errors.New("databases in Google's cloud are not in this build")
}
