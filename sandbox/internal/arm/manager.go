package arm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Fault is trouble for the next requests that match. The zero Fault slows nothing and fails
// nothing.
type Fault struct {
	Type   string // ARM type such as "Microsoft.KeyVault/vaults"; "" matches every type
	Method string // GET, PUT or DELETE; "" matches every method
	Skip   int    // how many matching requests pass before it
	Times  int    // how many requests meet it; less than one counts as one

	// Status, Code and Message make the answer: 429, 409, 500. Status 0 lets the request through after
	// Latency, which is what a slow long-running operation looks like to the engine.
	Status  int
	Code    string
	Message string
	// RetryAfter is what the answer's Retry-After says. 0 leaves the pause to the client.
	RetryAfter time.Duration
	// Latency is how long the request takes before it is answered.
	Latency time.Duration
}

// Error is a refusal in ARM's form.
type Error struct {
	Method     string
	ID         string
	Status     int
	Code       string
	Message    string
	RetryAfter time.Duration
}

// Error reads as azure-native prints ARM's errors, with the request in front.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: Status=%d Code=\"%s\" Message=\"%s\"",
		e.Method, e.ID, e.Status, e.Code, e.Message)
}

// retriable tells what azure-native sends again: its client_azcore.go lists these statuses, and one
// kind of conflict.
func (e *Error) retriable() bool {
	return slices.Contains([]int{408, 429, 500, 502, 503, 504}, e.Status) ||
		e.Status == http.StatusConflict && e.Code == "AnotherOperationInProgress"
}

// azure-native sends a failed request again three times, after what Retry-After says or else after
// 20 s, 60 s and 120 s (client_azcore.go, initPipelineOpts). Here a second takes a millisecond.
const (
	maxRetries = 3
	retryDelay = 20 * time.Millisecond
)

// Inject makes the next matching requests meet a fault. Faults are met in the order of injection,
// one for each request.
func (s *Server) Inject(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault.Times = max(fault.Times, 1)
	s.faults = append(s.faults, fault)
}

