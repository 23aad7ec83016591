package arm

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault is trouble for the next requests that match. The zero Fault slows nothing and fails nothing.
type Fault struct {
	Type   string // ARM type such as "Microsoft.KeyVault/vaults"; "" matches every type
	Method string // GET, PUT or DELETE; "" matches every method
	Skip   int    // how many matching requests pass before it
	Times  int    // how many requests meet it; less than one counts as one

	// Status, Code and Message make the answer: 429, 409, 500. Status 0 lets the request through after Latency, which is
	// what a slow long-running operation looks like to the engine.
	Status        int
	Code, Message string
	RetryAfter    time.Duration // what the answer's Retry-After says; 0 leaves the pause to the client
	Latency       time.Duration // how long the request takes before it is answered
}

// faults is a queue of faults that are still to be met.
type faults struct {
	mu    sync.Mutex
	queue []Fault
}

func (f *faults) add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault.Times = max(fault.Times, 1)
	f.queue = append(f.queue, fault)
}

// next takes one turn of the first fault that matches.
func (f *faults) next(armType, method string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.queue {
		fault := &f.queue[i]
		if fault.Times == 0 ||
			(fault.Type != "" && !strings.EqualFold(fault.Type, armType)) ||
			(fault.Method != "" && !strings.EqualFold(fault.Method, method)) {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		fault.Times--
		return *fault, true
	}
	return Fault{}, false
}

// Error is a refusal in ARM's form.
type Error struct {
	Method, ID    string
	Status        int
	Code, Message string
	RetryAfter    time.Duration
}

// Error reads as azure-native prints ARM's errors, with the request in front.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: Status=%d Code=\"%s\" Message=\"%s\"", e.Method, e.ID, e.Status, e.Code, e.Message)
}

// retriable tells what azure-native sends again: its client_azcore.go lists these statuses, and one kind of conflict.
func (e *Error) retriable() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.Status == http.StatusConflict && e.Code == "AnotherOperationInProgress"
}
