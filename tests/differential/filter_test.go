package differential

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/hashicorp/go-bexpr"
	"github.com/hashicorp/go-bexpr/grammar"
)

// ---- What the module makes of a filter -----------------------------------------------------------

// What Vault lets filters see of an event. (vault/sdk v0.21, logical.EventReceivedBexpr)
type event struct {
	EventType           string `bexpr:"event_type" json:"event_type"`
	Operation           string `bexpr:"operation" json:"operation"`
	SourcePluginMount   string `bexpr:"source_plugin_mount" json:"source_plugin_mount"`
	DataPath            string `bexpr:"data_path" json:"data_path"`
	Namespace           string `bexpr:"namespace" json:"namespace"`
	SourcePluginIsLocal bool   `bexpr:"source_plugin_is_local" json:"source_plugin_is_local"`
}

type filterAnswer struct {
	Tree    any    `json:"tree"`
	Error   string `json:"error"`   // Instead of a tree.
	Matches string `json:"matches"` // A 0 or 1 for each event.
	Refusal string `json:"refusal"` // Ours, instead of matches: why no event could match, or the error.
	Broken  string // Theirs: why comparisons, each evaluated for itself, drop any event.
}

// askFilter does as Vault does: an event for which the evaluation fails is dropped.
func askFilter(text string, events []event) filterAnswer {
	evaluator, err := bexpr.CreateEvaluator(text)
	if err != nil {
		return filterAnswer{Error: err.Error()}
	}
	tree := expressionOf(evaluator).Interface().(grammar.Expression)
	answer := filterAnswer{Tree: filterTree(tree), Broken: strings.Join(broken(tree), "\n")}
	for i := range events {
		matches, err := evaluate(evaluator, &events[i])
		if err == nil && matches {
			answer.Matches += "1"
		} else {
			answer.Matches += "0"
		}
	}
	return answer
}

// evaluate counts a panic, which some comparisons with a bool end in, as a failure.
func evaluate(evaluator *bexpr.Evaluator, datum *event) (matches bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			matches, err = false, fmt.Errorf("panic: %v", r)
		}
	}()
	return evaluator.Evaluate(datum)
}

// broken says of each comparison that fails whatever the event is why it does. The fields have one type each, so that one event tells.
func broken(expression grammar.Expression) []string {
	switch e := expression.(type) {
	case *grammar.UnaryExpression:
		return broken(e.Operand)
	case *grammar.BinaryExpression:
		return append(broken(e.Left), broken(e.Right)...)
	}
	evaluator := *anyEvaluator
	expressionOf(&evaluator).Set(reflect.ValueOf(expression))
	if _, err := evaluate(&evaluator, &event{}); err != nil {
		return []string{err.Error()}
	}
	return nil
}

var anyEvaluator, _ = bexpr.CreateEvaluator("event_type is empty")

// expressionOf is what the module hides: a part of an expression is evaluated only by exchanging the whole.
func expressionOf(evaluator *bexpr.Evaluator) reflect.Value {
	ast := reflect.ValueOf(evaluator).Elem().FieldByName("ast")
	return reflect.NewAt(ast.Type(), unsafe.Pointer(ast.UnsafeAddr())).Elem()
}

func filterTree(expression any) any {
	switch e := expression.(type) {
	case *grammar.UnaryExpression:
		return map[string]any{"not": filterTree(e.Operand)}
	case *grammar.BinaryExpression:
		return map[string]any{strings.ToLower(e.Operator.String()): []any{filterTree(e.Left), filterTree(e.Right)}}
	case *grammar.MatchExpression:
		path := []any{}
		for _, part := range e.Selector.Path {
			path = append(path, hex.EncodeToString([]byte(part)))
		}
		value := ""
		if e.Value != nil {
			value = hex.EncodeToString([]byte(e.Value.Raw))
		}
		return map[string]any{"path": path, "operator": e.Operator.String(), "value": value}
	}
	panic(fmt.Sprintf("an expression of type %T", expression))
}

// ---- What Belfry makes of it ---------------------------------------------------------------------

func askBelfryForFilters(t *testing.T, filters []string, events []event) []filterAnswer {
	t.Helper()
	head, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, text := range filters {
		lines = append(lines, base64.StdEncoding.EncodeToString([]byte(text)))
	}
	return answersOf[filterAnswer](t, "belfry-filter-reader", []string{string(head)}, lines)
}

// ---- Where they differ on purpose ----------------------------------------------------------------