// Requests counts the requests so far, by method: GET, PUT, DELETE. A retry is a request.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// count counts a request, and takes one turn of the first fault that it meets.
func (s *Server) count(armType, method string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[method]++
	for i := range s.faults {
		fault := &s.faults[i]
		if fault.Times == 0 || !fault.matches(armType, method) {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		fault.Times--
		return *fault
	}
	return Fault{}
}

func (f *Fault) matches(armType, method string) bool {
	isType := f.Type == "" || strings.EqualFold(f.Type, armType)
	isMethod := f.Method == "" || f.Method == method
	return isType && isMethod
}

// send is one request as azure-native makes it: it meets the injected faults, and is sent again
// when that may help.
func (s *Server) send(
	ctx context.Context, method, armType, id string, answer func() error,
) error {
	for attempt := 0; ; attempt++ {
		err := s.sendOnce(ctx, method, armType, id, answer)
		var refusal *Error
		if !errors.As(err, &refusal) || !refusal.retriable() || attempt == maxRetries {
			return err
		}
		delay := cmp.Or(refusal.RetryAfter, retryDelay<<attempt)
		if err := pause(ctx, delay); err != nil {
			return errors.Join(err, refusal)
		}
	}
}

func (s *Server) sendOnce(
	ctx context.Context, method, armType, id string, answer func() error,
) error {
	if s.Arrived != nil {
		s.Arrived(method, armType)
	}
	fault := s.count(armType, method)
	if err := pause(ctx, fault.Latency); err != nil {
		return err
	}
	if fault.Status == 0 {
		return answer()
	}
	return &Error{
		Method:     method,
		ID:         id,
		Status:     fault.Status,
		Code:       fault.Code,
		Message:    fault.Message,
		RetryAfter: fault.RetryAfter,
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get answers 404 ResourceNotFound for a resource that does not exist, whatever the API version:
// ARM knows which there are (pulumi-azure-native#4337 made resources after such an answer).
func (s *Server) get(
	ctx context.Context, row *resourceType, id, version string,
) (doc Document, err error) {
	err = s.send(ctx, http.MethodGet, row.Type, id, func() error {
		found := false
		if doc, found = s.Resource(id); !found {
			return notFound(http.MethodGet, id, id)
		}
		return served(http.MethodGet, id, row.Type, version)
	})
	return doc, err
}

// put creates or replaces a resource, and returns the answer.
func (s *Server) put(
	ctx context.Context, row *resourceType, id, version string, body Document,
) (answer Document, err error) {
	rules := slices.Concat(everyPut, row.Rules, []rule{complete})
	err = s.send(ctx, http.MethodPut, row.Type, id, func() error {
		if err := served(http.MethodPut, id, row.Type, version); err != nil {
			return err
		}
		return s.store.change(func(st *state) error {
			p := &put{row: row, id: id, old: st.get(id), doc: body.clone(), state: st, spec: s.Spec}
			for _, rule := range rules {
				if refusal := rule(p); refusal != nil {
					return refusal
				}
			}
			st.Resources[key(id)] = p.doc
			answer = p.doc.clone()
			if p.old == nil && row.Created != nil {
				row.Created(answer)
			}
			return nil
		})
	})
	return answer, err
}

// everyPut is what ARM itself checks, before a resource provider sees the request.
var everyPut = []rule{parentExists, nameIsFree, fitsSpec, locationStays}

// delete removes a resource and everything below it. What does not exist is deleted already, as for
// azure-native.
func (s *Server) delete(ctx context.Context, row *resourceType, id, version string) error {
	return s.send(ctx, http.MethodDelete, row.Type, id, func() error {
		if err := served(http.MethodDelete, id, row.Type, version); err != nil {
			return err
		}
		return s.store.change(func(st *state) error {
			if refusal := locked(st, id); refusal != nil {
				return refusal
			}
			for k, doc := range st.Resources {
				isBelow := strings.HasPrefix(k+"/", key(id)+"/")
				if !isBelow {
					continue
				}
				delete(st.Resources, k)
				if isSoftDeleted(doc) {
					st.Deleted[k] = doc
				}
			}
			return nil
		})
	})
}

// isSoftDeleted tells whether the service keeps a document of this type after its deletion.
func isSoftDeleted(doc Document) bool {
	return slices.ContainsFunc(table, func(row *resourceType) bool {
		return row.SoftDelete != nil && doc.is(row.Type)
	})
}

// locked: a lock on a resource, or on what is above it, keeps it and all that is attached to it,
// but for the lock itself (lock-resources). Role assignments and diagnostic settings are attached.
func locked(st *state, id string) *Error {
	const message = "The scope '%s' cannot perform delete operation because following scope(s) are " +
		"locked: '%s'. Please remove the lock and try again."
	for k, doc := range st.Resources {
		scope, _, isLock := strings.Cut(k, strings.ToLower(providers+typeLock+"/"))
		isItself := k == key(id)
		if !isLock || isItself {
			continue
		}
		holdsBelow := strings.HasPrefix(key(id)+"/", scope+"/")
		holdsAbove := strings.HasPrefix(scope, key(id)+"/")
		if !holdsBelow && !holdsAbove {
			continue
		}
		lockedScope := doc.text("id")[:len(scope)]
		return &Error{
			Method:  http.MethodDelete,
			ID:      id,
			Status:  http.StatusConflict,
			Code:    "ScopeLocked",
			Message: fmt.Sprintf(message, id, lockedScope),
		}
	}
	return nil
}

// notFound is ARM's 404 for the resource at missing, whichever request id came across it.
func notFound(method, id, missing string) *Error {
	refusal := &Error{Method: method, ID: id, Status: http.StatusNotFound}
	name := path.Base(missing)
	if typeOf(missing) == typeResourceGroup {
		refusal.Code = "ResourceGroupNotFound"
		refusal.Message = fmt.Sprintf("Resource group '%s' could not be found.", name)
		return refusal
	}
	const message = "The Resource '%s/%s' under resource group '%s' was not found. " +
		"For more details please go to https://aka.ms/ARMResourceNotFoundFix"
	refusal.Code = "ResourceNotFound"
	refusal.Message = fmt.Sprintf(message, typeOf(missing), name, groupOf(missing))
	return refusal
}
