package delivery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	azure  = "azure true client tenant subscription " + signed + "\nplugin " + signed + "\n"
	reads  = "; skip true true; program true\n" + azure
	writes = "; skip no no; program true\n" + azure
	quiet  = " --non-interactive --color never --suppress-outputs\n"
)

// azCalls is how often a job asks the Azure CLI, which is logged in where it has a task of its own.
func azCalls(vendor string) string {
	if vendor == "azure-devops" {
		return "az account show --query id --output tsv\n"
	}
	return ""
}

// Whatever a job ends with, it leaves no token behind: not in Vault, in a file or in the log.
func requireNothingLeft(t *testing.T, r *runner, printed string, logins int) {
	t.Helper()
	if got := len(r.of("/login")); got != logins {
		t.Errorf("%d logins to Vault, want %d", got, logins)
	}
	if got := len(r.of("revoke-self")); got != logins {
		t.Errorf("%d revocations, want %d", got, logins)
	}
	parent := r.temp
	if r.vendor == "gitlab" {
		parent = r.dir + ".tmp"
	}
	if _, err := os.Stat(filepath.Join(parent, "mlvault")); !os.IsNotExist(err) {
		t.Errorf("the job's folder is left: %v", err)
	}
	for line := range strings.Lines(printed) {
		masks := strings.HasPrefix(line, "::add-mask::") ||
			strings.HasPrefix(line, "##vso[task.setsecret]")
		if !masks && strings.Contains(line, vaultToken) || strings.Contains(line, signed) {
			t.Errorf("the log quotes a token: %s", line)
		}
	}
}

func eachVendor(t *testing.T, test func(t *testing.T, r *runner)) {
	t.Helper()
	for _, vendor := range vendors {
		t.Run(vendor, func(t *testing.T) {
			t.Parallel()
			test(t, newRunner(t, vendor))
		})
	}
}

func TestAPreviewNeedsNoVaultAndIsACommentThatIsEditedInPlace(t *testing.T) {
	eachVendor(t, func(t *testing.T, r *runner) {
		t.Helper()
		r.ofPullRequest()
		r.env = append(r.env, "GITLAB_COMMENT_TOKEN=comment-token")
		printed := r.run(".ci/preview dev")
		want := azCalls(r.vendor) + "make build\npulumi preview --stack dev" + quiet + "vault none" + reads
		if got := r.calls(); got != want {
			t.Errorf("called:\n%swant:\n%s", got, want)
		}
		requireNothingLeft(t, r, printed, 0)
		first := r.of("POST /a")
		first = append(first, r.of("threads")...)
		comment := ""
		for _, request := range first {
			if strings.HasPrefix(request, "POST") && !strings.HasSuffix(request, "oidc") {
				comment = r.bodies[request]
			}
		}
		if !strings.Contains(comment, "Preview of dev") || !strings.Contains(comment, "the plan") {
			t.Errorf("the comment is %q after %q", comment, r.requests)
		}
		r.existing = "<!-- plan of mlvault: Preview of dev -->\nan older plan"
		before := len(r.of("comments")) + len(r.of("notes"))
		r.run(".ci/preview dev")
		changed := len(r.of("PATCH")) + len(r.of("PUT"))
		after := len(r.of("comments")) + len(r.of("notes"))
		if changed != 1 || after == before {
			t.Errorf("the second plan is not in the place of the first: %q", r.requests)
		}
	})
}

func TestAPreviewThatFailsIsShownAndFails(t *testing.T) {
	eachVendor(t, func(t *testing.T, r *runner) {
		t.Helper()
		r.ofPullRequest()
		printed, err := r.try(".ci/preview dev", "PULUMI_STATUS=3")
		if err == nil || err.Error() != "exit status 3" {
			t.Errorf("ended with %v", err)
		}
		requireNothingLeft(t, r, printed, 0)
	})
}

func TestADeploymentLogsInChecksAndGoesUp(t *testing.T) {
	eachVendor(t, func(t *testing.T, r *runner) {
		t.Helper()
		r.run("echo '// x' >>main.go; git commit -qam change")
		printed := r.run(".ci/deploy dev")
		want := azCalls(r.vendor) + "make build\naz account show\nmake preflight STACK=dev\n" +
			"pulumi up --stack dev --yes" + quiet + "vault " + vaultToken + writes
		if got := r.calls(); got != want {
			t.Errorf("called:\n%swant:\n%s", got, want)
		}
		requireNothingLeft(t, r, printed, 1)
	})
}

// A plain up can be green over a wrong Vault then, and the stack would be due no more.
func TestADeploymentAfterARunThatWasNoWholeSuccessRefreshesFirst(t *testing.T) {
	for name, prepare := range map[string]func(*runner){
		"the first run was killed": func(r *runner) { r.history("[]") },
		"a run failed":             func(r *runner) { r.deployed("failed") },
		"a run was killed": func(r *runner) {
			r.run(`sed -i s/10:00:00/10:00:01/ "$TEMP/state.json"`)
			r.env = append(r.env, "DEPLOY=always")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, "github")
			prepare(r)
			r.run(".ci/deploy dev")
			const up = "pulumi up --stack dev --refresh --run-program --yes" + quiet
			if !strings.Contains(r.calls(), up) {
				t.Errorf("no %q in:\n%s", up, r.calls())
			}
		})
	}
}

