package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"mlvault/sandbox/internal/vaultserver"
)

// NamedAddress is Vault's address behind the proxy.
//
// A managed network that lets out only what a rule approves wants Vault under a DNS name and on
// port 443, where no ordinary user of this machine may listen. So Vault has such a name here.
// Whoever asks for it, the plugin or the job, goes through a forward proxy, as in many companies.
const NamedAddress = "https://" + vaultserver.Name

// proxy passes CONNECT requests for Vault's name on to Vault, and refuses every other request.
type proxy struct {
	// target is host:port.
	target string
	url    *url.URL
	server *http.Server
}

func startProxy(ctx context.Context, target string) (*proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("sandbox: proxy: %w", err)
	}
	p := &proxy{target: target, url: &url.URL{Scheme: "http", Host: listener.Addr().String()}}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

// forName is the proxy for requests to Vault's name, and none for others. http.ProxyFromEnvironment
// says the same in a process whose HTTPS_PROXY is this one.
func (p *proxy) forName(r *http.Request) (*url.URL, error) {
	if r.URL.Hostname() == vaultserver.Name {
		return p.url, nil
	}
	return nil, nil
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Host != vaultserver.Name+":443" {
		http.Error(w, "this proxy leads to the sandbox's Vault only", http.StatusForbidden)
		return
	}
	vault, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.target)
	if err != nil {
		http.Error(w, "Vault does not answer", http.StatusBadGateway)
		return
	}
	defer func() { _ = vault.Close() }()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // nobody to tell
	}
	defer func() { _ = client.Close() }()
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(vault, buffered)
		_ = vault.Close()
	}()
	_, _ = io.Copy(client, vault)
}