type filterDisagreement struct {
	reason  string
	example string
	is      func(text string, theirs, ours filterAnswer) bool
}

// refusedAtOnce: we say what Vault would only find out, and tell nobody, when an event comes.
func refusedAtOnce(ourPart string, theirParts ...string) func(string, filterAnswer, filterAnswer) bool {
	return func(_ string, theirs, ours filterAnswer) bool {
		for _, part := range theirParts {
			if strings.Contains(theirs.Broken, part) && strings.Contains(ours.Refusal, ourPart) {
				return true
			}
		}
		return false
	}
}

func refusedAlone(ourPart string) func(string, filterAnswer, filterAnswer) bool {
	return func(_ string, theirs, ours filterAnswer) bool {
		return theirs.Error == "" && strings.Contains(ours.Refusal, ourPart)
	}
}

var filterDisagreements = []filterDisagreement{
	{"a field that no event has would drop every event that gets so far", `operation == x or path == y`,
		refusedAtOnce("there is no field", "error finding value in datum")},
	{"a value that is neither true nor false, too", `source_plugin_is_local == maybe`,
		refusedAtOnce("is true or false, not this", "strconv.ParseBool")},
	{"a boolean holds nothing, and asking whether it is empty panics", `source_plugin_is_local is empty`,
		refusedAtOnce("can only be compared by", "strconv.ParseBool", "Cannot perform in/contains", "not convertible to []byte", "panic: ")},
	{"a regular expression that is none drops events, too", "operation matches `(`",
		refusedAtOnce("this is no regular expression", "Failed to compile regular expression")},
	{"RE2 in Debian 12 knows named groups by (?P<name>…) only", "operation matches `(?<a>b)`",
		func(text string, _, ours filterAnswer) bool {
			return strings.Contains(text, "(?<") && strings.Contains(ours.Refusal, "invalid perl operator: (?<")
		}},
	{"Go since 1.25 knows Unicode's categories in lower case and by their long names, too", "operation matches `\\pl`",
		refusedAlone(`invalid character class range: \p`)},
	{"RE2 knows \\C, a byte", "operation matches `^\\C$`", func(text string, theirs, ours filterAnswer) bool {
		return strings.Contains(theirs.Broken, `\C`) && ours.Refusal == ""
	}},
	{"a mount's path without its '/' is that of no event", `source_plugin_mount == secret`, refusedAlone("their paths end in '/'")},
	{"nor is the root namespace called root", `namespace == root`, refusedAlone("the root's name is empty")},
	{"what a regular expression may need is bounded", "operation matches `(\\pL{100}){10}`", refusedAlone("pattern too large")},
	{"so is their number", strings.Repeat("operation matches a or ", 8) + "operation matches a", refusedAlone("more than 8 regular expressions")},
	{"and the length", "operation == " + strings.Repeat("x", 20000), refusedAlone("longer than 16384 bytes")},
	{"nesting without a limit is an attack on the stack", strings.Repeat("not ", 101) + "operation == x", refusedAlone("nested too deeply")},
	{"twenty mistakes are enough", strings.Repeat("\"\\q\" in a or ", 20) + "\"\\q\" in a", func(_ string, theirs, ours filterAnswer) bool {
		return strings.Count(ours.Error, "\n") == 19 && strings.HasPrefix(theirs.Error, ours.Error+"\n")
	}},
	{"what is not UTF-8 is refused at its first place, and before anything else is read", "operation == \"\xff\"",
		func(text string, theirs, ours filterAnswer) bool {
			place, is := strings.CutSuffix(ours.Error, ": invalid encoding")
			samePlace := strings.Contains(theirs.Error, place+": rule ") || !strings.Contains(theirs.Error, "invalid encoding")
			return theirs.Error != "" && !utf8.ValidString(text) && is && samePlace
		}},
}

func agreeOnFilter(theirs, ours filterAnswer) string {
	switch {
	case (theirs.Error == "") != (ours.Error == ""):
		return "one refuses the text"
	case theirs.Error != ours.Error:
		return "the errors differ"
	case theirs.Error != "":
		return ""
	case !reflect.DeepEqual(normal(theirs.Tree), normal(ours.Tree)):
		return "the trees differ"
	case ours.Refusal != "":
		return "we refuse it at once"
	case theirs.Broken != "":
		return "they drop every event that gets so far"
	case theirs.Matches != ours.Matches:
		return "they do not match the same events"
	}
	return ""
}

