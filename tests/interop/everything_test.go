package interop

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestA12_EveryStatusOfAHandlerIsTheHttpStatusThatVaultMakesOfIt(t *testing.T) {
	m := newHost(t, everything).mount(nil)
	for code, want := range map[string]int{
		"errors/3": http.StatusBadRequest, "errors/7": http.StatusForbidden, "errors/12": http.StatusMethodNotAllowed,
		"errors/5": http.StatusNotFound, "errors/10": http.StatusConflict, "errors/9": http.StatusPreconditionFailed,
		"errors/8": http.StatusTooManyRequests, "errors/14": http.StatusServiceUnavailable, "errors/4": http.StatusGatewayTimeout,
		"errors/2": http.StatusInternalServerError, "errors/13": http.StatusInternalServerError,
		"errors/15": http.StatusInternalServerError, "http/418": http.StatusTeapot, "http/507": http.StatusInsufficientStorage,
	} {
		response, err := m.try(logical.ReadOperation, code, nil)
		// As Vault's HTTP layer does.
		got, shown := logical.RespondErrorCommon(&logical.Request{Operation: logical.ReadOperation}, response, err)
		logical.AdjustErrorStatusCode(&got, err)
		if got != want {
			t.Errorf("%s: %d instead of %d (%v, %v)", code, got, want, response, err)
		}
		words := map[bool]string{true: "short and stout", false: "words"}[strings.HasPrefix(code, "http/")]
		// Of errors with a fixed text, only those of clients' mistakes come with a text of their own.
		if shown == nil || !strings.Contains(shown.Error(), words) && got != http.StatusForbidden && got != http.StatusMethodNotAllowed && code != "errors/15" {
			t.Errorf("%s: the client reads %v", code, shown)
		}
	}
	if _, err := m.try(logical.ReadOperation, "errors/15", nil); !errors.Is(err, logical.ErrUnrecoverable) {
		t.Errorf("what cannot be helped by trying again: %v", err)
	}
}

func TestA13_ARawAnswerMayHoldAnyBytes(t *testing.T) {
	m := newHost(t, everything).mount(nil)
	response := m.must(logical.ReadOperation, "raw", nil)
	body, err := base64.StdEncoding.DecodeString(response.Data[logical.HTTPRawBody].(string))
	if err != nil || len(body) != 256 || body[255] != 255 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	expect(t, "status", response.Data[logical.HTTPStatusCode], 202)
	expect(t, "content type", response.Data[logical.HTTPContentType], "application/octet-stream")
}

func TestA13_AnEnvelopeMayHaveAStatusOfItsOwn(t *testing.T) {
	m := newHost(t, everything).mount(nil)
	response := m.must(logical.ReadOperation, "status", nil)
	expect(t, "status", response.Data[logical.HTTPStatusCode], 404)
	if body := fmt.Sprint(response.Data[logical.HTTPRawBody]); !strings.Contains(body, `"still":"here"`) {
		t.Errorf("%s", body)
	}
}

func TestA13_NothingIsNoResponse(t *testing.T) {
	m := newHost(t, everything).mount(nil)
	for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
		if response, err := m.try(operation, "nothing", nil); response != nil || err != nil {
			t.Errorf("%s: %v, %v", operation, response, err)
		}
	}
	list, err := m.try(logical.ListOperation, "nothing/", nil)
	if got, _ := logical.RespondErrorCommon(&logical.Request{Operation: logical.ListOperation}, list, err); got != http.StatusNotFound {
		t.Errorf("an empty list: %v, %v", list, err)
	}
}

func TestA13_WrapInfoAndHeadersComeAlong(t *testing.T) {
	m := newHost(t, everything).mount(nil)
	response := m.must(logical.ReadOperation, "wrapped", nil)
	if response.WrapInfo == nil || response.WrapInfo.TTL != 5*time.Minute {
		t.Errorf("wrap info %v", response.WrapInfo)
	}
	expect(t, "headers", response.Headers, map[string][]string{"X-Shown": {"yes"}})
	request := &logical.Request{ID: "r1", Operation: logical.ReadOperation, Path: "who", DisplayName: "joe", Unauthenticated: true,
		Connection: &logical.Connection{RemoteAddr: "10.1.2.3"}, Headers: map[string][]string{"X-Asked": {"a", "b"}}}
	seen, err := m.send(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "what the handler sees", seen.Data, object{
		"id": "r1", "display_name": "joe", "remote_address": "10.1.2.3", "unauthenticated": true, "headers": object{"X-Asked": "a"}})
}

