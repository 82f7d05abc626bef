// Package interop drives Belfry's C++ plugins from a host that is made of Vault's and go-plugin's own modules, so that nothing on the
// host's side of the protocol is ours. BELFRY_BIN names the folder with plugins/; `./dev test` sets it. Each test's name begins with
// the case of the protocol's list that it covers.
package interop

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-uuid"
	"github.com/hashicorp/vault/sdk/helper/base62"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"github.com/hashicorp/vault/sdk/helper/wrapping"
	"github.com/hashicorp/vault/sdk/logical"
	sdkplugin "github.com/hashicorp/vault/sdk/plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// A deadline is only there so that a hang becomes a failure; sanitizers make plugins slow.
const patience = 60 * time.Second

func binary(name string) string {
	folder := os.Getenv("BELFRY_BIN")
	if folder == "" {
		folder = "../../build/dev/bin"
	}
	path, err := filepath.Abs(filepath.Join(folder, name))
	if err != nil {
		panic(err)
	}
	return path
}

var (
	kv    = binary("plugins/belfry-kv")
	notes = binary("plugins/belfry-notes")
	// Says what the protocol can carry and those two have no use for; the second as an auth plugin.
	everything = binary("test-plugins/belfry-everything")
	login      = binary("test-plugins/belfry-everything-login")
)

// hashiCorpsKv builds the released module once; after that Go finds it built.
func hashiCorpsKv(t *testing.T, version string) string {
	t.Helper()
	program, err := filepath.Abs("../../build/interop/" + version + "/gokv")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command(cmp.Or(os.Getenv("BELFRY_GO"), "go"), "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program,
		"github.com/hashicorp/vault-plugin-secrets-kv/cmd/vault-plugin-secrets-kv")
	build.Dir = "kv/" + version
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building kv %s: %v\n%s", version, err, said)
	}
	return program
}

// scratch makes the test's own temporary folder, where both sides put their sockets, and claims at the end that it is empty.
// The folders of the testing package are too long for the path of a socket.
func scratch(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "interop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, _ := os.ReadDir(folder)
		for _, entry := range left {
			t.Errorf("left behind: %s", entry.Name())
		}
		os.RemoveAll(folder)
	})
	t.Setenv("TMPDIR", folder)
	return folder
}

// output takes what several goroutines write.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

// host does for one plugin what Vault's core and catalog do: it is the system view, it starts the process, and it lets all mounts share it.
type host struct {
	*logical.StaticSystemView
	t          *testing.T
	runner     *pluginutil.PluginRunner
	log        *output
	logger     hclog.Logger
	kind       consts.PluginType
	configure  []pluginutil.RunOpt
	wrapped    *wrapping.ResponseWrapInfo
	mutex      sync.Mutex
	process    *plugin.Client
	connection *plugin.GRPCClient
	users      int
}

var sums sync.Map

func sum(t *testing.T, path string) []byte {
	t.Helper()
	if known, ok := sums.Load(path); ok {
		return known.([]byte)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		t.Fatal(err)
	}
	sums.Store(path, hash.Sum(nil))
	return hash.Sum(nil)
}

func newHost(t *testing.T, program string) *host {
	t.Helper()
	scratch(t)
	log := &output{}
	h := &host{
		StaticSystemView: &logical.StaticSystemView{
			DefaultLeaseTTLVal:  time.Hour,
			MaxLeaseTTLVal:      24 * time.Hour,
			ReplicationStateVal: consts.ReplicationPerformanceDisabled | consts.ReplicationDRDisabled,
			VersionString:       "1.21.4",
			PluginEnvironment:   &logical.PluginEnvironment{VaultVersion: "1.21.4"},
		},
		t:      t,
		runner: &pluginutil.PluginRunner{Name: "under-test", Type: consts.PluginTypeSecrets, Command: program, Sha256: sum(t, program)},
		log:    log,
		kind:   consts.PluginTypeSecrets,
		logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: log, JSONFormat: true}),
	}
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Logf("the host's log:\n%s", h.log)
		}
	})
	return h
}

func (h *host) LookupPlugin(ctx context.Context, name string, kind consts.PluginType) (*pluginutil.PluginRunner, error) {
	return h.LookupPluginVersion(ctx, name, kind, "")
}

func (h *host) LookupPluginVersion(context.Context, string, consts.PluginType, string) (*pluginutil.PluginRunner, error) {
	return h.runner, nil
}

// ResponseWrapData is how the old protocol versions hand over a TLS key.
func (h *host) ResponseWrapData(context.Context, map[string]any, time.Duration, bool) (*wrapping.ResponseWrapInfo, error) {
	return h.wrapped, nil
}

