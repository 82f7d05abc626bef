package differential

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/token"
)

// ---- What the module makes of a policy -----------------------------------------------------------

type answer struct {
	Tree        any    `json:"tree"`
	TreeError   string `json:"tree_error"`
	Policy      any    `json:"policy"`
	PolicyError string `json:"policy_error"`
}

func (a answer) treeAccepted() bool   { return a.TreeError == "" }
func (a answer) policyAccepted() bool { return a.PolicyError == "" }

// ask runs the module, which panics on some texts; that counts as a refusal.
func ask(text string) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a = answer{TreeError: fmt.Sprint("panic: ", r), PolicyError: fmt.Sprint("panic: ", r)}
		}
	}()
	file, err := hcl.ParseString(text)
	if err != nil {
		return answer{TreeError: err.Error(), PolicyError: "failed to parse policy: " + err.Error()}
	}
	list := file.Node.(*ast.ObjectList)
	a.Tree = treeOf(list)
	rules, err := rulesOf(list)
	if err != nil {
		a.PolicyError = "failed to parse policy: " + err.Error()
	} else {
		a.Policy = rules
	}
	return a
}

func treeOf(node ast.Node) any {
	switch n := node.(type) {
	case *ast.LiteralType:
		kind := map[token.Type]string{token.NUMBER: "number", token.FLOAT: "float", token.BOOL: "bool"}[n.Token.Type]
		if kind == "" {
			return map[string]any{"string": n.Token.Value().(string)}
		}
		return map[string]any{kind: n.Token.Text}
	case *ast.ListType:
		list := []any{}
		for _, element := range n.List {
			list = append(list, treeOf(element))
		}
		return map[string]any{"list": list}
	case *ast.ObjectType:
		return map[string]any{"object": treeOf(n.List)}
	case *ast.ObjectList:
		items := []any{}
		for _, item := range n.Items {
			keys := []any{}
			for _, key := range item.Keys {
				keys = append(keys, key.Token.Value())
			}
			items = append(items, map[string]any{"keys": keys, "line": item.Assign.Line, "value": treeOf(item.Val)})
		}
		return items
	}
	panic(fmt.Sprintf("a node of type %T", node))
}

type pathRules struct {
	Policy       string           `hcl:"policy"`
	Capabilities []string         `hcl:"capabilities"`
	Min          any              `hcl:"min_wrapping_ttl"`
	Max          any              `hcl:"max_wrapping_ttl"`
	Allowed      map[string][]any `hcl:"allowed_parameters"`
	Denied       map[string][]any `hcl:"denied_parameters"`
	Required     []string         `hcl:"required_parameters"`
	Events       []string         `hcl:"subscribe_event_types"`
}

var attributes = []string{"comment", "policy", "capabilities", "allowed_parameters", "denied_parameters", "required_parameters",
	"min_wrapping_ttl", "max_wrapping_ttl", "mfa_methods", "control_group", "subscribe_event_types"}

func contains(list []string, text string) bool {
	for _, element := range list {
		if element == text {
			return true
		}
	}
	return false
}

