package interop

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

type object = map[string]any

func secret(data object) object { return object{"data": data} }

func TestKvVersion2_WriteReadPatchListDeleteUndeleteDestroy(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "2"})
	first := m.write("data/app/db", secret(object{"user": "joe", "password": "s3cret"}))
	expect(t, "version", first.Data["version"], 1)
	expect(t, "version after a patch", m.must(logical.PatchOperation, "data/app/db", secret(object{"user": nil, "host": "h"})).Data["version"], 2)
	expect(t, "data", m.read("data/app/db")["data"], object{"password": "s3cret", "host": "h"})
	expect(t, "version 1", m.must(logical.ReadOperation, "data/app/db", object{"version": "1"}).Data["data"], object{"user": "joe", "password": "s3cret"})
	expect(t, "subkeys", m.read("subkeys/app/db")["subkeys"], object{"password": nil, "host": nil})
	expect(t, "keys", m.must(logical.ListOperation, "metadata/", nil).Data["keys"], []string{"app/"})
	expect(t, "keys in a folder", m.must(logical.ListOperation, "metadata/app/", nil).Data["keys"], []string{"db"})

	m.must(logical.DeleteOperation, "data/app/db", nil)
	gone, err := m.try(logical.ReadOperation, "data/app/db", nil)
	if err != nil || gone.Data["http_status_code"] == nil {
		t.Errorf("a deleted version: %v, %v", gone, err)
	}
	m.write("undelete/app/db", object{"versions": []int{2}})
	expect(t, "undeleted", m.read("data/app/db")["data"], object{"password": "s3cret", "host": "h"})
	m.write("destroy/app/db", object{"versions": []int{1}})
	versions := m.read("metadata/app/db")["versions"].(object)
	expect(t, "version 1 destroyed", versions["1"].(object)["destroyed"], true)
	m.must(logical.DeleteOperation, "metadata/app/db", nil)
	if response, err := m.try(logical.ReadOperation, "data/app/db", nil); response != nil || err != nil {
		t.Errorf("after its metadata went: %v, %v", response, err)
	}
}

func TestKvVersion2_CheckAndSetIsKept(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "2"})
	m.write("config", object{"cas_required": true, "max_versions": 3})
	expect(t, "config", m.read("config")["max_versions"], 3)
	refused, err := m.try(logical.CreateOperation, "data/a", secret(object{"n": 1}))
	if !errors.Is(err, logical.ErrInvalidRequest) || !refused.IsError() {
		t.Errorf("without cas: %v, %v", refused, err)
	}
	m.write("data/a", object{"data": object{"n": 1}, "options": object{"cas": 0}})
	refused, err = m.try(logical.UpdateOperation, "data/a", object{"data": object{"n": 2}, "options": object{"cas": 7}})
	if !errors.Is(err, logical.ErrInvalidRequest) || !strings.Contains(refused.Error().Error(), "check-and-set") {
		t.Errorf("with the wrong cas: %v, %v", refused, err)
	}
}

func TestKvVersion1_WriteReadListDelete(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "1"})
	m.write("app/db", object{"user": "joe", "nested": object{"a": []int{1, 2}}})
	expect(t, "data", m.read("app/db"), object{"user": "joe", "nested": object{"a": []int{1, 2}}})
	expect(t, "keys", m.must(logical.ListOperation, "", nil).Data["keys"], []string{"app/"})
	m.must(logical.DeleteOperation, "app/db", nil)
	if response, err := m.try(logical.ReadOperation, "app/db", nil); response != nil || err != nil {
		t.Errorf("after the delete: %v, %v", response, err)
	}
}

func TestA13_ValuesOfEveryKindComeBackAsTheyWent(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "1"})
	value := object{
		"text": "<grüße & 日本語\u2028\x00\"\\>", "none": nil, "yes": true, "list": []any{"a", 1, nil, object{}}, "empty": object{},
		"float": 1.5, "negative": -7, "large": strings.Repeat("x", 10<<20), "bytes": []byte{0, 255, 128},
	}
	m.write("v", value)
	expect(t, "values", m.read("v"), value)
}

