package main

import (
	"fmt"
	"strings"
	"time"
)

// table is Markdown: tables with a sentence or two between them.
type table struct{ b strings.Builder }

func (t *table) head(columns ...string) {
	if t.b.Len() > 0 {
		t.b.WriteString("\n")
	}
	t.row(columns...)
	t.b.WriteString("|---" + strings.Repeat("|---:", len(columns)-1) + "|\n")
}

func (t *table) row(cells ...string) { t.b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
func (t *table) line(text string)    { t.b.WriteString("\n" + text + "\n") }
func (t *table) String() string      { return t.b.String() }

func seconds(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 0.1:
		return fmt.Sprintf("%.3f", s)
	case s < 20:
		return fmt.Sprintf("%.2f", s)
	default:
		return fmt.Sprintf("%.0f", s)
	}
}

func megabytes(bytes int64) string {
	if bytes < 10e6 {
		return fmt.Sprintf("%.2f", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.0f", float64(bytes)/1e6)
}

func ratio[N time.Duration | int64](subject, floor N) string {
	if floor == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(subject)/float64(floor))
}

func verdict[N time.Duration | int64](subject, floor N, target float64) string {
	if floor == 0 {
		return "not measured here"
	}
	if r := float64(subject) / float64(floor); r > target {
		return fmt.Sprintf("missed: %.2f", r)
	}
	return "met: " + ratio(subject, floor)
}
