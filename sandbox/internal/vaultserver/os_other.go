//go:build !linux

package vaultserver

import "errors"

func limitWrites(int, bool) error { return errors.New("a full disk can be had on Linux only") }
