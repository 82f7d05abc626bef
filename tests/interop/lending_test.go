package interop

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

var lending = binary("test_plugins/belfry-lending")

// An auth method, which may lend secrets, too.
func mountLending(t *testing.T) *mount {
	host := newHost(t, lending)
	host.kind = consts.PluginTypeCredential
	return host.mount(nil)
}

// ask sends what only a host's own managers send.
func (m *mount) ask(request *logical.Request) *logical.Response {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	response, err := m.Backend.HandleRequest(ctx, request)
	if err != nil || response.IsError() {
		m.t.Fatalf("%s %s: %v, %v", request.Operation, request.Path, response, err)
	}
	return response
}

func TestA14_TheEndOfALoanTellsThePluginWhatItLent(t *testing.T) {
	m := mountLending(t)
	lent := m.must(logical.ReadOperation, "room", nil)
	expect(t, "the secret", lent.Data, map[string]any{"key": 7})
	if lent.Secret == nil || lent.Secret.TTL != time.Minute || !lent.Secret.Renewable || time.Since(lent.Secret.IssueTime) > patience {
		t.Fatalf("the lease: %+v", lent.Secret)
	}
	expect(t, "what the host keeps", lent.Secret.InternalData, map[string]any{"number": "12", "secret_type": "room"})

	lent.Secret.Increment = time.Hour
	renewed := m.ask(&logical.Request{Operation: logical.RenewOperation, Path: "room", Data: lent.Data, Secret: lent.Secret})
	if renewed.Secret.TTL != time.Hour+time.Minute {
		t.Errorf("renewed for %v", renewed.Secret.TTL)
	}
	expect(t, "what the host keeps on", renewed.Secret.InternalData, lent.Secret.InternalData)

	m.ask(&logical.Request{Operation: logical.RevokeOperation, Path: "room", Data: lent.Data, Secret: renewed.Secret})
	entry, err := m.storage.Get(context.Background(), "free")
	if err != nil || entry == nil || string(entry.Value) != `{"number":"12"}` {
		t.Errorf("what the revocation knew: %v, %v", entry, err)
	}
}

func TestA14_ALoginGrantsATokenAndIsRenewed(t *testing.T) {
	m := mountLending(t)
	auth := m.must(logical.UpdateOperation, "login", nil).Auth
	if auth == nil || auth.TTL != time.Hour || auth.Renewable != true || auth.Alias.Name != "ann" || len(auth.BoundCIDRs) != 1 {
		t.Fatalf("the grant: %+v", auth)
	}
	expect(t, "the policies", auth.Policies, []string{"guest"})
	renewed := m.ask(&logical.Request{Operation: logical.RenewOperation, Path: "login", Auth: auth}).Auth
	expect(t, "the grant after its renewal", renewed.InternalData, auth.InternalData)
}

func TestA12_AnErrorHasAnHttpStatusOfItsOwn(t *testing.T) {
	m := mountLending(t)
	_, err := m.try(logical.ReadOperation, "teapot", nil)
	var coded logical.HTTPCodedError
	if !errors.As(err, &coded) || coded.Code() != http.StatusTeapot || coded.Error() != "short and stout" {
		t.Errorf("the error: %v", err)
	}
	raw := m.must(logical.ReadOperation, "raw", nil)
	expect(t, "the raw answer", raw.Data, map[string]any{"http_status_code": 418, "http_content_type": "text/plain", "http_raw_body": "aGVsbG8="})
}
