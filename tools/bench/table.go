package main

import (
	"fmt"
	"strings"
	"time"
)

// table is Markdown: a table, and sentences below it.
type table struct{ strings.Builder }

func (t *table) head(columns ...string) {
	t.row(columns...)
	fmt.Fprintf(t, "|---%s|\n", strings.Repeat("|---:", len(columns)-1))
}

func (t *table) row(cells ...string) { fmt.Fprintf(t, "| %s |\n", strings.Join(cells, " | ")) }
func (t *table) line(text string)    { fmt.Fprintf(t, "\n%s\n", text) }

func seconds(d time.Duration) string { return number(d.Seconds()) }
func megabytes(bytes int64) string   { return number(float64(bytes) / 1e6) }

func number(n float64) string {
	if n < 20 {
		return fmt.Sprintf("%.2f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

func ratio[N time.Duration | int64](subject, floor N) string {
	return fmt.Sprintf("%.2f", float64(subject)/float64(floor))
}

// verdict says whether a target is met. Windows does not tell the memory of a process.
func verdict[N time.Duration | int64](subject, floor N, target float64) string {
	switch {
	case floor == 0:
		return "not measured here"
	case float64(subject)/float64(floor) > target:
		return "missed: " + ratio(subject, floor)
	}
	return "met: " + ratio(subject, floor)
}