func TestA13_NumbersAreKeptAsTheirDigits(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "1"})
	m.write("n", object{"big": number("12345678901234567890"), "exact": number("1.50")})
	// The host's own decoding of answers rounds to float64, so what is stored tells what the plugin got.
	stored := m.storage.values(t)
	for _, digits := range []string{":12345678901234567890", ":1.50"} {
		if !strings.Contains(stored, digits) {
			t.Errorf("stored: %s", stored)
		}
	}
}

func TestA13_ABodyThatIsNullCountsAsEmpty(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "2"})
	refused, err := m.try(logical.CreateOperation, "data/a", nil)
	if !errors.Is(err, logical.ErrInvalidRequest) || refused.Error().Error() != "no data provided" {
		t.Errorf("%v, %v", refused, err)
	}
	if response, err := m.try(logical.ReadOperation, "data/a", nil); response != nil || err != nil {
		t.Errorf("what is not there: %v, %v", response, err)
	}
}

func TestA12_ErrorsOfTheKvPluginHaveTheirStatus(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "2"})
	m.write("data/a", secret(object{"n": 1}))
	for _, variant := range []struct {
		operation logical.Operation
		path      string
		data      object
		status    int
	}{
		{logical.CreateOperation, "data/b", object{}, http.StatusBadRequest},
		{logical.UpdateOperation, "data/a", object{"data": object{}, "options": object{"cas": "x"}}, http.StatusBadRequest},
		{logical.ReadOperation, "data/missing", nil, http.StatusNotFound},
		{logical.ListOperation, "metadata/missing/", nil, http.StatusNotFound},
		{logical.UpdateOperation, "subkeys/a", nil, http.StatusMethodNotAllowed},
		{logical.PatchOperation, "data/missing", secret(object{"n": 1}), http.StatusNotFound},
	} {
		response, err := m.try(variant.operation, variant.path, variant.data)
		// What Vault makes of it, by its own code.
		status, _ := logical.RespondErrorCommon(&logical.Request{Operation: variant.operation}, response, err)
		if response != nil && response.Data["http_status_code"] != nil {
			status = int(response.Data["http_status_code"].(float64))
		}
		if status != variant.status {
			t.Errorf("%s %s: %d instead of %d (%v, %v)", variant.operation, variant.path, status, variant.status, response, err)
		}
	}
}

// A refusal is an answer that says an error, and where HashiCorp's plugin returns logical.ErrInvalidRequest beside it, so does ours.
var refusals = []struct {
	version   string
	operation logical.Operation
	path      string
	data      object
	failed    bool
}{
	{"1", logical.UpdateOperation, "a", object{}, false},
	{"1", logical.CreateOperation, "a", nil, false},
	{"2", logical.UpdateOperation, "config", object{"max_versions": "abc"}, false},
	{"2", logical.UpdateOperation, "config", object{"cas_required": "abc"}, false},
	{"2", logical.UpdateOperation, "config", object{"delete_version_after": "abc"}, false},
	{"2", logical.UpdateOperation, "metadata/a", object{"max_versions": []int{1}}, false},
	{"2", logical.UpdateOperation, "metadata/a", object{"custom_metadata": object{"a": ""}}, false},
	{"2", logical.PatchOperation, "metadata/a", object{"custom_metadata": object{"a": ""}}, false},
	{"2", logical.UpdateOperation, "metadata/", object{"max_versions": 1}, false},
	{"2", logical.ReadOperation, "data/a", object{"version": "abc"}, false},
	{"2", logical.UpdateOperation, "delete/a", object{"versions": "abc"}, false},
	{"2", logical.CreateOperation, "data/a", object{"data": "abc"}, false},
	{"2", logical.CreateOperation, "data/a", object{}, true},
	{"2", logical.PatchOperation, "data/a", object{}, true},
	{"2", logical.CreateOperation, "data/a", object{"data": object{}, "options": object{"cas": 7}}, true},
	{"2", logical.CreateOperation, "data/a", object{"data": object{}, "options": object{"cas": "x"}}, true},
	{"2", logical.UpdateOperation, "delete/a", object{}, true},
	{"2", logical.UpdateOperation, "undelete/a", object{}, true},
	{"2", logical.UpdateOperation, "destroy/a", object{}, true},
}