func filterReasonFor(text string, theirs, ours filterAnswer) string {
	for _, d := range filterDisagreements {
		if d.is(text, theirs, ours) {
			return d.reason
		}
	}
	return ""
}

func TestEveryListedDisagreementAboutFiltersIsOne(t *testing.T) {
	for _, d := range filterDisagreements {
		events := []event{{Operation: "x"}}
		theirs, ours := askFilter(d.example, events), askBelfryForFilters(t, []string{d.example}, events)[0]
		if agreeOnFilter(theirs, ours) == "" {
			t.Errorf("%s: no disagreement any more about %q", d.reason, d.example)
		} else if !d.is(d.example, theirs, ours) {
			t.Errorf("%s: not recognised in %q\ntheirs %+v\nours   %+v", d.reason, d.example, theirs, ours)
		}
	}
}

// ---- Generated filters ---------------------------------------------------------------------------

func (g generator) eventText() string {
	return g.pick("", "a", "b", "write", "data-write", "kv-v2/data-write", "secret/", "secret/data/a", "secret/data/é/b", "Secret", "true", "0", "1.5",
		"a.b", "a/b", "/a", "ns1/", "x\ny", `a"b`, "a`b", `a\b`)
}

func (g generator) event() event {
	return event{g.eventText(), g.eventText(), g.eventText(), g.eventText(), g.eventText(), g.chance(50)}
}

// blank is what must stand between words, and sometimes does not.
func (g generator) blank() string {
	return g.pick(" ", " ", " ", " ", " ", "  ", "\t", "\n", "\r\n", " \n ")
}

func (g generator) maybeBlank() string { return g.pick("", "", " ", g.blank()) }

func (g generator) string() string {
	text := g.eventText() + g.pick("", "", "", g.eventText(), `\n`, `\x41`, `\u00e9`, `\101`, `\\`, `\ud800`, `\q`, "\r", `\xff`, `\U0001F600`)
	if g.chance(30) {
		return "`" + strings.ReplaceAll(text, "`", "") + "`"
	}
	if g.chance(50) {
		return strconv.Quote(text)
	}
	return `"` + strings.ReplaceAll(text, `"`, "") + `"`
}

func (g generator) selector() string {
	field := g.pick("event_type", "operation", "source_plugin_mount", "data_path", "namespace", "operation", "data_path")
	switch g.IntN(24) {
	case 0:
		return "source_plugin_is_local"
	case 1:
		return g.pick("path", "a", "not", "in", "is", "or", "empty", "a/b", "Operation", "a1", "x_y", "nosuch")
	case 2:
		return field + g.pick(".a", ".0", "[\"a\"]", "[`0`]", "[ \"x y\" ]", ".a.b", "[0]", "[]", "[\"a\"", ".", ".-")
	case 3:
		return `"/` + g.pick(field, "a", "a/b", "é", "a~1b", "a~0b~01", "x-y.z:1|2~", "") + `"`
	case 4:
		return g.pick(`""`, `"/"`, `"a"`, "5", "_a", "é")
	}
	return g.pick(field, field, field, field, field, field, `"/`+field+`"`)
}

func (g generator) filterValue() string {
	switch g.IntN(8) {
	case 0:
		return g.pick("0", "1", "-5", "1.5", "-0.0", "05", "1.", ".5", "1e3", "--1", "12x", "5)", "00")
	case 1:
		return g.pick("a", "b", "write", "secret/data/a", "secret/", "true", "false", "not", "T", "is", "a.b", "a.0", "a[\"b\"]")
	case 2:
		return `"/` + g.pick("a", "secret/data/a", "a/", "a b", "é", "a~1b", "") + `"`
	case 3:
		return g.selector()
	}
	return g.string()
}

