package arm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// azure-native sends a failed request again three times, after what Retry-After says or else after 20 s, 60 s and 120 s
// (client_azcore.go, initPipelineOpts). Here a second takes a millisecond.
const (
	maxRetries = 3
	retryDelay = 20 * time.Millisecond
)

// send is one request as azure-native makes it: it meets the injected faults, and is sent again when that may help.
func (s *Server) send(ctx context.Context, method, armType, id string, answer func() (Document, error)) (Document, error) {
	for attempt := 0; ; attempt++ {
		doc, err := s.sendOnce(ctx, method, armType, id, answer)
		var refusal *Error
		if !errors.As(err, &refusal) || !refusal.retriable() || attempt == maxRetries {
			return doc, err
		}
		delay := refusal.RetryAfter
		if delay == 0 {
			delay = retryDelay << attempt
		}
		if err := pause(ctx, delay); err != nil {
			return nil, errors.Join(err, refusal)
		}
	}
}

func (s *Server) sendOnce(
	ctx context.Context, method, armType, id string, answer func() (Document, error),
) (Document, error) {
	s.mu.Lock()
	s.requests[method]++
	s.mu.Unlock()

	fault, met := s.faults.next(armType, method)
	if !met {
		return answer()
	}
	if err := pause(ctx, fault.Latency); err != nil {
		return nil, err
	}
	if fault.Status == 0 {
		return answer()
	}
	return nil, &Error{
		Method: method, ID: id, Status: fault.Status, Code: fault.Code, Message: fault.Message, RetryAfter: fault.RetryAfter,
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get answers 404 ResourceNotFound for a resource that does not exist.
func (s *Server) get(ctx context.Context, row *resourceType, id string) (Document, error) {
	return s.send(ctx, http.MethodGet, row.Type, id, func() (Document, error) {
		doc, found := s.Resource(id)
		if !found {
			return nil, notFound(http.MethodGet, id, id)
		}
		return doc, nil
	})
}

// put creates or replaces a resource, and returns it as stored.
func (s *Server) put(ctx context.Context, row *resourceType, id string, body Document) (Document, error) {
	return s.send(ctx, http.MethodPut, row.Type, id, func() (Document, error) {
		parsed, err := parseID(id)
		if err != nil {
			return nil, err
		}
		var stored Document
		err = s.store.change(func(st *state) error {
			p := &put{
				row: row, id: id, resourceID: parsed, state: st,
				old: st.Resources[key(id)], doc: body.clone(), now: s.now().UTC().Format(time.RFC3339),
			}
			for _, rule := range slices.Concat(everyPut, row.Rules, afterRules) {
				if refusal := rule(p); refusal != nil {
					return refusal
				}
			}
			stored = p.doc
			st.Resources[key(id)] = stored
			return nil
		})
		if err != nil {
			return nil, err
		}
		return response(stored, s.store.read().Respelled), nil
	})
}

// everyPut is what ARM itself checks, before a resource provider sees the request; afterRules fills the answer in.
var (
	everyPut   = []rule{parentExists, validName, nameIsFree, knownProperties, locationStays, withDefaults}
	afterRules = []rule{identities, complete}
)

// delete removes a resource and everything below it. What does not exist is deleted already, as for azure-native.
func (s *Server) delete(ctx context.Context, row *resourceType, id string) error {
	_, err := s.send(ctx, http.MethodDelete, row.Type, id, func() (Document, error) {
		return nil, s.store.change(func(st *state) error {
			root := key(id)
			if refusal := locked(st, id); refusal != nil {
				return refusal
			}
			maps.DeleteFunc(st.Resources, func(k string, doc Document) bool {
				if k != root && !strings.HasPrefix(k, root+"/") {
					return false
				}
				if row, known := rowOfType(doc.text("type")); known && row.SoftDelete != nil {
					st.Deleted[k] = doc
				}
				return true
			})
			return nil
		})
	})
	return err
}

// locked: a lock on a resource, or on what is above it, keeps it and all that is attached to it, but for the lock itself
// (lock-resources). Role assignments and diagnostic settings are attached.
func locked(st *state, id string) error {
	for k, doc := range st.Resources {
		scope, _, isLock := strings.Cut(k, strings.ToLower("/providers/"+typeLock+"/"))
		if isLock && k != key(id) && (strings.HasPrefix(key(id)+"/", scope+"/") || strings.HasPrefix(scope, key(id)+"/")) {
			return &Error{Method: http.MethodDelete, ID: id, Status: http.StatusConflict, Code: "ScopeLocked", Message: fmt.Sprintf(
				"The scope '%s' cannot perform delete operation because following scope(s) are locked: '%s'. Please remove the lock and try again.",
				id, doc.text("id")[:len(scope)])}
		}
	}
	return nil
}

// notFound is ARM's 404 for the resource at missing, whichever request id came across it.
func notFound(method, id, missing string) *Error {
	refusal := &Error{Method: method, ID: id, Status: http.StatusNotFound, Code: "ResourceNotFound"}
	parsed, err := parseID(missing)
	switch {
	case err != nil:
		refusal.Message = fmt.Sprintf("The Resource '%s' was not found.", missing)
	case parsed.armType == typeResourceGroup:
		refusal.Code = "ResourceGroupNotFound"
		refusal.Message = fmt.Sprintf("Resource group '%s' could not be found.", parsed.name)
	case parsed.armType == typeSubscription:
		refusal.Code = "SubscriptionNotFound"
		refusal.Message = fmt.Sprintf("The subscription '%s' could not be found.", parsed.name)
	default:
		refusal.Message = fmt.Sprintf("The Resource '%s/%s' under resource group '%s' was not found. "+
			"For more details please go to https://aka.ms/ARMResourceNotFoundFix", parsed.armType, parsed.name, parsed.group)
	}
	return refusal
}
