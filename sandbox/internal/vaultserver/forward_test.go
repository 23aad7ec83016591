package vaultserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// earlyAnswer is a transport whose server answers before the transport has seen the end of the
// body. As net/http's does, it then cuts the answer off if the body fails.
type earlyAnswer struct{ begins string }

func (e earlyAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	body, answer := io.Pipe()
	go func() {
		_, _ = io.WriteString(answer, e.begins)
		time.Sleep(100 * time.Millisecond)
		rest, err := io.ReadAll(r.Body)
		_, _ = answer.Write(rest)
		_ = answer.CloseWithError(err)
	}()
	return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r}, nil
}

func TestAnAnswerThatComesBeforeTheEndOfTheRequestIsNotCutOff(t *testing.T) {
	begins := strings.Repeat("x", 10_000)
	target, err := url.Parse("http://vault.invalid")
	require.NoError(t, err)
	proxy := httptest.NewServer(forward(target, earlyAnswer{begins: begins}))
	defer proxy.Close()

	body := strings.NewReader("the request")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, proxy.URL, body)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, begins+"the request", string(text))
}
