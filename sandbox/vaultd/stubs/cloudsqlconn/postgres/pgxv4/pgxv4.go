// Package pgxv4 is the driver for PostgreSQL.
package pgxv4

import "cloud.google.com/go/cloudsqlconn"

var RegisterDriver = cloudsqlconn.RegisterDriver
