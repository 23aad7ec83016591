package repair_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mlvault/operate/repair"
)

const of = "5a9db0c5-0000-4000-8000-000000000009"

// creating is an operation in flight.
func creating(urn, kind, inputs string) string { return inFlight("creating", urn, kind, inputs) }

func inFlight(operation, urn, kind, inputs string) string {
	const form = `{"type":%q,"resource":{"urn":%q,"custom":true,"type":%q,"inputs":%s,"provider":"p"}}`
	return fmt.Sprintf(form, operation, urn, kind, inputs)
}

// export is a state. The first resource has a number that no float64 holds.
func export(resources, pending []string) []byte {
	known := fmt.Sprintf(`{"urn":"known","id":"/subscriptions/%s/x","big":12345678901234567890}`, of)
	resources = append([]string{known}, resources...)
	return fmt.Appendf(nil, `{"version":3,"deployment":{"manifest":{"time":"2026-01-01T00:00:00Z"},`+
		`"resources":[%s],"pending_operations":[%s],"metadata":{}}}`,
		strings.Join(resources, ","), strings.Join(pending, ","))
}

type resource struct {
	URN, ID, Provider  string
	Big                json.Number
	Delete, Protect    bool
	PendingReplacement bool
	Inputs, Outputs    json.RawMessage
}

type deployment struct {
	Manifest  json.RawMessage
	Resources []resource
	Pending   []struct{ Resource struct{ URN string } } `json:"pending_operations"`
}

func read(t *testing.T, state []byte) deployment {
	t.Helper()
	var document struct {
		Version    int
		Deployment deployment
	}
	require.NoError(t, json.Unmarshal(state, &document))
	require.Equal(t, 3, document.Version)
	return document.Deployment
}

// An import refuses a resource before what it depends on. A replacement that is taken in comes last,
// and others depend on its URN.
func TestWhatIsTakenInComesBeforeWhatDependsOnIt(t *testing.T) {
	state := export([]string{
		`{"urn":"role","id":"auth/jwt/role/x","type":"vault:jwt/authBackendRole:AuthBackendRole",
		  "pendingReplacement":true}`,
		`{"urn":"definitions","dependencies":["role"]}`,
		`{"urn":"other","propertyDependencies":{"name":["definitions"]},"parent":"known"}`,
	}, []string{
		creating("role", "vault:jwt/authBackendRole:AuthBackendRole",
			`{"backend":"jwt-new","roleName":"x"}`),
	})
	taken, err := repair.TakeIn(state, of)
	require.NoError(t, err)
	var order []string
	for _, each := range read(t, taken.State).Resources {
		order = append(order, each.URN)
	}
	require.Equal(t, []string{"known", "role", "definitions", "other"}, order)
}

// Somebody else's identity may be in any subscription.
func TestTheSubscriptionIsThatOfWhatTheStackMade(t *testing.T) {
	const state = `{"deployment": {"resources": [
		{"id": "/subscriptions/5a9db0c5-0000-4000-8000-00000000000a/resourceGroups/ids", "external": true},
		{"id": "/subscriptions/5a9db0c5-0000-4000-8000-00000000000b/resourceGroups/rg"}
	]}}`
	require.Equal(t, "5a9db0c5-0000-4000-8000-00000000000b", repair.SubscriptionOf([]byte(state)))
}

