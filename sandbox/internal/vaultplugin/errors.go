package vaultplugin

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/vault/api"
	"google.golang.org/grpc/codes"
)

// errHalfDone marks a failure after Vault took the first of several writes: the
// object exists and must get into the state, or it would be orphaned.
var errHalfDone = errors.New("the object was written and is not complete")

func halfDone(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, errHalfDone, err)
}

// describe renders an error for a person: Vault's answer in one line, the URL
// without its host (an address may be a secret), and no word of secrets.
func describe(err error, secrets []string) string {
	message := err.Error()
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		path := answer.URL
		if i := strings.Index(path, "/v1/"); i >= 0 {
			path = path[i+len("/v1/"):]
		}
		brief := fmt.Sprintf("Vault answered %d to %s %s: %s",
			answer.StatusCode, answer.HTTPMethod, path, strings.Join(answer.Errors, "; "))
		message = strings.ReplaceAll(message, answer.Error(), brief)
	}
	return redact(message, secrets)
}

// code is the gRPC code of an error. What Vault answered is known to have
// failed; anything else, such as a lost connection, leaves open what happened,
// which Unknown tells the engine.
func code(err error) codes.Code {
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		return codes.FailedPrecondition
	}
	return codes.Unknown
}

// redact replaces every secret in message, longest first, so that one that
// holds another does not leave a rest.
func redact(message string, secrets []string) string {
	words := slices.Clone(secrets)
	slices.SortFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, word := range words {
		// Shorter ones would eat the message, and are no secret worth the name.
		if len(word) >= 3 {
			message = strings.ReplaceAll(message, word, "[secret]")
			if escaped := strings.Trim(strconv.Quote(word), `"`); escaped != word {
				message = strings.ReplaceAll(message, escaped, "[secret]")
			}
		}
	}
	return message
}

// leaves appends every string in v, and in any JSON that a string holds.
func leaves(words []string, v any) []string {
	switch v := v.(type) {
	case string:
		words = append(words, v)
		if object, err := parseObject(v); err == nil {
			words = leaves(words, plainJSON(object))
		}
	case []any:
		for _, item := range v {
			words = leaves(words, item)
		}
	case map[string]any:
		for _, item := range v {
			words = leaves(words, item)
		}
	case float64:
		words = append(words, fmt.Sprint(v))
	}
	return words
}
