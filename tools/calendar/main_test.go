package main

import (
	"strings"
	"testing"
	"time"

	"mlvault/internal/settings"
)

func calendarOn(t *testing.T, today string, version settings.APIVersion) (string, error) {
	t.Helper()
	on, err := time.Parse(time.DateOnly, today)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = printCalendar(&out, []settings.APIVersion{version}, on)
	return out.String(), err
}

func TestAVersionThatEndsSoonFailsTheAudit(t *testing.T) {
	old := settings.APIVersion{
		Type:    "Microsoft.KeyVault/vaults",
		Version: "2024-11-01",
		Ends:    &settings.Retirement{On: "2027-02-27", Oldest: "2026-02-01"},
		Seen:    settings.Lookup{On: "2026-11-01", Source: "https://example.com"},
	}
	text, err := calendarOn(t, "2026-11-01", old)
	if err != nil || !strings.Contains(text, "ENDS on 2027-02-27") {
		t.Errorf("118 days before: %v\n%s", err, text)
	}
	_, err = calendarOn(t, "2026-12-01", old)
	if err == nil || !strings.Contains(err.Error(), "Microsoft.KeyVault/vaults 2024-11-01") {
		t.Errorf("88 days before: %v", err)
	}
	old.Version = "2026-02-01"
	if text, err = calendarOn(t, "2030-01-01", old); err != nil {
		t.Errorf("a version that stays: %v\n%s", err, text)
	}
}

func TestAnOldLookIsSaidWithItsSource(t *testing.T) {
	version := settings.APIVersion{
		Type:    "Microsoft.Storage/storageAccounts",
		Version: "2022-09-01",
		Seen:    settings.Lookup{On: "2026-01-01", Source: "https://example.com/ends"},
	}
	text, err := calendarOn(t, "2026-03-01", version)
	if err != nil || strings.Contains(text, "ook again") || !strings.Contains(text, "3.5 years") {
		t.Errorf("after two months: %v\n%s", err, text)
	}
	text, err = calendarOn(t, "2026-09-01", version)
	if err != nil || !strings.Contains(text, "announcements: https://example.com/ends") {
		t.Errorf("after eight months: %v\n%s", err, text)
	}
}

func TestTheCalendarOfThisProgramCanBePrinted(t *testing.T) {
	var out strings.Builder
	today := time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC)
	if err := printCalendar(&out, settings.APIVersions, today); err != nil {
		t.Fatal(err)
	}
	for _, version := range settings.APIVersions {
		if !strings.Contains(out.String(), version.Type+" ") {
			t.Errorf("%s is not in\n%s", version.Type, out.String())
		}
	}
}