// start runs the plugin if it does not run yet.
func (h *host) start(config pluginutil.PluginClientConfig) (*plugin.GRPCClient, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.process != nil && !h.process.Exited() {
		h.users++
		return h.connection, nil
	}
	options := append([]pluginutil.RunOpt{
		pluginutil.Runner(h), pluginutil.PluginSets(config.PluginSets), pluginutil.HandshakeConfig(config.HandshakeConfig),
		pluginutil.Logger(config.Logger), pluginutil.MetadataMode(config.IsMetadataMode), pluginutil.AutoMTLS(config.AutoMTLS),
	}, h.configure...)
	process, err := h.runner.RunConfig(context.Background(), options...)
	if err != nil {
		return nil, err
	}
	protocol, err := process.Client()
	if err != nil {
		process.Kill()
		return nil, err
	}
	h.process, h.connection, h.users = process, protocol.(*plugin.GRPCClient), 1
	return h.connection, nil
}

func (h *host) leave() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.users--; h.users == 0 {
		h.process.Kill()
	}
}

func (h *host) stop() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.process != nil {
		h.process.Kill()
	}
}

func (h *host) pid() int {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	pid, err := strconv.Atoi(h.process.ID())
	if err != nil {
		h.t.Fatalf("the plugin has no process id: %v", err)
	}
	return pid
}

// NewPluginClient is what vault/sdk asks its host for: one mount's way to the process.
func (h *host) NewPluginClient(_ context.Context, config pluginutil.PluginClientConfig) (pluginutil.PluginClient, error) {
	connection, err := h.start(config)
	if err != nil {
		return nil, err
	}
	id, err := base62.Random(10)
	if err != nil {
		return nil, err
	}
	return &mountClient{ClientProtocol: connection, host: h, conn: &addressed{connection.Conn, id}}, nil
}

type mountClient struct {
	plugin.ClientProtocol
	host *host
	conn *addressed
	once sync.Once
}

func (c *mountClient) Conn() grpc.ClientConnInterface { return c.conn }
func (c *mountClient) Reload() error                  { return c.Close() }

// Close ends the process when this was its last mount.
func (c *mountClient) Close() error {
	c.once.Do(c.host.leave)
	return nil
}

// addressed puts the mount's id on each call, as Vault's catalog does.
type addressed struct {
	grpc.ClientConnInterface
	id string
}

func (a *addressed) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	ctx = metadata.NewOutgoingContext(ctx, metadata.Pairs(pluginutil.MultiplexingCtxKey, a.id))
	return a.ClientConnInterface.Invoke(ctx, method, args, reply, options...)
}

// storage is one mount's, in memory; it counts, and a test can make it read-only or hook into its calls.
type storage struct {
	logical.InmemStorage
	mutex    sync.Mutex
	readOnly error
	refused  int
	onGet    func(context.Context, string)
	entries  []logical.StorageEntry
}

func (s *storage) setReadOnly(reason error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.readOnly = reason
}

func (s *storage) hook(onGet func(context.Context, string)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.onGet = onGet
}

func (s *storage) refusal() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.readOnly != nil {
		s.refused++
	}
	return s.readOnly
}

func (s *storage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	s.mutex.Lock()
	onGet := s.onGet
	s.mutex.Unlock()
	if onGet != nil {
		onGet(ctx, key)
	}
	return s.InmemStorage.Get(ctx, key)
}

func (s *storage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	if err := s.refusal(); err != nil {
		return err
	}
	return s.InmemStorage.Put(ctx, entry)
}

func (s *storage) Delete(ctx context.Context, key string) error {
	if err := s.refusal(); err != nil {
		return err
	}
	return s.InmemStorage.Delete(ctx, key)
}

