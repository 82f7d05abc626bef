package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"github.com/hashicorp/vault/sdk/logical"
	sdkplugin "github.com/hashicorp/vault/sdk/plugin"
	"github.com/hashicorp/vault/sdk/plugin/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func number(digits string) json.Number { return json.Number(digits) }

func inParallel(count int, work func(int)) {
	var group sync.WaitGroup
	for n := range count {
		group.Add(1)
		go func() {
			defer group.Done()
			work(n)
		}()
	}
	group.Wait()
}

// announced is a plugin whose host tells it of a listener with the id 1, or does not.
type announced struct {
	*rawPlugin
	t          *testing.T
	connection *grpc.ClientConn
	broker     grpc.ClientStream
	backend    pb.BackendClient
	address    string
	storage    *storage
	server     *grpc.Server
}

func announce(t *testing.T, program string) *announced {
	t.Helper()
	folder := scratch(t)
	a := &announced{t: t, rawPlugin: serveRaw(t, program), address: filepath.Join(folder, "host"), storage: &storage{}}
	a.server = hostSide(t, a.address, a.storage)
	a.connection = a.connect(nil)
	a.broker = stream(t, a.connection, "/plugin.GRPCBroker/StartStream")
	a.backend = pb.NewBackendClient(a.connection)
	t.Cleanup(func() { a.stop(nil) })
	return a
}

func (a *announced) tell(id uint32) {
	a.t.Helper()
	if err := a.broker.SendMsg(message(a.t, "plugin.ConnInfo", map[string]any{"service_id": id, "network": "unix", "address": a.address})); err != nil {
		a.t.Fatal(err)
	}
}

func (a *announced) setUp(broker uint32, ids ...string) error {
	a.t.Helper()
	ctx, cancel := addressedTo(ids...)
	defer cancel()
	reply, err := a.backend.Setup(ctx, &pb.SetupArgs{BrokerID: broker, BackendUUID: "uuid", Config: map[string]string{"version": "1"}})
	if err == nil && reply.Err != "" {
		return fmt.Errorf("%s", reply.Err)
	}
	return err
}

func (a *announced) kind(ids ...string) error {
	a.t.Helper()
	ctx, cancel := addressedTo(ids...)
	defer cancel()
	reply, err := a.backend.Type(ctx, &pb.Empty{})
	if err == nil && reply.Type != uint32(logical.TypeLogical) {
		return fmt.Errorf("type %d", reply.Type)
	}
	return err
}

func TestA8_TheListenersAddressMayComeBeforeOrAfterSetup(t *testing.T) {
	a := announce(t, kv)
	a.tell(1)
	if err := a.setUp(1, "before"); err != nil {
		t.Errorf("announced before: %v", err)
	}
	late := make(chan error)
	go func() { late <- a.setUp(2, "after") }()
	time.Sleep(500 * time.Millisecond) // It must not be there yet when Setup asks for it.
	a.tell(2)
	if err := <-late; err != nil {
		t.Errorf("announced after: %v", err)
	}
}

func TestA8_WithoutAnAddressSetupFailsAfterFiveSeconds(t *testing.T) {
	a := announce(t, kv)
	begin := time.Now()
	err := a.setUp(1, "mount")
	if passed := time.Since(begin); status.Code(err) != codes.Unknown || passed < 4*time.Second || passed > 15*time.Second {
		t.Errorf("after %v: %v", passed, err)
	}
	if !strings.Contains(fmt.Sprint(err), "timeout waiting for connection info") {
		t.Errorf("%v", err)
	}
}