// lend is a secret as Vault keeps it, and the request with which it comes back to its plugin.
func lend(m *mount, user string) (*logical.Response, func(logical.Operation) (*logical.Response, error)) {
	m.t.Helper()
	response := m.must(logical.ReadOperation, "creds/"+user, nil)
	if response.Secret == nil {
		m.t.Fatal("no secret")
	}
	return response, func(operation logical.Operation) (*logical.Response, error) {
		secret := *response.Secret
		secret.Increment, secret.IssueTime, secret.LeaseID = 20*time.Minute, time.Now(), ""
		if operation == logical.RevokeOperation {
			secret.LeaseID = "mount/creds/" + user + "/lease"
		}
		return m.send(context.Background(), &logical.Request{Operation: operation, Path: "creds/" + user, Data: response.Data, Secret: &secret})
	}
}

func TestA14_ASecretIsLentRenewedAndRevoked(t *testing.T) {
	m := newHost(t, everything).mount(nil)
	response, again := lend(m, "joe")
	expect(t, "data", response.Data, object{"password": "x"})
	expect(t, "terms", []any{response.Secret.TTL, response.Secret.MaxTTL, response.Secret.Renewable}, []any{time.Hour, 8 * time.Hour, true})
	renewed, err := again(logical.RenewOperation)
	if err != nil || renewed.Secret == nil {
		t.Fatalf("%v, %v", renewed, err)
	}
	expect(t, "terms after a renewal", renewed.Secret.TTL, 20*time.Minute)
	expect(t, "what the plugin keeps", renewed.Secret.InternalData["user"], response.Secret.InternalData["user"])
	if response, err := again(logical.RevokeOperation); err != nil {
		t.Fatalf("%v, %v", response, err)
	}
	entry, err := m.storage.Get(t.Context(), "revoked/joe")
	if err != nil || entry == nil || string(entry.Value) != "mount/creds/joe/lease" {
		t.Errorf("what the plugin has of the revocation: %v, %v", entry, err)
	}
}

func TestA14_ARevocationThatFailsIsAnErrorSoThatVaultTriesAgain(t *testing.T) {
	m := newHost(t, everything).mount(nil)
	_, again := lend(m, "stubborn")
	if response, err := again(logical.RevokeOperation); err == nil || !strings.Contains(err.Error(), "not now") {
		t.Errorf("%v, %v", response, err)
	}
	if _, err := m.try(logical.RenewOperation, "creds/joe", nil); err == nil || !strings.Contains(err.Error(), "request has no secret") {
		t.Errorf("a renewal of nothing: %v", err)
	}
}

func TestA14_ALoginCarriesAllThatATokenIsMadeOf(t *testing.T) {
	h := newHost(t, login)
	h.kind = consts.PluginTypeCredential
	m := h.mount(nil)
	expect(t, "paths without a token", m.SpecialPaths().Unauthenticated, []string{"login", "login/"})
	response := m.must(logical.UpdateOperation, "login", object{"name": "joe"})
	auth := response.Auth
	if auth == nil {
		t.Fatal("no auth")
	}
	expect(t, "policies", auth.Policies, []string{"p1", "p2"})
	expect(t, "display name", auth.DisplayName, "joe")
	expect(t, "metadata", auth.Metadata, map[string]string{"k": "v"})
	expect(t, "alias", auth.Alias.Name, "joe")
	expect(t, "group alias", auth.GroupAliases[0].Name, "g")
	expect(t, "terms", []any{auth.TTL, auth.Period, auth.ExplicitMaxTTL, auth.Renewable}, []any{time.Hour, 30 * time.Minute, 24 * time.Hour, true})
	expect(t, "uses", auth.NumUses, 3)
	expect(t, "addresses", fmt.Sprint(auth.BoundCIDRs), "[10.0.0.0/8]")
	expect(t, "type", auth.TokenType.String(), "batch")
	expect(t, "no default policy", auth.NoDefaultPolicy, true)

	auth.Increment, auth.IssueTime = 10*time.Minute, time.Now()
	renewed, err := m.send(t.Context(), &logical.Request{Operation: logical.RenewOperation, Path: "login", Auth: auth})
	if err != nil || renewed == nil || renewed.Auth == nil {
		t.Fatalf("renewal: %v, %v", renewed, err)
	}
	expect(t, "terms after a renewal", renewed.Auth.TTL, 10*time.Minute)
	expect(t, "what the plugin keeps", renewed.Auth.InternalData["name"], "joe")
}