// keys are all that is stored, with folders opened.
func (s *storage) keys(t *testing.T) []string {
	t.Helper()
	found, err := logical.CollectKeys(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// values is everything that is stored, as one text.
func (s *storage) values(t *testing.T) string {
	t.Helper()
	all := ""
	for _, key := range s.keys(t) {
		entry, err := s.InmemStorage.Get(context.Background(), key)
		if err != nil {
			t.Fatal(err)
		}
		all += string(entry.Value) + "\n"
	}
	return all
}

type sentEvent struct {
	Type string
	Data *logical.EventData
}

// bus takes the events that one mount sends.
type bus struct {
	mutex  sync.Mutex
	events []sentEvent
}

func (b *bus) SendEvent(_ context.Context, kind logical.EventType, event *logical.EventData) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.events = append(b.events, sentEvent{string(kind), event})
	return nil
}

func (b *bus) take() []sentEvent {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	taken := b.events
	b.events = nil
	return taken
}

// mount is a plugin enabled at a path.
type mount struct {
	logical.Backend
	t       *testing.T
	host    *host
	storage *storage
	events  *bus
	config  *logical.BackendConfig
}

// prepare makes what Vault hands to a mount's Setup.
func (h *host) prepare(options map[string]string) *mount {
	id, err := uuid.GenerateUUID()
	if err != nil {
		h.t.Fatal(err)
	}
	config := map[string]string{"plugin_name": "under-test", "plugin_type": "secret", "plugin_version": "", "plugin_tier": "unknown"}
	for name, value := range options {
		config[name] = value
	}
	m := &mount{t: h.t, host: h, storage: &storage{}, events: &bus{}}
	m.storage.setReadOnly(logical.ErrSetupReadOnly)
	m.config = &logical.BackendConfig{
		StorageView: m.storage, Logger: h.logger, System: h, BackendUUID: id, Config: config, EventsSender: m.events,
	}
	return m
}

// run starts or joins the process, and leads the mount through the steps that Vault takes.
func (m *mount) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	backend, err := sdkplugin.NewBackendV5(ctx, "under-test", m.host.kind, "", m.host, m.config)
	if err != nil {
		return err
	}
	m.Backend = backend
	m.storage.setReadOnly(logical.ErrSetupReadOnly)
	if err := backend.Setup(ctx, m.config); err != nil {
		return err
	}
	if kind := backend.Type(); (kind == logical.TypeCredential) != (m.host.kind == consts.PluginTypeCredential) {
		return fmt.Errorf("a plugin of type %v", kind)
	}
	m.storage.setReadOnly(nil)
	return backend.Initialize(ctx, &logical.InitializationRequest{Storage: m.storage})
}

func (h *host) mount(options map[string]string) *mount {
	h.t.Helper()
	m := h.prepare(options)
	if err := m.run(); err != nil {
		h.t.Fatalf("mounting: %v", err)
	}
	return m
}

// handle sends one request.
func (m *mount) handle(ctx context.Context, operation logical.Operation, path string, data map[string]any) (*logical.Response, error) {
	m.t.Helper()
	return m.send(ctx, &logical.Request{ID: "request-" + path, Operation: operation, Path: path, Data: data, MountPoint: "mount/", MountType: "under-test"})
}

// send restarts the process when it is found dead, and sends the request once more, as Vault does.
func (m *mount) send(ctx context.Context, request *logical.Request) (*logical.Response, error) {
	m.t.Helper()
	response, err := m.Backend.HandleRequest(ctx, request)
	if errors.Is(err, sdkplugin.ErrPluginShutdown) {
		m.Backend.Cleanup(ctx)
		if err := m.run(); err != nil {
			return nil, err
		}
		response, err = m.Backend.HandleRequest(ctx, request)
	}
	return response, err
}

func (m *mount) try(operation logical.Operation, path string, data map[string]any) (*logical.Response, error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return m.handle(ctx, operation, path, data)
}

// must fails the test on any kind of error.
func (m *mount) must(operation logical.Operation, path string, data map[string]any) *logical.Response {
	m.t.Helper()
	response, err := m.try(operation, path, data)
	if err != nil || response.IsError() {
		m.t.Fatalf("%s %s: %v, %v", operation, path, response, err)
	}
	return response
}

func (m *mount) read(path string) map[string]any {
	m.t.Helper()
	if response := m.must(logical.ReadOperation, path, nil); response != nil {
		return response.Data
	}
	return nil
}

// write asks first whether the path exists, as Vault does, and creates or updates accordingly.
func (m *mount) write(path string, data map[string]any) *logical.Response {
	m.t.Helper()
	checked, exists, err := m.exists(path, data)
	if err != nil {
		m.t.Fatalf("existence of %s: %v", path, err)
	}
	if checked && !exists {
		return m.must(logical.CreateOperation, path, data)
	}
	return m.must(logical.UpdateOperation, path, data)
}

func (m *mount) exists(path string, data map[string]any) (checked, exists bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return m.Backend.HandleExistenceCheck(ctx, &logical.Request{Operation: logical.UpdateOperation, Path: path, Data: data})
}

func (m *mount) kill() {
	m.t.Helper()
	m.host.mutex.Lock()
	process := m.host.process
	m.host.mutex.Unlock()
	if err := syscall.Kill(m.host.pid(), syscall.SIGKILL); err != nil {
		m.t.Fatal(err)
	}
	// Only then has go-plugin seen it.
	eventually(m.t, "the plugin's end", process.Exited)
}

func (h *host) discardSockets() {
	h.stop()
	discardSockets()
}

// discardSockets removes what a killed plugin and go-plugin's listeners for it left behind.
func discardSockets() {
	left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "plugin*"))
	for _, socket := range left {
		os.Remove(socket)
	}
}

// eventually waits for what another process does.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not come: %s", what)
		}
	}
}

// text is a value as JSON, for comparing what went through JSON on the way.
func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if text(t, got) != text(t, want) {
		t.Errorf("%s: got %s, want %s", what, text(t, got), text(t, want))
	}
}
