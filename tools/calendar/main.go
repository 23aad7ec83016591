// Command calendar prints how old each API version of Azure is that the program uses, what is
// announced about its end, and when somebody last looked. It fails when an end is near.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"mlvault/internal/settings"
)

const (
	day = 24 * time.Hour
	// warning is how long before its end a version in use fails the audit.
	warning = 90 * day
	// stale is how old a look at the announcements may be before the calendar says so.
	stale = 180 * day
)

func main() {
	if err := printCalendar(os.Stdout, settings.APIVersions, time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// printCalendar writes a line for each version. An error names those that end soon.
func printCalendar(out io.Writer, versions []settings.APIVersion, today time.Time) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "API\tVERSION\tAGE\tWHAT IS ANNOUNCED\tLOOKED UP")
	var ending, sources []string
	for _, version := range versions {
		age, err := since(version.Version, today)
		if err != nil {
			return fmt.Errorf("%s: %w", version.Type, err)
		}
		look, err := since(version.Seen.On, today)
		if err != nil {
			return fmt.Errorf("%s: %w", version.Type, err)
		}
		note := version.Seen.On
		if look > stale {
			note += ", look again"
			sources = append(sources, version.Seen.Source)
		}
		years := age.Hours() / 24 / 365
		fmt.Fprintf(table, "%s\t%s\t%.1f years\t%s\t%s\n",
			version.Type, version.Version, years, announced(version), note)
		endsSoon, err := endsBefore(version, today.Add(warning))
		if err != nil {
			return fmt.Errorf("%s: %w", version.Type, err)
		}
		if endsSoon {
			ending = append(ending, version.Type+" "+version.Version)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("the calendar cannot be printed: %w", err)
	}
	slices.Sort(sources)
	for _, source := range slices.Compact(sources) {
		fmt.Fprintf(out, "Look again for new announcements: %s\n", source)
	}
	if len(ending) > 0 {
		return fmt.Errorf("Azure stops to serve within %d days: %s. Move to a newer version in "+
			"internal/azureml and internal/settings/api_versions.go",
			int(warning/day), strings.Join(ending, ", "))
	}
	return nil
}

// announced says what is known of the end of a version.
func announced(version settings.APIVersion) string {
	switch {
	case version.Ends == nil:
		return "nothing"
	case version.Serves(version.Version):
		return fmt.Sprintf("older than %s ends on %s", version.Ends.Oldest, version.Ends.On)
	default:
		return "ENDS on " + version.Ends.On
	}
}

// endsBefore tells whether the version itself is no longer served on a day.
func endsBefore(version settings.APIVersion, day time.Time) (bool, error) {
	if version.Serves(version.Version) {
		return false, nil
	}
	end, err := time.Parse(time.DateOnly, version.Ends.On)
	if err != nil {
		return false, err
	}
	return end.Before(day), nil
}

// since is the time from the day that a text begins with until today.
func since(text string, today time.Time) (time.Duration, error) {
	if len(text) < len(time.DateOnly) {
		return 0, fmt.Errorf("%q begins with no day", text)
	}
	begin, err := time.Parse(time.DateOnly, text[:len(time.DateOnly)])
	if err != nil {
		return 0, err
	}
	return today.Sub(begin), nil
}