func TestA8_AnAddressThatNobodyTookInFiveSecondsIsForgotten(t *testing.T) {
	a := announce(t, kv)
	a.tell(1)
	time.Sleep(6 * time.Second)
	if err := a.setUp(1, "mount"); status.Code(err) != codes.Unknown {
		t.Errorf("%v", err)
	}
	a.tell(2)
	if err := a.setUp(2, "mount"); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func (a *announced) handle(operation, path, data string) (*pb.HandleRequestReply, error) {
	a.t.Helper()
	ctx, cancel := addressedTo("mount")
	defer cancel()
	return a.backend.HandleRequest(ctx, &pb.HandleRequestArgs{Request: &pb.Request{Operation: operation, Path: path, Data: data}})
}

func TestA8_AListenerThatComesBackAtItsAddressIsFoundAgain(t *testing.T) {
	a := announce(t, kv)
	a.tell(1)
	if err := a.setUp(1, "mount"); err != nil {
		t.Fatal(err)
	}
	if reply, err := a.handle("create", "a", `{"n":"1"}`); err != nil || reply.Err != nil {
		t.Fatalf("%v, %v", reply, err)
	}
	a.server.Stop()
	a.server = hostSide(t, a.address, a.storage)
	eventually(t, "an answer over the new connection", func() bool {
		reply, err := a.handle("read", "a", "null")
		return err == nil && reply.Err == nil && reply.Response != nil && reply.Response.Data == `{"n":"1"}`
	})
}

func TestA9_TheMultiplexIdMustBeOneThatWasSetUp(t *testing.T) {
	a := announce(t, kv)
	if err := a.kind("mount"); status.Convert(err).Message() != "no backend instance found" {
		t.Errorf("before Setup: %v", err)
	}
	a.tell(1)
	if err := a.setUp(1, "mount"); err != nil {
		t.Fatal(err)
	}
	for _, variant := range []struct {
		ids     []string
		message string
	}{
		{nil, "no multiplexing ID found"}, {[]string{"mount", "mount"}, "unexpected number of IDs in metadata: (2)"},
		{[]string{""}, "empty multiplex ID in metadata"}, {[]string{"other"}, "no backend instance found"},
	} {
		err := a.kind(variant.ids...)
		if status.Code(err) != codes.Unknown || status.Convert(err).Message() != variant.message {
			t.Errorf("%q: %v", variant.ids, err)
		}
	}
	if err := a.kind("mount"); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

func TestA9_AnIdMayBeUsedAgainAfterCleanup(t *testing.T) {
	a := announce(t, kv)
	for id := uint32(1); id <= 3; id++ {
		a.tell(id)
		if err := a.setUp(id, "mount"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := addressedTo("mount")
		defer cancel()
		if _, err := a.backend.Cleanup(ctx, &pb.Empty{}); err != nil {
			t.Fatal(err)
		}
		if err := a.kind("mount"); status.Convert(err).Message() != "no backend instance found" {
			t.Errorf("after Cleanup: %v", err)
		}
	}
}

func TestA10_RegistrationIsSetupWithNothingAtAll(t *testing.T) {
	for name, program := range bothPlugins {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, program)
			backend, err := sdkplugin.NewBackendV5(t.Context(), "under-test", consts.PluginTypeSecrets, "", h, &logical.BackendConfig{Logger: h.logger})
			if err != nil {
				t.Fatal(err)
			}
			if err := backend.Setup(t.Context(), &logical.BackendConfig{Logger: h.logger}); err != nil {
				t.Fatal(err)
			}
			expect(t, "type", backend.Type().String(), "secret")
			if reported := backend.(logical.PluginVersioner).PluginVersion().Version; !strings.HasPrefix(reported, "v") {
				t.Errorf("version %q", reported)
			}
		})
	}
}

func TestA11_NothingIsWrittenBeforeInitialize(t *testing.T) {
	for name, program := range bothPlugins {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, program)
			m := h.mount(map[string]string{"version": "2"})
			expect(t, "refused writes", m.storage.refused, 0)
		})
	}
}

func TestA11_AHostWhoseStorageIsReadOnlyIsAnErrorOfTheRequest(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "1"})
	m.storage.setReadOnly(logical.ErrReadOnly)
	response, err := m.try(logical.UpdateOperation, "a", object{"b": "c"})
	if err == nil || !strings.Contains(err.Error(), logical.ErrReadOnly.Error()) {
		t.Errorf("%v, %v", response, err)
	}
	m.storage.setReadOnly(nil)
	m.write("a", object{"b": "c"})
}

func TestA17_UnmountingOneOfTwoLeavesTheOther(t *testing.T) {
	h := newHost(t, kv)
	first, second := h.mount(map[string]string{"version": "1"}), h.mount(map[string]string{"version": "1"})
	second.write("a", object{"of": "second"})
	first.try(logical.RollbackOperation, "", nil)
	first.Cleanup(t.Context())
	expect(t, "the other", second.read("a"), object{"of": "second"})
	second.Cleanup(t.Context())
	if !h.process.Exited() {
		t.Error("the process outlived its last mount")
	}
	second.Backend.(*sdkplugin.BackendPluginClientV5).Backend.Cleanup(t.Context())
}

func TestA20_ARequestUnderWayEndsWithTheProcess(t *testing.T) {
	h := newHost(t, kv)
	m := h.mount(map[string]string{"version": "1"})
	entered, release := make(chan bool), make(chan bool)
	m.storage.hook(func(context.Context, string) { entered <- true; <-release })
	ended := make(chan error)
	go func() {
		_, err := m.Backend.HandleRequest(context.Background(), &logical.Request{Operation: logical.ReadOperation, Path: "a"})
		ended <- err
	}()
	<-entered
	begin := time.Now()
	h.stop()
	passed := time.Since(begin)
	close(release)
	if err := <-ended; err == nil {
		t.Error("the request was answered by a plugin that has ended")
	}
	if passed > 3*time.Second {
		t.Errorf("stopping took %v", passed)
	}
}

