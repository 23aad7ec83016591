package verify

import (
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"mlvault/internal/outputs"
)

// Result says what became of a claim.
type Result string

const (
	confirmed  Result = "confirmed"
	wrong      Result = "wrong"
	notReached Result = "not reached"
)

// Report is what was seen. It has names, paths of properties and versions, and no value of any.
type Report struct {
	Stack      string
	Day        string
	Versions   []string
	Lines      []Line
	Comparison []Compared
	// unreached is why Azure could not be asked, and empty where it could.
	unreached string
	// hidden are texts that no line may show.
	hidden []string
}

// Line is a claim and what was seen of it.
type Line struct {
	Claim  Claim
	Result Result
	Seen   string
}

func (r *Report) add(claim Claim, result Result, seen string) {
	r.Lines = append(r.Lines, Line{Claim: claim, Result: result, Seen: seen})
}

// hide keeps out of the report what the outputs have of addresses and ids.
func (r *Report) hide(given map[string]any) {
	address := textOr(given[outputs.VaultAddress], "")
	parsed, err := url.Parse(address)
	if err == nil && parsed.Hostname() != "" {
		r.hidden = append(r.hidden, address, parsed.Host, parsed.Hostname())
	}
	for _, name := range []string{outputs.VaultAudience, outputs.JobIdentityID, outputs.WorkspaceID} {
		if text := textOr(given[name], ""); text != "" {
			r.hidden = append(r.hidden, text)
		}
	}
}

var guid = regexp.MustCompile(`(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// masked is a text without what is hidden, and without ids of any kind.
func (r *Report) masked(text string) string {
	for _, hidden := range r.hidden {
		text = strings.ReplaceAll(text, hidden, "[hidden]")
	}
	return guid.ReplaceAllString(text, "[id]")
}

func (r *Report) version(tool, version string) {
	r.Versions = append(r.Versions, tool+" "+version)
}

// Wrong are the claims that are not so.
func (r *Report) Wrong() []string {
	var found []string
	for _, line := range r.Lines {
		if line.Result == wrong {
			found = append(found, line.Claim.Text)
		}
	}
	return found
}

// complete adds what nothing was said about, and sorts.
func (r *Report) complete() []Line {
	var all []Line
	for _, claim := range claims {
		said := slices.IndexFunc(r.Lines, func(line Line) bool { return line.Claim == claim })
		if said < 0 {
			seen := r.unreached
			if seen == "" {
				seen = "this stack has nothing of it"
			}
			all = append(all, Line{Claim: claim, Result: notReached, Seen: seen})
			continue
		}
		all = append(all, r.Lines[said])
	}
	return all
}

// Write prints the report as a page.
func (r *Report) Write(out io.Writer) error {
	var page strings.Builder
	fmt.Fprintf(&page, "# Stack %s on %s\n\n", r.Stack, r.Day)
	fmt.Fprintf(&page, "`make verify STACK=%s` wrote this. ", r.Stack)
	page.WriteString("It holds no credential, no address and no id.\n")
	fmt.Fprintf(&page, "%s.\n\n", strings.Join(r.Versions, ", "))
	page.WriteString("| assumption | result | seen | from |\n|---|---|---|---|\n")
	for _, line := range r.complete() {
		fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", line.Claim.Text, line.Result, cell(line.Seen),
			line.Claim.Source)
	}
	page.WriteString("\n## What Azure made of each resource\n\n")
	page.WriteString("Names of properties, of each only those at the top.\n\n")
	page.WriteString("| resource | differs | in another case | filled in by Azure | tags added |\n")
	page.WriteString("|---|---|---|---|---|\n")
	for _, row := range r.Comparison {
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", row.Name, list(row.Different),
			list(row.OtherCase), list(row.FilledIn), list(row.AddedTags))
	}
	_, err := io.WriteString(out, r.masked(page.String()))
	return err
}

// cell keeps a text in one cell of a table.
func cell(text string) string {
	text = strings.ReplaceAll(text, "|", "\\|")
	return strings.Join(strings.Fields(text), " ")
}

func list(names []string) string {
	if len(names) == 0 {
		return "–"
	}
	return cell("`" + strings.Join(names, "`, `") + "`")
}