func expectRefusals(t *testing.T, program string) {
	t.Helper()
	for _, version := range []string{"1", "2"} {
		m := newHost(t, program).mount(map[string]string{"version": version})
		for _, refusal := range refusals {
			if refusal.version != version {
				continue
			}
			response, err := m.try(refusal.operation, refusal.path, refusal.data)
			if failed := errors.Is(err, logical.ErrInvalidRequest); failed != refusal.failed || failed != (err != nil) {
				t.Errorf("kv %s: %s %s %v: the error is %v", version, refusal.operation, refusal.path, refusal.data, err)
			}
			if !response.IsError() {
				t.Errorf("kv %s: %s %s %v: the answer is no error: %v", version, refusal.operation, refusal.path, refusal.data, response)
			}
		}
	}
}

func TestA12_KvRefusesByAnAnswerAndOnlySomeOfThemAreErrors(t *testing.T) {
	expectRefusals(t, kv)
}

// The table holds for what it was made from.
func TestA12_TheRefusalsAreThoseOfHashiCorpsPlugin(t *testing.T) {
	expectRefusals(t, hashiCorpsKv(t, "v0.26.2"))
}

func TestA15_AllThatKvStoresIsSealWrapped(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		m := newHost(t, kv).mount(map[string]string{"version": version})
		m.write("data/a", secret(object{"n": 1}))
		paths := m.SpecialPaths()
		if paths == nil {
			t.Fatal("no special paths")
		}
		stored := m.storage.keys(t)
		for _, key := range stored {
			if !slices.ContainsFunc(paths.SealWrapStorage, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
				t.Errorf("version %s: %s is outside of %v", version, key, paths.SealWrapStorage)
			}
		}
		if len(stored) == 0 {
			t.Error("nothing is stored")
		}
		expect(t, "paths for everybody or for root", len(paths.Unauthenticated)+len(paths.Root), 0)
	}
}

func TestA15_APluginWithoutSpecialPathsHasNone(t *testing.T) {
	m := newHost(t, notes).mount(nil)
	if paths := m.SpecialPaths(); paths != nil && len(paths.Root)+len(paths.Unauthenticated)+len(paths.SealWrapStorage) != 0 {
		t.Errorf("%v", paths)
	}
}

func TestA16_ExistenceIsToldForWritesOnly(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "2"})
	checked, exists, err := m.exists("data/a", object{})
	expect(t, "before", []any{checked, exists, err}, []any{true, false, nil})
	m.write("data/a", secret(object{"n": 1}))
	checked, exists, err = m.exists("data/a", object{})
	expect(t, "after", []any{checked, exists, err}, []any{true, true, nil})
	if _, _, err := m.HandleExistenceCheck(t.Context(), &logical.Request{Operation: logical.ReadOperation, Path: "data/a"}); err == nil {
		t.Error("a read got an existence check")
	}
}

func TestA17_RollbackIsAnsweredAsUnsupported(t *testing.T) {
	for name, program := range bothPlugins {
		t.Run(name, func(t *testing.T) {
			m := newHost(t, program).mount(map[string]string{"version": "2"})
			for range 3 {
				if _, err := m.try(logical.RollbackOperation, "", nil); err != nil && !errors.Is(err, logical.ErrUnsupportedOperation) {
					t.Errorf("Vault would log each minute: %v", err)
				}
			}
		})
	}
}

