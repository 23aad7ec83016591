package vaultapi_test

import (
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlvault/internal/vaultapi"
)

// written is a file with a text.
func written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The certificates go to the jobs. A bundle with its key in it must not take that along.
func TestOfACAsFileOnlyTheCertificatesAreTaken(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	der := server.Certificate().Raw
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("canary")}))

	got, err := vaultapi.Certificates(written(t, "issuer=ml\n"+certificate+key+certificate))
	if err != nil {
		t.Fatal(err)
	}
	if got != certificate+certificate {
		t.Errorf("got %s", got)
	}
	for _, none := range []string{key, "", strings.ReplaceAll(certificate, "M", "-")} {
		_, err := vaultapi.Certificates(written(t, none))
		if !errors.Is(err, vaultapi.ErrCA) || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
	}
}