func TestWhatWasBeingCreatedIsTakenInUnderItsIDAndEverythingElseStays(t *testing.T) {
	state := export(nil, []string{
		creating("secret", "vault:kv/secretV2:SecretV2",
			`{"mount":"secret","name":"mlvault/dev/k","dataJson":{"ciphertext":"c"}}`),
		creating("account", "azure-native:storage/v20220901:StorageAccount",
			`{"resourceGroupName":"rg","accountName":"ml1"}`),
		creating("lock", "azure-native:authorization/v20200501:ManagementLockByScope",
			`{"scope":"/subscriptions/s/resourceGroups/rg","lockName":"l"}`),
		creating("nameless", "azure-native:storage/v20220901:StorageAccount",
			`{"resourceGroupName":"rg"}`),
		creating("stranger", "random:index/randomId:RandomId", `{}`),
		creating("provider", "pulumi:providers:azure-native", `{"location":"westeurope"}`),
		creating("stash", "pulumi:index:Stash", `{"input":"vmSize Standard_D4ds_v5"}`),
		inFlight("updating", "other", "vault:index/policy:Policy", `{"name":"p"}`),
	})
	require.Equal(t, of, repair.SubscriptionOf(state))
	taken, err := repair.TakeIn(state, of)
	require.NoError(t, err)
	require.False(t, taken.Replacements)
	require.Equal(t, []repair.Pending{{URN: "nameless"}, {URN: "stranger"}}, taken.Unknown)
	account := "/subscriptions/" + of + "/resourceGroups/rg/providers/" +
		"Microsoft.Storage/storageAccounts/ml1"
	require.Equal(t, []repair.Pending{
		{URN: "secret", ID: "secret/data/mlvault/dev/k"},
		{URN: "account", ID: account},
		{URN: "lock", ID: "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/locks/l"},
	}, taken.Created)

	got := read(t, taken.State)
	require.JSONEq(t, `{"time":"2026-01-01T00:00:00Z"}`, string(got.Manifest))
	require.Equal(t, json.Number("12345678901234567890"), got.Resources[0].Big)
	for i, created := range taken.Created {
		one := got.Resources[i+1]
		require.Equal(t, created, repair.Pending{URN: one.URN, ID: one.ID})
		require.JSONEq(t, string(one.Inputs), string(one.Outputs))
		require.Equal(t, "p", one.Provider)
	}
	require.Empty(t, got.Pending)

	again, err := repair.TakeIn(taken.State, of)
	require.NoError(t, err)
	require.Empty(t, again.Created)
	require.Equal(t, string(taken.State), string(again.State))
}

const (
	policyKind = "vault:index/policy:Policy"
	oldPolicy  = `{"urn":"policy","id":"old","type":"vault:index/policy:Policy","protect":true}`
)

var creatingNew = creating("policy", policyKind, `{"name":"new"}`)

// The engine keeps the old resource under the URN until its replacement is made.
func TestAReplacementThatWasBeingCreatedTakesThePlaceOfTheOldOne(t *testing.T) {
	dependent := `{"urn":"dependent","id":"d","dependencies":["policy"]}`
	state := export([]string{oldPolicy, dependent}, []string{creatingNew})
	taken, err := repair.TakeIn(state, of)
	require.NoError(t, err)
	require.True(t, taken.Replacements)
	require.Equal(t, []repair.Pending{{URN: "policy", ID: "new", Replaces: "old"}}, taken.Created)

	// Until it is found, the old one is the stack's.
	between := read(t, taken.State).Resources
	require.Equal(t, "old", between[1].ID)
	require.False(t, between[1].Delete)
	require.Equal(t, "policy-run-make-repair", between[3].URN)
	require.True(t, between[3].Protect, "an up before the repair is done must fail")

	settled, err := repair.Settle(taken.State, wants("new"))
	require.NoError(t, err)
	require.Equal(t, []repair.Choice{{URN: "policy", Kept: "new", Deleted: "old"}}, settled.Kept)
	require.Equal(t, []string{"known", "new", "old delete", "d"}, order(t, settled.State))

	again, err := repair.Settle(settled.State, wants("new"))
	require.NoError(t, err)
	require.Empty(t, again.Kept)
	require.Equal(t, string(settled.State), string(again.State))
}

// wants is a configuration that asks for one id.
func wants(id string) func(string) bool {
	return func(asked string) bool { return asked == id }
}

// order are the ids of a state, and which of them wait for their deletion.
func order(t *testing.T, state []byte) []string {
	t.Helper()
	var all []string
	for _, one := range read(t, state).Resources {
		name := one.ID
		if one.URN == "known" {
			name = "known"
		}
		if one.Delete {
			name += " delete"
		}
		all = append(all, name)
	}
	return all
}

// The old one may hold data, and the configuration may have gone back to it.
func TestTheOldOneIsKeptUnlessTheConfigurationAsksForTheNewOne(t *testing.T) {
	state := export([]string{oldPolicy}, []string{creatingNew})
	taken, err := repair.TakeIn(state, of)
	require.NoError(t, err)
	for _, wanted := range []string{"old", "neither"} {
		settled, err := repair.Settle(taken.State, wants(wanted))
		require.NoError(t, err)
		require.Equal(t, []repair.Choice{{URN: "policy", Kept: "old", Deleted: "new"}}, settled.Kept)
		require.Equal(t, []string{"known", "old", "new delete"}, order(t, settled.State))
		for _, one := range read(t, settled.State).Resources {
			require.NotContains(t, one.URN, "make-repair")
		}
	}
}