func TestA18_EachWriteSendsItsEvent(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "2"})
	m.write("data/foo", secret(object{"a": "b"}))
	m.must(logical.PatchOperation, "data/foo", secret(object{"a": "c"}))
	m.must(logical.DeleteOperation, "data/foo", nil)
	m.write("undelete/foo", object{"versions": []int{2}})
	m.write("delete/foo", object{"versions": []int{1}})
	m.write("destroy/foo", object{"versions": []int{1}})
	m.write("metadata/foo", object{"max_versions": 3})
	m.must(logical.PatchOperation, "metadata/foo", object{"max_versions": 4})
	m.must(logical.DeleteOperation, "metadata/foo", nil)
	m.write("config", object{"max_versions": 3})
	want := []string{"data-write", "data-patch", "data-delete", "undelete", "delete", "destroy", "metadata-write", "metadata-patch", "metadata-delete", "config-write"}
	events := m.events.take()
	types, ids := []string{}, map[string]bool{}
	for _, event := range events {
		types = append(types, strings.TrimPrefix(event.Type, "kv-v2/"))
		ids[event.Data.Id] = true
		for key, value := range event.Data.Metadata.AsMap() {
			if _, isText := value.(string); !isText {
				t.Errorf("%s: %s is %T", event.Type, key, value)
			}
		}
	}
	expect(t, "types in order", types, want)
	expect(t, "different ids", len(ids), len(want))
	expect(t, "the first", events[0].Data.Metadata.AsMap(), object{
		"current_version": "1", "data_path": "data/foo", "modified": "true", "oldest_version": "0", "operation": "data-write", "path": "data/foo"})
}

func TestA18_ManyWritersSendOneEventEach(t *testing.T) {
	const writers, writes = 8, 25
	m := newHost(t, notes).mount(nil)
	inParallel(writers, func(writer int) {
		for n := range writes {
			m.must(logical.UpdateOperation, fmt.Sprintf("notes/n%d-%d", writer, n), object{"text": "hi"})
		}
	})
	seen := map[string]bool{}
	for _, event := range m.events.take() {
		seen[event.Data.Metadata.AsMap()["path"].(string)] = true
	}
	expect(t, "events of different paths", len(seen), writers*writes)
}

func TestA18_AHostWithoutABusDoesNotFailWrites(t *testing.T) {
	h := newHost(t, notes)
	m := h.prepare(nil)
	m.config.EventsSender = nil
	if err := m.run(); err != nil {
		t.Fatal(err)
	}
	m.write("notes/a", object{"text": "hi"})
	expect(t, "note", m.read("notes/a"), object{"text": "hi"})
}

func TestNotes_WriteReadAndTheirEvent(t *testing.T) {
	h := newHost(t, notes)
	m := h.mount(nil)
	m.write("notes/a", object{"text": "hi"})
	expect(t, "note", m.read("notes/a"), object{"text": "hi"})
	events := m.events.take()
	expect(t, "events", len(events), 1)
	expect(t, "type", events[0].Type, "notes/write")
	expect(t, "metadata", events[0].Data.Metadata.AsMap(), object{"data_path": "notes/a", "modified": "true", "operation": "write", "path": "notes/a"})
	if response, err := m.try(logical.DeleteOperation, "notes/a", nil); !errors.Is(err, logical.ErrUnsupportedOperation) {
		t.Errorf("an operation without a handler: %v, %v", response, err)
	}
	if response, err := m.try(logical.ReadOperation, "elsewhere", nil); !errors.Is(err, logical.ErrUnsupportedPath) {
		t.Errorf("a path without a route: %v, %v", response, err)
	}
	response := m.must(logical.ReadOperation, "notes/a", object{"typo": "1"})
	if response == nil || len(response.Warnings) != 1 || !strings.Contains(response.Warnings[0], "typo") {
		t.Errorf("a field that is not declared: %v", response)
	}
}

func TestA23_TheVersionItReportsIsOneThatVaultAccepts(t *testing.T) {
	h := newHost(t, notes)
	m := h.mount(nil)
	reported := m.Backend.(logical.PluginVersioner).PluginVersion().Version
	if !strings.HasPrefix(reported, "v") {
		t.Errorf("%q", reported)
	}
	expect(t, "the type of plugin", consts.PluginTypeSecrets.String(), "secret")
}
