package vaultserver

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// largestRequest is Vault's own default limit, max_request_size. Vault refuses what is longer.
const largestRequest = 32 << 20

// forward passes requests on to Vault. Where Vault does not answer, neither does the proxy: it
// breaks the connection.
func forward(target *url.URL, transport http.RoundTripper) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return readBodyFirst(proxy)
}

// readBodyFirst has the whole body of a request before it is passed on.
//
// Otherwise an answer may be cut off: Vault answers as soon as it has the last byte, and the
// proxy's server then closes the body of the request. If the transport has not seen the end of the
// body by then, it takes that for a failed write and closes the connection to Vault in the middle
// of the answer. The client sees "unexpected EOF" (about one long answer in 200, with Go 1.26).
func readBodyFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestRequest+1))
		if err != nil {
			http.Error(w, "read the request: "+err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		r.TransferEncoding = nil
		next.ServeHTTP(w, r)
	})
}