// Nothing is pending here: a run failed after the new one was made, and then the setting went back.
func TestWhatWaitsForItsDeletionIsKeptWhereTheConfigurationAsksForItAgain(t *testing.T) {
	state := export([]string{
		`{"urn":"policy","id":"new"}`,
		`{"urn":"dependent","id":"d","dependencies":["policy"]}`,
		`{"urn":"policy","id":"old","delete":true}`,
	}, nil)
	settled, err := repair.Settle(state, wants("old"))
	require.NoError(t, err)
	require.Equal(t, []repair.Choice{{URN: "policy", Kept: "old", Deleted: "new"}}, settled.Kept)
	require.Equal(t, []string{"known", "old", "new delete", "d"}, order(t, settled.State))

	same, err := repair.Settle(state, wants("new"))
	require.NoError(t, err)
	require.Equal(t, string(state), string(same.State))
}

func TestAReplacementThatWasNeverMadeLeavesTheOldOne(t *testing.T) {
	state := export([]string{oldPolicy}, nil) // the refresh has dropped the new one
	settled, err := repair.Settle(state, wants("new"))
	require.NoError(t, err)
	require.Empty(t, settled.Kept)
	require.Equal(t, string(state), string(settled.State))
}

func TestAReplacementWhoseOldOneIsDeletedIsTakenInAsANewOne(t *testing.T) {
	deleted := `{"urn":"policy","id":"old","pendingReplacement":true}`
	state := export([]string{deleted}, []string{creatingNew})
	taken, err := repair.TakeIn(state, of)
	require.NoError(t, err)
	require.False(t, taken.Replacements)
	got := read(t, taken.State).Resources
	require.Len(t, got, 2)
	require.Equal(t, "new", got[1].ID)
}

// No refresh reads such a secret, whether it was written, and with its mark, or not.
func TestASecretThatIsNeverReadBackIsWrittenAgain(t *testing.T) {
	const inputs = `{"mount":"secret","name":"p/s/x","disableRead":%t,"options":{"vault":"v"},
		"dataJson":"ciphertext","customMetadata":{"data":{"stack":"s"}}}`
	for isUnread, wanted := range map[bool]string{
		true:  `{"mount":"secret","name":"p/s/x","disableRead":true,"options":{"vault":"v"}}`,
		false: fmt.Sprintf(inputs, false),
	} {
		pending := creating("secret", "vault:kv/secretV2:SecretV2", fmt.Sprintf(inputs, isUnread))
		taken, err := repair.TakeIn(export(nil, []string{pending}), of)
		require.NoError(t, err)
		got := read(t, taken.State).Resources[1]
		require.JSONEq(t, wanted, string(got.Inputs))
		require.JSONEq(t, wanted, string(got.Outputs))
	}
}

// A refresh keeps the mark of what is deleted and has to be made, and the next up would make a second
// time what is there.
func TestAReplacementUnderTheSameIDTakesThePlaceOfWhatIsDeleted(t *testing.T) {
	deleted := `{"urn":"policy","id":"old","pendingReplacement":true}`
	again := creating("policy", policyKind, `{"name":"old"}`)
	taken, err := repair.TakeIn(export([]string{deleted}, []string{again}), of)
	require.NoError(t, err)
	require.Len(t, taken.Created, 1)
	require.Len(t, read(t, taken.State).Resources, 2)
	require.NotContains(t, string(taken.State), "pendingReplacement")
}

func TestAReplacementUnderTheSameIDIsLeftToTheRefresh(t *testing.T) {
	state := export([]string{oldPolicy}, []string{creating("policy", policyKind, `{"name":"old"}`)})
	taken, err := repair.TakeIn(state, of)
	require.NoError(t, err)
	require.Empty(t, taken.Created)
	require.Len(t, read(t, taken.State).Resources, 2)
}