func TestA21_AKilledPluginServesTheNextRequest(t *testing.T) {
	h := newHost(t, kv)
	m := h.mount(map[string]string{"version": "2"})
	m.write("data/a", secret(object{"n": "1"}))
	before := h.pid()
	m.kill()
	expect(t, "data", m.read("data/a")["data"], object{"n": "1"})
	if h.pid() == before {
		t.Error("the same process")
	}
	h.discardSockets()
}

// go-plugin notices the end by reaping the process, which comes after the broken call: that one ends with an error, here as in Vault.
func TestA21_ARequestInWhichThePluginIsKilledEndsAndTheNextIsServed(t *testing.T) {
	h := newHost(t, kv)
	m := h.mount(map[string]string{"version": "1"})
	m.write("a", object{"n": "1"})
	first, killed := sync.Once{}, h.process
	m.storage.hook(func(context.Context, string) { first.Do(m.kill) })
	begin := time.Now()
	if response, err := m.try(logical.ReadOperation, "a", nil); err != nil {
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%v", err)
		}
	} else {
		expect(t, "data of the retried request", response.Data, object{"n": "1"})
	}
	if passed := time.Since(begin); passed > patience/2 {
		t.Errorf("it took %v", passed)
	}
	eventually(t, "the plugin's end", killed.Exited)
	expect(t, "data", m.read("a"), object{"n": "1"})
	h.discardSockets()
}

func TestA22_ADeadlineReachesTheStorageCallsOfTheHandler(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "1"})
	seen := make(chan time.Time, 16)
	m.storage.hook(func(ctx context.Context, _ string) {
		deadline, _ := ctx.Deadline()
		seen <- deadline
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	want, _ := ctx.Deadline()
	if _, err := m.handle(ctx, logical.ReadOperation, "a", nil); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got.IsZero() || got.Sub(want).Abs() > 5*time.Second {
		t.Errorf("the request's deadline is %v, the storage call's %v", want, got)
	}
}

func TestA22_ACancelledRequestCancelsItsStorageCall(t *testing.T) {
	m := newHost(t, kv).mount(map[string]string{"version": "1"})
	entered, cancelled := make(chan bool), make(chan bool, 1)
	m.storage.hook(func(ctx context.Context, _ string) {
		close(entered)
		select {
		case <-ctx.Done():
			cancelled <- true
		case <-time.After(patience / 2):
			cancelled <- false
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if _, err := m.handle(ctx, logical.ReadOperation, "a", nil); status.Code(err) != codes.Canceled {
		t.Errorf("%v", err)
	}
	if !<-cancelled {
		t.Error("the storage call went on")
	}
}

func TestA24_InMetadataModeNothingIsDone(t *testing.T) {
	h := newHost(t, kv)
	h.configure = []pluginutil.RunOpt{pluginutil.MetadataMode(true)}
	m := h.prepare(map[string]string{"version": "2"})
	if err := m.run(); err == nil || !strings.Contains(err.Error(), "plugin server can not perform action while in metadata mode") {
		t.Errorf("Initialize: %v", err)
	}
	expect(t, "type", m.Type().String(), "secret")
	if reported := m.Backend.(logical.PluginVersioner).PluginVersion().Version; reported == "" {
		t.Error("no version")
	}
	if _, err := m.try(logical.ReadOperation, "data/a", nil); err == nil || !strings.Contains(err.Error(), "metadata mode") {
		t.Errorf("HandleRequest: %v", err)
	}
	if _, _, err := m.exists("data/a", nil); err == nil || !strings.Contains(err.Error(), "metadata mode") {
		t.Errorf("HandleExistenceCheck: %v", err)
	}
	m.Cleanup(t.Context())
}

func TestA25_AHundredMountsShareOneProcessAndNothingElse(t *testing.T) {
	h := newHost(t, kv)
	const count = 100
	mounts := make([]*mount, count)
	inParallel(count, func(n int) { mounts[n] = h.mount(map[string]string{"version": fmt.Sprint(1 + n%2)}) })
	path := func(n int) string { return []string{"a", "data/a"}[n%2] }
	inParallel(count, func(n int) { mounts[n].write(path(n), secret(object{"of": fmt.Sprint(n)})) })
	inParallel(count, func(n int) {
		expect(t, "data", mounts[n].read(path(n))["data"], object{"of": fmt.Sprint(n)})
	})
	expect(t, "mounts of the one process", h.users, count)
	inParallel(count, func(n int) { mounts[n].Cleanup(context.Background()) })
	if !h.process.Exited() {
		t.Error("the process outlived its last mount")
	}
}