func checkKeys(prefix string, node ast.Node, known []string) error {
	if object, ok := node.(*ast.ObjectType); ok {
		node = object.List
	}
	list, ok := node.(*ast.ObjectList)
	if !ok {
		return fmt.Errorf("%scannot check HCL keys of type %T", prefix, node)
	}
	var lines []string
	for _, item := range list.Items {
		if key := item.Keys[0].Token.Value().(string); !contains(known, key) {
			lines = append(lines, fmt.Sprintf("%sinvalid key %q on line %d", prefix, key, item.Assign.Line))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	noun := "errors"
	if len(lines) == 1 {
		noun = "error"
	}
	return fmt.Errorf("%d %s occurred:\n\t* %s\n\n", len(lines), noun, strings.Join(lines, "\n\t* "))
}

func rulesOf(list *ast.ObjectList) (any, error) {
	if err := checkKeys("", list, []string{"name", "path"}); err != nil {
		return nil, err
	}
	var named struct {
		Name string `hcl:"name"`
	}
	if err := hcl.DecodeObject(&named, list); err != nil {
		return nil, err
	}
	rules := []any{}
	for _, item := range list.Filter("path").Items {
		rule, err := ruleOf(item)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func ruleOf(item *ast.ObjectItem) (any, error) {
	path := "path"
	if len(item.Keys) > 0 {
		path = item.Keys[0].Token.Value().(string)
	}
	prefix := fmt.Sprintf("path %q: ", path)
	if err := checkKeys(prefix, item.Val, attributes); err != nil {
		return nil, err
	}
	var decoded pathRules
	if err := hcl.DecodeObject(&decoded, item.Val); err != nil {
		return nil, fmt.Errorf("%s%w", prefix, err)
	}
	if strings.Contains(path, "+*") {
		return nil, fmt.Errorf("%sinvalid use of wildcards ('+*' is forbidden)", prefix)
	}
	capabilities, err := capabilitiesOf(decoded)
	if err != nil {
		return nil, fmt.Errorf("%s%w", prefix, err)
	}
	if contains(capabilities, "deny") {
		decoded = pathRules{}
	}
	min, err := parseutil.ParseDurationSecond(decoded.Min)
	if err != nil {
		return nil, fmt.Errorf("error parsing min_wrapping_ttl: %w", err)
	}
	max, err := parseutil.ParseDurationSecond(decoded.Max)
	if err != nil {
		return nil, fmt.Errorf("error parsing max_wrapping_ttl: %w", err)
	}
	if max != 0 && max < min {
		return nil, errors.New("max_wrapping_ttl cannot be less than min_wrapping_ttl")
	}
	return map[string]any{"path": path, "capabilities": capabilities, "required": texts(decoded.Required), "events": texts(decoded.Events),
		"allowed": parameters(decoded.Allowed), "denied": parameters(decoded.Denied), "min_ns": int64(min), "max_ns": int64(max)}, nil
}

func texts(list []string) []string { return append([]string{}, list...) }

func parameters(rules map[string][]any) map[string]any {
	lower := map[string]any{}
	for name, values := range rules {
		lower[strings.ToLower(name)] = append([]any{}, values...)
	}
	return lower
}

func capabilitiesOf(rules pathRules) ([]string, error) {
	named := rules.Capabilities
	switch rules.Policy {
	case "":
	case "deny":
		named = []string{"deny"}
	case "read":
		named = append(named, "read", "list")
	case "write":
		named = append(named, "create", "read", "update", "delete", "list")
	case "sudo":
		named = append(named, "create", "read", "update", "delete", "list", "sudo")
	default:
		return nil, fmt.Errorf("invalid policy %q", rules.Policy)
	}
	set := map[string]bool{}
	for _, name := range named {
		if name == "deny" {
			return []string{"deny"}, nil
		}
		if !contains([]string{"create", "read", "update", "delete", "list", "sudo", "patch", "subscribe", "recover"}, name) {
			return nil, fmt.Errorf("invalid capability %q", name)
		}
		set[name] = true
	}
	sorted := []string{}
	for name := range set {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	return sorted, nil
}

// ---- What Belfry makes of it ---------------------------------------------------------------------

func askBelfry(t *testing.T, policies []string) []answer {
	t.Helper()
	var lines []string
	for _, text := range policies {
		line, _ := json.Marshal(text)
		lines = append(lines, string(line))
	}
	return answersOf[answer](t, "belfry-policy-reader", nil, lines)
}

// ---- Where they differ on purpose ----------------------------------------------------------------

type disagreement struct {
	reason  string
	example string
	is      func(text string, theirs, ours answer) bool
}

func isJSON(text string) bool { return strings.HasPrefix(strings.TrimLeft(text, " \t\r\n\v\f"), "{") }

func oursSays(part string) func(string, answer, answer) bool {
	return func(_ string, _, ours answer) bool { return strings.Contains(ours.PolicyError, part) }
}

var disagreements = []disagreement{
	{"a condition that we do not check must not be ignored", `path "a" { control_group {} }`, oursSays("is not supported: remove it")},
	{"multi-factor methods are conditions too", `path "a" { mfa_methods = ["x"] }`, oursSays("is not supported: remove it")},
	{"a template would be taken for a literal path", `path "a/{{identity.entity.id}}" {}`, oursSays("templates ({{…}}) are not supported")},
	{"a policy that was cut off after '=' must not count as whole", `path "a" {} name =`, oursSays("expected a value (strings stand in quotes), found the end of the text")},
	{"numbers that are none are refused where they stand, even where nobody reads them", `path "a" { comment = 1e }`, oursSays("illegal exponent")},
	{"the module looks only at the second and later digits for an 8 or 9", `path "a" { required_parameters = [08] }`, oursSays("illegal octal number")},
	{"nesting without a limit is an attack on the stack", "a = " + strings.Repeat("[", 200) + strings.Repeat("]", 200), oursSays("nested too deeply")},
	{"letters outside ASCII belong in quotes", `path é {}`, func(text string, theirs, ours answer) bool {
		return strings.Contains(ours.PolicyError, "illegal char") || strings.Contains(ours.PolicyError, "heredoc anchor")
	}},
	{"U+E123 is no special character to us", "path \"\ue123\" {}", func(text string, theirs, _ answer) bool {
		return strings.Contains(theirs.TreeError, "U+E123")
	}},
	{"the module reads half of a text that is not JSON", `{"path": {"a": {"capabilities": ["read"]}} "path": {}}`, func(text string, theirs, ours answer) bool {
		return isJSON(text) && !json.Valid([]byte(text)) && !ours.treeAccepted()
	}},
	{"the module refuses escapes and numbers that JSON has", `{"path": {"a\/b": {"capabilities": ["read"]}}}`, func(text string, theirs, ours answer) bool {
		return isJSON(text) && json.Valid([]byte(text)) && !theirs.treeAccepted() && ours.treeAccepted()
	}},
	{"the module drops bools and lists from lists of JSON", `{"path": {"a": {"capabilities": [true]}}}`, func(text string, theirs, ours answer) bool {
		var value any
		return isJSON(text) && json.Unmarshal([]byte(text), &value) == nil && holds(value, func(v any) bool {
			list, ok := v.([]any)
			return ok && slices.ContainsFunc(list, func(element any) bool { return isA[bool](element) || isA[[]any](element) })
		})
	}},
	{"objects among parameter values stay objects; the module makes lists of them, which equal no request", `path "a" { allowed_parameters = { "x" = [{ y = { z = 1 } }] } }`,
		func(_ string, theirs, ours answer) bool {
			return theirs.policyAccepted() && reflect.DeepEqual(normal(theirs.Tree), normal(ours.Tree)) && holds(ours.Policy, func(v any) bool {
				// The rules, their parameters and the objects in these are objects.
				object, ok := v.(map[string]any)
				return ok && object["path"] == nil && holds(slices.Collect(maps.Values(object)), isA[map[string]any])
			})
		}},
}

func isA[T any](value any) bool {
	_, ok := value.(T)
	return ok
}

// holds says whether this is so for the value or anything in it.
func holds(value any, is func(any) bool) bool {
	if is(value) {
		return true
	}
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { return holds(element, is) })
	case map[string]any:
		for _, member := range v {
			if holds(member, is) {
				return true
			}
		}
	}
	return false
}

// agree says what differs, or "".
func agree(theirs, ours answer) string {
	switch {
	case theirs.treeAccepted() != ours.treeAccepted():
		return "one refuses the text"
	case !reflect.DeepEqual(normal(theirs.Tree), normal(ours.Tree)):
		return "the trees differ"
	case theirs.policyAccepted() != ours.policyAccepted():
		return "one refuses the policy"
	case !reflect.DeepEqual(normal(theirs.Policy), normal(ours.Policy)):
		return "the rules differ"
	}
	return ""
}

func reasonFor(text string, theirs, ours answer) string {
	for _, d := range disagreements {
		if d.is(text, theirs, ours) {
			return d.reason
		}
	}
	return ""
}

// What we list as a disagreement still is one, and is told by its own sign.
func TestEveryListedDisagreementIsOne(t *testing.T) {
	for _, d := range disagreements {
		theirs, ours := ask(d.example), askBelfry(t, []string{d.example})[0]
		if agree(theirs, ours) == "" {
			t.Errorf("%s: no disagreement any more about %q", d.reason, d.example)
		} else if !d.is(d.example, theirs, ours) {
			t.Errorf("%s: not recognised in %q\ntheirs %+v\nours   %+v", d.reason, d.example, theirs, ours)
		}
	}
}

// ---- Generated policies --------------------------------------------------------------------------

func (g generator) gap() string {
	return g.pick(" ", " ", " ", "\n", "\t", "  \n  ", " # why\n", " // why\n", " /* why\n so */ ", "\r\n")
}

func (g generator) word() string {
	return g.pick("a", "b", "secret", "data", "x-y", "kv.v2", "name", "_u", "é", "*", "+", "", "true", "0")
}

func (g generator) path() string {
	path := g.pick("", "", "/", "sys/") + g.join("/", 4, g.word)
	return path + g.pick("", "", "*", "/", "/*", "/+", "+*", "/+/")
}

func (g generator) quoted(text string) string {
	if g.chance(90) {
		return strconv.Quote(text)
	}
	return `"` + text + g.pick(`\n`, `\x41`, `\u00e9`, `\101`, `\"`, `\\`, `${x}`, `${"q"}`, "${a\nb}", `$`, `{`, `\a\b\f\r\t\v`, `\U0001F600`) + `"`
}

func (g generator) literal() string {
	switch g.IntN(12) {
	case 0:
		return g.pick("1", "0", "-5", "0x1F", "017", "1.5", "-2.5e3", "1e2", ".5", "90", "1.", "0.5", "9223372036854775807", "-0")
	case 1:
		return g.pick("true", "false")
	case 2:
		return "<<EOF\n" + g.pick("", "x\n", "  x\n y\n", "EO\n") + g.pick("", "  ") + "EOF\n"
	case 3:
		return "<<-EOF\n" + g.pick("", "    x\n      y\n", "x\n", "    x\n\n    y\n") + g.pick("    ", " ", "") + "EOF\n"
	}
	return g.quoted(g.pick("read", "90s", "2d", "kv*", g.word(), g.path()))
}

func (g generator) list(one func() string) string {
	text := "[" + g.gap()
	for range g.IntN(4) {
		text += one() + g.pick(",", ",", ", ", g.gap()+","+g.gap())
	}
	if g.chance(50) {
		text += one()
	}
	return text + g.gap() + "]"
}

func (g generator) value(depth int) string {
	if depth > 0 && g.chance(15) {
		return g.object(depth - 1)
	}
	if depth > 0 && g.chance(25) {
		return g.list(func() string { return g.value(depth - 1) })
	}
	return g.literal()
}

func (g generator) object(depth int) string {
	text := "{" + g.gap()
	for range g.IntN(3) {
		text += g.key(g.word()) + g.pick(" = ", "=", " ") + g.value(depth) + g.pick("\n", ",", "\n,")
	}
	return text + "}"
}

func (g generator) key(name string) string {
	if name == "" || g.chance(30) {
		return strconv.Quote(name)
	}
	return name
}

func (g generator) capability() string {
	return g.pick(`"read"`, `"list"`, `"create"`, `"update"`, `"delete"`, `"sudo"`, `"patch"`, `"subscribe"`, `"recover"`, `"read"`, `"deny"`,
		g.pick(`"Read"`, "5", "true", `"bogus"`, g.literal()))
}

func (g generator) parameterRules() string {
	text := g.pick(" = {", " {")
	for range g.IntN(3) {
		text += g.gap() + strconv.Quote(g.pick("x", "*", "Name", "ttl")+g.pick("", "2")) + " = " +
			g.pick(g.list(g.literal), g.list(g.literal), "[]", g.value(2)) + g.gap()
	}
	return text + "}"
}

func (g generator) attribute() string {
	texts := func() string {
		return g.pick(g.list(g.literal), g.list(func() string { return g.quoted(g.word()) }), "[]")
	}
	switch g.IntN(11) {
	case 0, 1, 2, 3:
		return "capabilities = " + g.list(g.capability)
	case 4:
		return g.key("policy") + " = " + g.pick(`"read"`, `"write"`, `"sudo"`, `"deny"`, `"all"`, g.value(1))
	case 5:
		return g.key("allowed_parameters") + g.parameterRules()
	case 6:
		return "denied_parameters" + g.parameterRules()
	case 7:
		return "required_parameters = " + texts()
	case 8:
		return g.key("subscribe_event_types") + " = " + texts()
	case 9:
		return g.pick("min", "max") + "_wrapping_ttl = " + g.pick("5", `"90s"`, `"2d"`, `"1h30m"`, `""`, `"5x"`, g.literal(), g.value(1))
	}
	return g.key(g.pick("comment", "comment", "zip", "path", "mfa_methods", "Capabilities")) + g.pick(" = ", " ") + g.value(1)
}

func (g generator) policy() string {
	text := g.pick("", g.gap())
	for range 1 + g.IntN(3) {
		if g.chance(5) {
			text += g.pick("name = \"x\"", "name = 5", "foo = 1", "name { }", "path = { \"a\" = {} }", "path { }", g.attribute()) + g.gap()
			continue
		}
		label := g.quoted(g.path())
		if g.chance(5) {
			label = g.pick("bare", "", `"a" "b"`, `"a" = `, "a-b.c")
		}
		text += "path " + label + g.gap() + "{" + g.gap()
		for range g.IntN(4) {
			text += g.attribute() + g.pick("\n", " ", ",", "\n\n# c\n")
		}
		text += "}" + g.gap()
	}
	return text
}

// jsonPolicy is the same as a tree that the JSON encoder writes.
func (g generator) jsonValue(depth int) any {
	if depth > 0 && g.chance(20) {
		list := []any{}
		for range g.IntN(3) {
			list = append(list, g.jsonValue(depth-1))
		}
		return list
	}
	if depth > 0 && g.chance(20) {
		return map[string]any{g.word(): g.jsonValue(depth - 1)}
	}
	options := []any{"read", "x", g.path(), 5, -1.5, 1e30, nil, "90s"}
	return options[g.IntN(len(options))]
}

func (g generator) jsonPolicy() string {
	paths := map[string]any{}
	for range g.IntN(3) {
		rule := map[string]any{}
		for range g.IntN(4) {
			switch g.IntN(5) {
			case 0, 1:
				rule["capabilities"] = []any{g.pick("read", "list", "deny", "bogus"), g.pick("subscribe", "update")}
			case 2:
				rule["allowed_parameters"] = map[string]any{g.word(): []any{g.jsonValue(0)}}
			case 3:
				rule[g.pick("policy", "min_wrapping_ttl")] = g.pick("read", "5", "deny")
			case 4:
				rule[attributes[g.IntN(len(attributes))]] = g.jsonValue(2)
			}
		}
		paths[g.path()] = rule
	}
	var policy any = map[string]any{"path": paths}
	if g.chance(20) {
		list := []any{}
		for path, rule := range paths {
			list = append(list, map[string]any{path: rule})
		}
		policy = map[string]any{"path": list}
	}
	if g.chance(5) {
		policy = g.jsonValue(3)
	}
	text, _ := json.MarshalIndent(policy, g.pick("", " "), g.pick("", " "))
	return string(text)
}

// broken changes a few characters, where mistakes are likely.
func (g generator) broken(text string) string {
	for range 1 + g.IntN(3) {
		at := g.IntN(len(text) + 1)
		switch g.IntN(3) {
		case 0:
			text = text[:at]
		case 1:
			text = text[:at] + g.pick("{", "}", "[", "]", "=", ",", "\"", "\\", "#", "/", "<", "$", "{", "\n", "-", ".", "0", "é", "\x00", "*/", "<<E\n", "true", "\xff", "\r") + text[at:]
		case 2:
			text = text[:at] + text[min(len(text), at+1+g.IntN(3)):]
		}
	}
	return strings.ToValidUTF8(text, "?")
}

func (g generator) text() string {
	text := g.policy()
	if g.chance(25) {
		text = g.jsonPolicy()
	}
	if g.chance(40) {
		text = g.broken(text)
	}
	return text
}

func TestGeneratedPoliciesMeanTheSame(t *testing.T) {
	seed, count := number("BELFRY_SEED", 1), int(number("BELFRY_CASES", 20000))
	g := newGenerator(seed)
	var policies []string
	for range count {
		policies = append(policies, g.text())
	}
	ours := askBelfry(t, policies)
	listed := map[string]int{}
	accepted, refused, sameWords, failures := 0, 0, 0, 0
	for i, text := range policies {
		theirs := ask(text)
		what := agree(theirs, ours[i])
		if what == "" {
			if theirs.policyAccepted() {
				accepted++
				continue
			}
			refused++
			if theirs.PolicyError == ours[i].PolicyError {
				sameWords++
			} else if os.Getenv("BELFRY_WORDS") != "" {
				t.Logf("%q\ntheirs %q\nours   %q", text, theirs.PolicyError, ours[i].PolicyError)
			}
			continue
		}
		if reason := reasonFor(text, theirs, ours[i]); reason != "" {
			listed[reason]++
			continue
		}
		if failures++; failures <= 5 {
			t.Errorf("seed %d, case %d: %s\n%s\n%q\ntheirs %+v\nours   %+v", seed, i, what, text, text, theirs, ours[i])
		}
	}
	t.Logf("%d policies of seed %d: %d accepted and %d refused by both, %d of these in the same words; %d unexplained", count, seed, accepted, refused, sameWords, failures)
	for reason, n := range listed {
		t.Logf("%6d: %s", n, reason)
	}
	// A generator that makes only one sort of policy compares nothing.
	if accepted < count/10 || refused < count/10 {
		t.Errorf("only %d accepted and %d refused of %d", accepted, refused, count)
	}
}
