package clients

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/vault/api"
)

func TestLogical_WritesReadsListsAndDeletes(t *testing.T) {
	logical := connect(t).Logical()
	written := must(logical.Write("secret/data/app/db", object{"data": object{"a": 1}}))(t)
	equal(t, written.Data["version"], json.Number("1"))
	equal(t, written.Data["deletion_time"], "")
	if written.RequestID == "" || written.LeaseID != "" || written.Renewable || written.LeaseDuration != 0 || written.WrapInfo != nil || written.Auth != nil {
		t.Errorf("an envelope of another kind: %+v", written)
	}
	equal(t, must(logical.Read("secret/data/app/db"))(t).Data["data"], object{"a": json.Number("1")})
	must(logical.Write("secret/data/app/web", object{"data": object{"a": 2}}))(t)
	must(logical.Write("secret/data/top", object{"data": object{"a": 3}}))(t)
	equal(t, must(logical.List("secret/metadata"))(t).Data, object{"keys": []any{"app/", "top"}})
	equal(t, must(logical.List("secret/metadata/app/"))(t).Data, object{"keys": []any{"db", "web"}})

	version := must(logical.ReadWithData("secret/data/app/db", map[string][]string{"version": {"1"}}))(t)
	equal(t, version.Data["data"], object{"a": json.Number("1")})
	must(logical.DeleteWithData("secret/data/app/db", nil))(t)
	deleted := must(logical.Read("secret/data/app/db"))(t)
	equal(t, deleted.Data["data"], nil)
	equal(t, deleted.Data["metadata"].(object)["destroyed"], false)
	must(logical.Delete("secret/metadata/app/db"))(t)

	for _, path := range []string{"secret/data/app/db", "secret/metadata/app/db"} {
		if secret := must(logical.Read(path))(t); secret != nil {
			t.Errorf("%s is still there: %v", path, secret.Data)
		}
	}
	if secret := must(logical.List("secret/metadata/none"))(t); secret != nil {
		t.Errorf("listed where nothing is: %v", secret.Data)
	}
}

func TestLogical_TakesBytesAndMergePatches(t *testing.T) {
	logical := connect(t).Logical()
	must(logical.WriteBytes("secret/data/a", []byte(`{"data":{"x":1.50,"y":"z"}}`)))(t)
	must(logical.JSONMergePatch(background, "secret/data/a", object{"data": object{"y": nil}}))(t)
	equal(t, must(logical.Read("secret/data/a"))(t).Data["data"], object{"x": json.Number("1.50")})
	raw := must(logical.ReadRaw("secret/data/a"))(t)
	defer raw.Body.Close()
	equal(t, raw.Header.Get("Content-Type"), "application/json")
	equal(t, raw.Header.Get("Cache-Control"), "no-store")
}

func TestLogical_ToldWhatIsWrong(t *testing.T) {
	client := connect(t)
	_, err := client.Logical().Write("secret/data/a", object{"options": object{}})
	refused(t, err, 400, "no data provided")
	_, err = client.Logical().Write("nowhere/a", object{"x": 1})
	refused(t, err, 404, "no handler for route \"nowhere/a\". route entry not found.")
	wrong := must(client.Logical().Read("secret/a"))(t)
	equal(t, wrong.Data, object(nil))
	equal(t, wrong.Warnings, []string{"Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. " +
		"If using the Vault CLI, use 'vault kv get' for this operation."})
	warned := must(client.Logical().Write("secret/data/a", object{"data": object{}, "unknown": 1}))(t)
	equal(t, warned.Warnings, []string{"Endpoint ignored these unrecognized parameters: [unknown]"})
	client.SetToken("nobody")
	_, err = client.Logical().Read("secret/data/a")
	refused(t, err, 403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
	client.ClearToken()
	_, err = client.Logical().Read("secret/data/a")
	refused(t, err, 403, "permission denied")
}

func TestSys_MountsAreListedMadeTunedAndRemoved(t *testing.T) {
	client := connect(t)
	sys := client.Sys()
	dev := must(sys.ListMounts())(t)["secret/"]
	equal(t, dev.Type, "kv")
	equal(t, dev.Options, map[string]string{"version": "2"})
	succeeds(t, sys.Mount("team", &api.MountInput{Type: "kv-v2", Description: "the team's", Config: api.MountConfigInput{DefaultLeaseTTL: "1h"}}))
	made := must(sys.GetMount("team"))(t)
	equal(t, []any{made.Type, made.Description, made.Options["version"], made.Config.DefaultLeaseTTL}, []any{"kv", "the team's", "2", 3600})
	equal(t, must(sys.MountConfig("team"))(t).DefaultLeaseTTL, 3600)
	text := "everybody's"
	succeeds(t, sys.TuneMount("team", api.MountConfigInput{Description: &text, MaxLeaseTTL: "2h"}))
	equal(t, must(sys.GetMount("team"))(t).Description, text)
	refused(t, sys.Mount("team", &api.MountInput{Type: "kv"}), 400, "path is already in use at team/")
	refused(t, sys.Mount("other", &api.MountInput{Type: "nosuch"}), 400, "plugin not found in the catalog: nosuch")

	put(t, client.KVv2("team"), "a", object{"n": "1"})
	succeeds(t, sys.Unmount("team"))
	if _, found := must(sys.ListMounts())(t)["team/"]; found {
		t.Error("what was unmounted is still listed")
	}
	_, err := client.KVv2("team").Put(background, "a", object{"n": "1"})
	refused(t, err, 404, "no handler for route \"team/data/a\". route entry not found.")
	succeeds(t, sys.Unmount("team"))
}

func TestSys_HealthSealAndLeaderAreThoseOfAnOpenServer(t *testing.T) {
	client := connect(t)
	client.ClearToken()
	health := must(client.Sys().Health())(t)
	equal(t, []bool{health.Initialized, health.Sealed, health.Standby}, []bool{true, false, false})
	seal := must(client.Sys().SealStatus())(t)
	equal(t, []bool{seal.Initialized, seal.Sealed}, []bool{true, false})
	equal(t, seal.Version, health.Version)
	equal(t, must(client.Sys().Leader())(t).HAEnabled, false)
}

func TestSys_PoliciesCapabilitiesAndPluginsAreThere(t *testing.T) {
	sys := connect(t).Sys()
	rules := "path \"secret/data/a\" {\n  capabilities = [\"read\"]\n}\n"
	succeeds(t, sys.PutPolicy("readers", rules))
	equal(t, must(sys.GetPolicy("readers"))(t), rules)
	equal(t, must(sys.ListPolicies())(t), []string{"default", "readers", "root"})
	succeeds(t, sys.DeletePolicy("readers"))
	equal(t, must(sys.GetPolicy("readers"))(t), "")
	equal(t, must(sys.CapabilitiesSelf("secret/data/a"))(t), []string{"root"})
	plugins := must(sys.ListPlugins(&api.ListPluginsInput{Type: api.PluginTypeSecrets}))(t)
	equal(t, plugins.PluginsByType[api.PluginTypeSecrets], []string{"kv", "notes"})
}