func TestA15_SpecialPathsOfEachKindArrive(t *testing.T) {
	paths := newHost(t, everything).mount(nil).SpecialPaths()
	if paths == nil {
		t.Fatal("no special paths")
	}
	expect(t, "paths", paths, &logical.Paths{
		Root: []string{"root/*"}, Unauthenticated: []string{"open", "open/"}, LocalStorage: []string{"local/"}, SealWrapStorage: []string{"sealed/"},
		WriteForwardedStorage: []string{"forwarded/"}, Limited: []string{"limited"}, AllowSnapshotRead: []string{"snapshot/*"}})
}

func (m *mount) stored(key string) string {
	m.t.Helper()
	entry, err := m.storage.InmemStorage.Get(context.Background(), key)
	if err != nil {
		m.t.Fatal(err)
	}
	if entry == nil {
		return ""
	}
	return string(entry.Value)
}

func TestA17_TheHooksRunWhenVaultTellsThemTo(t *testing.T) {
	m := newHost(t, everything).mount(nil)
	expect(t, "after Initialize", m.stored("initialized"), "yes")
	if _, err := m.try(logical.RollbackOperation, "", nil); err != nil && !errors.Is(err, logical.ErrUnsupportedOperation) {
		t.Errorf("rollback: %v", err)
	}
	expect(t, "after a rollback", m.stored("rolled"), "back")
	m.InvalidateKey(t.Context(), "config")
	expect(t, "after InvalidateKey", m.stored("invalidated"), "config")
	m.Cleanup(t.Context())
	expect(t, "after Cleanup", m.stored("cleaned"), "up")
}

func TestA19_LinesOfManyThreadsAreWholeRecordsAndALongOneBreaksNothing(t *testing.T) {
	h := newHost(t, everything)
	m := h.mount(nil)
	m.must(logical.UpdateOperation, "log", nil)
	eventually(t, "the last line", func() bool { return strings.Contains(h.log.String(), "xxxxxxxx") })
	counts := map[string]int{}
	for _, line := range strings.Split(h.log.String(), "\n") {
		if at := strings.Index(line, "thread "); at >= 0 && strings.Contains(line, `"@level":"warn"`) {
			counts[strings.SplitN(line[at:], `"`, 2)[0]]++
		}
	}
	expect(t, "different whole lines", len(counts), 400)
	m.must(logical.UpdateOperation, "nothing", nil)
}

func TestA7_WhatAPluginPrintsReachesTheHostAsItsOutput(t *testing.T) {
	a := announce(t, everything)
	opened := stream(t, a.connection, "/plugin.GRPCStdio/StreamStdio")
	if err := opened.SendMsg(message(t, "google.protobuf.Empty", nil)); err != nil {
		t.Fatal(err)
	}
	opened.CloseSend()
	a.tell(1)
	if err := a.setUp(1, "mount"); err != nil {
		t.Fatal(err)
	}
	reply, err := a.handle("update", "log", "null")
	if err != nil || reply.Err != nil {
		t.Fatalf("%v, %v", reply, err)
	}
	printed := ""
	for strings.Count(printed, "\n") < 400 {
		data := message(t, "plugin.StdioData", nil)
		if err := opened.RecvMsg(data); err != nil {
			t.Fatalf("after %d lines: %v", strings.Count(printed, "\n"), err)
		}
		fields := data.ProtoReflect().Descriptor().Fields()
		expect(t, "channel", int(data.ProtoReflect().Get(fields.ByName("channel")).Enum()), 1)
		printed += string(data.ProtoReflect().Get(fields.ByName("data")).Bytes())
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(printed, "\n"), "\n") {
		if !strings.HasPrefix(line, "printed ") {
			t.Errorf("%q", line)
		}
	}
}

func TestA22_AHandlerSeesItsDeadlineAndThatItsClientHasGone(t *testing.T) {
	h := newHost(t, everything)
	m := h.mount(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := m.handle(ctx, logical.ReadOperation, "wait", nil); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("%v", err)
	}
	eventually(t, "the handler's end", func() bool { return strings.Contains(h.log.String(), "cancelled, with a deadline") })
	ctx, cancel = context.WithCancel(t.Context())
	go cancel()
	if _, err := m.handle(ctx, logical.ReadOperation, "wait", nil); status.Code(err) != codes.Canceled {
		t.Errorf("%v", err)
	}
}
