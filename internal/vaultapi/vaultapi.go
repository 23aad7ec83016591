// Package vaultapi opens Vault's own client as this project uses it, and says in words that quote
// no address why a request failed.
//
// Nothing of the shell's VAULT_* variables reaches the client: the settings say everything.
package vaultapi

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/vault/api"
)

// Options say which Vault, as whom and how.
type Options struct {
	// Address is Vault's URL. No error of this package quotes it.
	Address string
	Token   string
	// Namespace is empty for the root namespace.
	Namespace string
	// CACertFile is the PEM file of the CA that signed Vault's certificate. Empty: the system's.
	CACertFile string
	// Patience is how long one answer may take.
	Patience time.Duration
	// MaxRetries is how often a request is sent again after an answer 412, 429 or 5xx.
	MaxRetries int
	// Proxy leads a request to its proxy; nil: as HTTPS_PROXY says.
	Proxy func(*http.Request) (*url.URL, error)
	// Connected sees each connection's certificates. It may be nil.
	Connected func(tls.ConnectionState)
}

// ErrCA is an error about [Options.CACertFile].
var ErrCA = errors.New("vault.caCertFile")

// Open makes a client. It sends nothing.
func Open(options Options) (*api.Client, error) {
	transport, err := newTransport(options)
	if err != nil {
		return nil, err
	}
	client, err := api.NewClient(&api.Config{
		Address:      options.Address,
		HttpClient:   &http.Client{Transport: transport},
		Timeout:      options.Patience,
		MaxRetries:   options.MaxRetries,
		MinRetryWait: 200 * time.Millisecond,
		MaxRetryWait: 2 * time.Second,
	})
	if err != nil {
		// The library's text may quote the address.
		return nil, errors.New("no client of Vault can be made: check vaultAddress")
	}
	client.SetToken(options.Token)
	client.ClearNamespace()
	if options.Namespace != "" {
		client.SetNamespace(options.Namespace)
	}
	return client, nil
}

func newTransport(options Options) (*http.Transport, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if options.Connected != nil {
		settings.VerifyConnection = func(state tls.ConnectionState) error {
			options.Connected(state)
			return nil
		}
	}
	if options.CACertFile != "" {
		certificates, err := Certificates(options.CACertFile)
		if err != nil {
			return nil, err
		}
		settings.RootCAs = x509.NewCertPool()
		settings.RootCAs.AppendCertsFromPEM([]byte(certificates))
	}
	proxy := options.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	return &http.Transport{Proxy: proxy, TLSClientConfig: settings}, nil
}

// Certificates are those of a CA's file, in PEM and nothing else: whatever stands beside them, a
// key among it, is left out.
func Certificates(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%w: %s cannot be read on this machine. "+
			"Put the CA's PEM file there, or name where it is", ErrCA, file)
	}
	var certificates strings.Builder
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		_, err := x509.ParseCertificate(block.Bytes)
		if block.Type == "CERTIFICATE" && err == nil {
			plain := &pem.Block{Type: block.Type, Bytes: block.Bytes}
			certificates.Write(pem.EncodeToMemory(plain))
		}
	}
	if certificates.Len() == 0 {
		return "", fmt.Errorf("%w: %s has no PEM certificate in it. "+
			"Name the file of the CA that signed Vault's certificate", ErrCA, file)
	}
	return certificates.String(), nil
}

// Unreachable says why a request got no answer of Vault's within the patience, and what to do. It
// quotes nothing of the libraries' texts, which name the address.
func Unreachable(err error, patience time.Duration) string {
	if problem := certificateProblem(err); problem != "" {
		return problem
	}
	var (
		dns     *net.DNSError
		answer  *api.ResponseError
		timeout net.Error
	)
	switch {
	case errors.As(err, &dns):
		return "no name server of this machine knows its host. Check the spelling and the VPN"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there (connection refused). Check the port, and whether Vault runs"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the server speaks plain http. Enable TLS in Vault's listener, or use the port that has it"
	case errors.As(err, &answer) && strings.Contains(texts(answer), "HTTP request to an HTTPS server"):
		return "the server speaks TLS. Write https://"
	case errors.As(err, &answer):
		return fmt.Sprintf("what answers there is not Vault (status %d). "+
			"Give scheme, host and port of its API", answer.StatusCode)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %s. Check the network, the firewall and the VPN", patience)
	case isJSONError(err):
		return "what answers there is not Vault. Give scheme, host and port of its API"
	}
	return Reason(err)
}

func certificateProblem(err error) string {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet. " +
			"Renew it, and check this machine's clock"
	case errors.As(err, &hostname):
		return "the server's certificate is for another name. Use a name that is in it"
	case errors.As(err, &authority), errors.As(err, &invalid):
		return "the server's certificate is not signed by a CA that this machine trusts. " +
			"Set vault.caCertFile to the PEM file of the CA that signed it"
	}
	return ""
}

func isJSONError(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind)
}

// Reason is what Vault says, or the innermost text of an error: the outer ones quote the URL.
func Reason(err error) string {
	if err == nil {
		return "Vault answers nothing"
	}
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		return fmt.Sprintf("Vault answers %d (%s)", answer.StatusCode, texts(answer))
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// Status is the HTTP status of Vault's refusal, or 0.
func Status(err error) int {
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// texts are Vault's own words, on one line.
func texts(answer *api.ResponseError) string {
	return strings.Join(strings.Fields(strings.Join(answer.Errors, "; ")), " ")
}
