package surfaces

import (
	"testing"

	"mlvault/sandbox/e2e/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
