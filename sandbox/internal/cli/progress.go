package cli

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

const (
	// perPackage is what a package of these builds costs one core, on average.
	perPackage = 250 * time.Millisecond
	// manyPackages is where a build takes long enough to be watched.
	manyPackages = 20
)

// progress tells how far a build is.
type progress struct {
	out  *os.File
	what string
	// total and done count packages. total is 0 when the build is one that only checks.
	total, done int
	started     time.Time
	// last is when something was printed.
	last time.Time
}

// begin says what is built and what that costs.
func (p *progress) begin() {
	if p.total <= manyPackages {
		return
	}
	cores := min(runtime.NumCPU(), 8)
	needs := time.Duration(p.total) * perPackage / time.Duration(cores)
	megabytes := 50 + p.total*2/3
	fmt.Fprintf(p.out,
		"Building %s, this first time: %d packages, about %s and %d MB of Go's build cache\n",
		p.what, p.total, needs.Round(10*time.Second), megabytes)
}

// add counts a package, and prints now and then.
func (p *progress) add() {
	p.done++
	pause := 10 * time.Second
	if p.terminal() {
		pause = time.Second / 2
	}
	spent := time.Since(p.started)
	if p.total <= manyPackages || spent < 2*time.Second || time.Since(p.last) < pause {
		return
	}
	p.last = time.Now()
	share := float64(p.done) / float64(max(p.total, p.done))
	text := fmt.Sprintf("  %3.0f %%%s", 100*share, timeLeft(share, spent))
	if p.terminal() {
		fmt.Fprintf(p.out, "\r%s      ", text)
	} else {
		fmt.Fprintln(p.out, text)
	}
}

// timeLeft guesses, once there is something to guess from. The largest packages are the last ones,
// and then the linker runs, so near the end there is no good guess.
func timeLeft(share float64, spent time.Duration) string {
	switch {
	case share > 0.9:
		return ", the longest packages and linking are left"
	case share > 0.05:
		left := time.Duration(float64(spent) * (1/share - 1))
		return fmt.Sprintf(", about %s left", left.Round(time.Second))
	default:
		return ""
	}
}

// end says how long it took, if anything was printed before.
func (p *progress) end() {
	if p.last.IsZero() {
		return
	}
	if p.terminal() {
		fmt.Fprintf(p.out, "\r")
	}
	spent := time.Since(p.started).Round(time.Second)
	fmt.Fprintf(p.out, "  done after %s            \n", spent)
}

func (p *progress) terminal() bool {
	info, err := p.out.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