func TestADeploymentLogsInToTheAzureCLIWhereNobodyHas(t *testing.T) {
	r := newRunner(t, "github")
	r.history("[]")
	r.run(".ci/deploy dev", "AZ_LOGGED_OUT=1")
	for _, call := range []string{
		"az login --service-principal --username client --tenant tenant --federated-token ...",
		"az account set --subscription subscription\n",
	} {
		if !strings.Contains(r.calls(), call) {
			t.Errorf("no %q in:\n%s", call, r.calls())
		}
	}
}

func TestADeploymentThatFailsGivesItsTokenBackAndSaysHowToGoOn(t *testing.T) {
	eachVendor(t, func(t *testing.T, r *runner) {
		t.Helper()
		r.history("[]")
		printed, err := r.try(".ci/deploy prod", "PULUMI_STATUS=1")
		if err == nil {
			t.Error("succeeded")
		}
		const advice = "run 'pulumi cancel' and then 'make repair STACK=prod'"
		if !strings.Contains(printed, advice) {
			t.Errorf("no advice in:\n%s", printed)
		}
		requireNothingLeft(t, r, printed, 1)
	})
}

func TestAStackThatIsDeployedAsItIsGetsNoLogin(t *testing.T) {
	eachVendor(t, func(t *testing.T, r *runner) {
		t.Helper()
		printed := r.run(".ci/deploy dev")
		if got := r.calls(); got != azCalls(r.vendor) {
			t.Errorf("called:\n%s", got)
		}
		requireNothingLeft(t, r, printed, 0)
		r.run(".ci/deploy dev", "DEPLOY=always")
		if !strings.Contains(r.calls(), "pulumi up --stack dev --yes") {
			t.Errorf("DEPLOY=always does not deploy:\n%s", r.calls())
		}
	})
}

func TestDriftFailsTheJobAndKeepsNoCheckpoints(t *testing.T) {
	eachVendor(t, func(t *testing.T, r *runner) {
		t.Helper()
		printed, err := r.try(".ci/drift dev", "PULUMI_STATUS=1")
		if err == nil {
			t.Error("drift passes")
		}
		want := azCalls(r.vendor) + "make build\n" +
			"pulumi preview --refresh --expect-no-changes --stack dev" + quiet +
			"vault " + vaultToken + reads
		if got := r.calls(); got != want {
			t.Errorf("called:\n%swant:\n%s", got, want)
		}
		requireNothingLeft(t, r, printed, 1)
	})
}

func TestAfterAJobThatWasKilledItsTokenIsGivenBack(t *testing.T) {
	eachVendor(t, func(t *testing.T, r *runner) {
		t.Helper()
		const job = `. .ci/lib.sh; find_folder; mkdir -p "$folder"; login_vault; kill -9 $$`
		r.run(`bash -c "$JOB" || true`, "JOB="+job)
		printed := r.run(".ci/logout && .ci/logout")
		requireNothingLeft(t, r, printed, 1)
	})
}

func TestOnALaptopTheJobsSayThatTheyAreNone(t *testing.T) {
	r := newRunner(t, "github")
	r.env = append(r.env, "RUNNER_TEMP=", "GITHUB_ACTIONS=")
	for _, job := range []string{"preview", "due", "deploy", "drift", "logout"} {
		printed, err := r.try(".ci/" + job + " dev")
		if err == nil || !strings.Contains(printed, "run pulumi yourself") {
			t.Errorf("%s: %v, %s", job, err, printed)
		}
	}
}

// The job's token for Azure lives minutes and an up hours, so it is written again and again.
func TestTheTokenForAzureIsRenewedWhileAJobRuns(t *testing.T) {
	eachVendor(t, func(t *testing.T, r *runner) {
		t.Helper()
		const script = `
folder=$TEMP/keep
mkdir -p "$folder"
sed 's/^RENEW_AFTER = .*/RENEW_AFTER = 1.0/' -i .ci/azure_token.py
. .ci/lib.sh
login_azure
echo old >"$AZURE_FEDERATED_TOKEN_FILE"
for _ in $(seq 100); do
  if grep -q the-jobs-own-token "$AZURE_FEDERATED_TOKEN_FILE"; then
    kill "$keeper"
    exit 0
  fi
  sleep 0.1
done
kill "$keeper"
exit 1`
		r.run(script)
	})
}

func TestWithoutATokenForAzureAJobEndsWithOneSentence(t *testing.T) {
	for vendor, c := range map[string]struct{ env, want string }{
		"github":       {"ACTIONS_ID_TOKEN_REQUEST_URL=", "give it `permissions: id-token: write`"},
		"azure-devops": {"SYSTEM_ACCESSTOKEN=", "SYSTEM_ACCESSTOKEN: $(System.AccessToken)"},
		"gitlab":       {"AZURE_ID_TOKEN=", "AZURE_ID_TOKEN is not set"},
	} {
		t.Run(vendor, func(t *testing.T) {
			r := newRunner(t, vendor)
			printed, err := r.try(".ci/preview dev", c.env)
			if err == nil || !strings.Contains(printed, c.want) || strings.Contains(printed, "pulumi") {
				t.Errorf("%v, printed %q, want %q", err, printed, c.want)
			}
		})
	}
}