// stack is a CLI that holds a state. Its refresh drops what is not there.
type stack struct {
	state   []byte
	gone    string // id
	changes bool   // another run writes a state whenever one was exported
	ends    bool   // another run ends right before the import
	runs    []string
	done    []string
}

func (s *stack) Export(context.Context) ([]byte, error) {
	state := s.state
	if s.changes {
		s.state = append(s.state, ' ')
	}
	return state, nil
}

func (s *stack) Import(_ context.Context, state []byte) error {
	s.done = append(s.done, "import")
	s.state = state
	if s.ends {
		s.runs = append(s.runs, "update of 2026-01-01T00:00:00.000Z")
	}
	return nil
}

func (s *stack) Runs(context.Context) ([]string, error) { return s.runs, nil }

func (s *stack) Cancel(context.Context) error { return errors.New("nothing is locked") }

func (s *stack) Refresh(context.Context) error {
	s.done = append(s.done, "refresh")
	if s.gone == "dead token" {
		return errors.New("`pulumi refresh` failed")
	}
	before, after, found := strings.Cut(string(s.state), `,{"custom":true,"id":"`+s.gone+`"`)
	if s.gone != "" && found {
		_, rest, _ := strings.Cut(after, "}]")
		s.state = []byte(before + "]" + rest)
	}
	return nil
}

// inFolder is a stack in files, where another run ends right before the import.
type inFolder struct {
	stack
	history string
}

func (s *inFolder) Import(ctx context.Context, state []byte) error {
	err := os.WriteFile(filepath.Join(s.history, "dev-2.checkpoint.json"), s.state, 0o600)
	return errors.Join(err, s.stack.Import(ctx, state))
}

func TestAnImportThatOverwritesAnotherRunsStateInAFolderIsTold(t *testing.T) {
	files := repair.Files{Root: t.TempDir(), Project: "mlvault", Stack: "dev"}
	history := filepath.Join(files.Root, ".pulumi", "history", "mlvault", "dev")
	require.NoError(t, os.MkdirAll(history, 0o700))
	created := export(nil, []string{creatingNew})
	run := repair.Repair{
		Stack: &inFolder{stack: stack{state: created}, history: history},
		Files: &files,
		Say:   func(string) {},
	}
	_, err := run.TakeIn(t.Context())
	require.ErrorContains(t, err, "what it wrote is overwritten")
	require.ErrorContains(t, err, filepath.Join(history, "dev-2.checkpoint.json"))
}

func TestARepairRefreshesOnceAndSaysWhatItFound(t *testing.T) {
	created := export(nil, []string{creatingNew})
	replaced := export([]string{oldPolicy}, []string{creatingNew})
	for _, row := range []struct {
		name  string
		stack stack
		done  string
		said  string
		fails string
		live  string
	}{
		{name: "nothing is pending", stack: stack{state: export(nil, nil)}, done: "import refresh"},
		{name: "a creation", stack: stack{state: created}, done: "import refresh", said: "is looked for: new", live: "new"},
		{
			name: "a replacement", stack: stack{state: replaced}, done: "import refresh import",
			said: "The stack keeps new. The next `pulumi up` deletes old", live: "new",
		},
		{name: "no replacement", stack: stack{state: replaced, gone: "new"}, done: "import refresh import", live: "old"},
		{
			name: "a refresh that fails", stack: stack{state: replaced, gone: "dead token"}, done: "import refresh",
			live: "old", fails: "run `make repair` again",
		},
		{name: "another run meanwhile", stack: stack{state: created, changes: true}, fails: "another run has changed"},
		{
			name: "another run that ends before the import", stack: stack{state: created, ends: true},
			done: "import", live: "new", fails: "what it wrote is overwritten: update of 2026-01-01T00:00:00.000Z",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			var said []string
			run := repair.Repair{
				Stack: &row.stack,
				Wants: wants("new"),
				Say:   func(text string) { said = append(said, text) },
			}
			err := run.Run(t.Context())
			if row.fails == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, row.fails)
			}
			require.Equal(t, row.done, strings.Join(row.stack.done, " "))
			require.Contains(t, strings.Join(said, "\n"), row.said)
			live := ""
			for _, one := range read(t, row.stack.state).Resources {
				if one.URN == "policy" && !one.Delete {
					live = one.ID
				}
			}
			require.Equal(t, row.live, live)
		})
	}
}
