// Package differential compares what Belfry's own parsers make of a text with what HashiCorp's modules make of it: whether they accept
// it, what it means, and in what words it is refused. BELFRY_BIN names the folder with differential/; `./dev test` sets it.
// BELFRY_SEED and BELFRY_CASES change what is generated; a failure prints its seed.
package differential

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ---- What Belfry makes of a text -----------------------------------------------------------------

func binary(t *testing.T, name string) string {
	folder := os.Getenv("BELFRY_BIN")
	if folder == "" {
		folder = "../../build/dev/bin"
	}
	path, err := filepath.Abs(filepath.Join(folder, "differential", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// answersOf runs a reader of ours on lines, one answer each. What stands in head is read first and not answered.
func answersOf[Answer any](t *testing.T, reader string, head, lines []string) []Answer {
	t.Helper()
	command := exec.Command(binary(t, reader))
	command.Stdin = strings.NewReader(strings.Join(append(head, lines...), "\n") + "\n")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(strings.NewReader(string(output)))
	scanner.Buffer(nil, 64<<20)
	var answers []Answer
	for scanner.Scan() {
		var answer Answer
		if err := json.Unmarshal(scanner.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(lines) {
		t.Fatalf("%d answers to %d texts", len(answers), len(lines))
	}
	return answers
}

func normal(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	var result any
	if err := json.Unmarshal(text, &result); err != nil {
		panic(err)
	}
	return result
}

// ---- Generated texts -----------------------------------------------------------------------------

type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 0))} }

func (g generator) pick(options ...string) string { return options[g.IntN(len(options))] }
func (g generator) chance(percent int) bool       { return g.IntN(100) < percent }

func (g generator) join(separator string, most int, one func() string) string {
	var parts []string
	for range g.IntN(most + 1) {
		parts = append(parts, one())
	}
	return strings.Join(parts, separator)
}

func number(name string, otherwise uint64) uint64 {
	if value, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return value
	}
	return otherwise
}
