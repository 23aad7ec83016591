package sandbox_test

import (
	"testing"

	"mlvault/sandbox/e2e/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
