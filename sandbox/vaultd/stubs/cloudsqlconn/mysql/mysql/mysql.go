// Package mysql is the driver for MySQL.
package mysql

import "cloud.google.com/go/cloudsqlconn"

var RegisterDriver = cloudsqlconn.RegisterDriver
