package arm

import (
	"fmt"
	"net/http"
	"time"
)

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