func (g generator) regex() string {
	part := func() string {
		return g.pick("a", "b", "write", "secret", "/", ".", ".*", "[a-z]+", "[^/]*", `\w`, `\d+`, `\pL`, `(?i)SECRET`, "^", "$", `\b`, "(a|b)", "x?", "a{1,3}",
			"é", `\n`, "(?:a)", "(?P<n>a)", `\x{e9}`, `[[:alpha:]]`, `\Q.\E`, "(?s).", `\z`, `\A`, `[\d\-]`,
			g.pick("(", ")", "[", "*", "a**", "a{1001}", `\1`, "(?=a)", `\Z`, "[z-a]", "(?<n>a)", `\C`, `\p{Nosuch}`, "a{2,1}", "+", "(?a)", `\`))
	}
	pattern := ""
	for range 1 + g.IntN(4) {
		pattern += part()
	}
	if g.chance(70) {
		return "`" + pattern + "`"
	}
	return strconv.Quote(pattern)
}

func (g generator) comparison() string {
	not := g.pick("", "", "not"+g.blank())
	switch g.IntN(10) {
	case 0, 1, 2:
		return g.selector() + g.maybeBlank() + g.pick("==", "==", "!=", g.pick("=", "= =", "===", "<", "<>")) + g.maybeBlank() + g.filterValue()
	case 3, 4:
		return g.selector() + g.blank() + not + "contains" + g.blank() + g.filterValue()
	case 5, 6:
		return g.filterValue() + g.blank() + not + "in" + g.blank() + g.selector()
	case 7:
		return g.selector() + g.blank() + "is" + g.blank() + not + "empty"
	}
	return g.selector() + g.blank() + not + "matches" + g.blank() + g.regex()
}

func (g generator) expression(depth int) string {
	if depth > 0 {
		switch g.IntN(6) {
		case 0:
			return g.expression(depth-1) + g.blank() + "and" + g.blank() + g.expression(depth-1)
		case 1:
			return g.expression(depth-1) + g.blank() + "or" + g.blank() + g.expression(depth-1)
		case 2:
			return "(" + g.maybeBlank() + g.expression(depth-1) + g.maybeBlank() + ")"
		case 3:
			return "not" + g.blank() + g.expression(depth-1)
		}
	}
	return g.comparison()
}

// brokenFilter changes a few characters, where mistakes are likely.
func (g generator) brokenFilter(text string) string {
	for range 1 + g.IntN(3) {
		at := g.IntN(len(text) + 1)
		switch g.IntN(4) {
		case 0:
			text = text[:at]
		case 1:
			text = text[:at] + g.pick("(", ")", "\"", "`", "\\", "[", "]", ".", "/", "-", " ", "\n", "é", "\x00", "0", "=", "a", " or ", " and ", "not ", " in ",
				" AND ", "\xff", "\xc3", "\"\"", "``", "~", "\u00a0", "\U0001F600", "((", "and", "is empty") + text[at:]
		case 2:
			text = text[:at] + text[min(len(text), at+1+g.IntN(3)):]
		case 3:
			to := g.IntN(len(text) + 1)
			text = text[:at] + text[min(at, to):max(at, to)] + text[at:]
		}
	}
	return text
}

func (g generator) filter() string {
	text := g.pick("", "", "", g.blank()) + g.expression(g.IntN(4)) + g.pick("", "", "", g.blank())
	if g.chance(40) {
		text = g.brokenFilter(text)
	}
	return text
}

func TestGeneratedFiltersMeanTheSame(t *testing.T) {
	seed, count := number("BELFRY_SEED", 1), int(number("BELFRY_CASES", 25000))
	g := newGenerator(seed)
	var events []event
	for range 24 {
		events = append(events, g.event())
	}
	var filters []string
	for range count {
		filters = append(filters, g.filter())
	}
	ours := askBelfryForFilters(t, filters, events)
	listed := map[string]int{}
	accepted, refused, matched, failures := 0, 0, 0, 0
	for i, text := range filters {
		theirs := askFilter(text, events)
		what := agreeOnFilter(theirs, ours[i])
		if what == "" && theirs.Error != "" {
			refused++
			continue
		}
		if what == "" {
			accepted++
			matched += strings.Count(theirs.Matches, "1")
			continue
		}
		if reason := filterReasonFor(text, theirs, ours[i]); reason != "" {
			listed[reason]++
			continue
		}
		if failures++; failures <= 5 {
			t.Errorf("seed %d, case %d: %s\n%s\n%q\ntheirs %+v\nours   %+v", seed, i, what, text, text, theirs, ours[i])
		}
	}
	t.Logf("%d filters of seed %d: %d accepted and %d refused by both in the same words, %d matches; %d unexplained", count, seed, accepted, refused, matched, failures)
	for reason, n := range listed {
		t.Logf("%6d: %s", n, reason)
	}
	// A generator that makes only one sort of filter compares nothing.
	if accepted < count/5 || refused < count/10 || matched < accepted {
		t.Errorf("only %d accepted with %d matches, and %d refused, of %d", accepted, matched, refused, count)
	}
}
