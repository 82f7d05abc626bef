package interop

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	sdkplugin "github.com/hashicorp/vault/sdk/plugin"
	"github.com/hashicorp/vault/sdk/plugin/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// rawPlugin is a plugin's process without go-plugin around it, for what go-plugin as a host never does.
type rawPlugin struct {
	t        *testing.T
	command  *exec.Cmd
	stdout   *bufio.Reader
	stderr   *output
	line     string
	finished bool
}

var cookie = sdkplugin.HandshakeConfig.MagicCookieKey + "=" + sdkplugin.HandshakeConfig.MagicCookieValue

// startRaw runs the plugin with just these variables, and those that sanitizers need.
func startRaw(t *testing.T, program string, environment ...string) *rawPlugin {
	t.Helper()
	p := &rawPlugin{t: t, command: exec.Command(program), stderr: &output{}}
	for _, name := range []string{"PATH", "TMPDIR", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"} {
		p.command.Env = append(p.command.Env, name+"="+os.Getenv(name))
	}
	p.command.Env = append(p.command.Env, environment...)
	p.command.Stderr = p.stderr
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	t.Cleanup(func() {
		if !p.finished {
			p.command.Process.Kill()
			p.wait()
		}
	})
	return p
}

// serveRaw also reads the handshake line.
func serveRaw(t *testing.T, program string, environment ...string) *rawPlugin {
	t.Helper()
	p := startRaw(t, program, append([]string{cookie, "PLUGIN_PROTOCOL_VERSIONS=5"}, environment...)...)
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("no handshake: %v, %s", err, p.stderr)
	}
	p.line = line
	return p
}

// wait is the exit code, or minus the signal.
func (p *rawPlugin) wait() int {
	p.t.Helper()
	p.finished = true
	rest, _ := io.ReadAll(p.stdout)
	if len(rest) > 0 {
		p.t.Errorf("standard output after the handshake: %q", rest)
	}
	err := p.command.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	status := p.command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return -int(status.Signal())
	}
	return status.ExitStatus()
}

func (p *rawPlugin) signal(signal os.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

func (p *rawPlugin) fields() []string { return strings.Split(strings.TrimSuffix(p.line, "\n"), "|") }

func (p *rawPlugin) socket() string { return p.fields()[3] }

// connect dials the plugin's socket; nil means without TLS.
func (p *rawPlugin) connect(config *tls.Config) *grpc.ClientConn {
	p.t.Helper()
	transport := insecure.NewCredentials()
	if config != nil {
		transport = credentials.NewTLS(config)
	}
	connection, err := grpc.NewClient("unix:"+p.socket(), grpc.WithTransportCredentials(transport), grpc.WithAuthority("localhost"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { connection.Close() })
	return connection
}

// askToStop ends the plugin as hosts do. That the connection breaks before the answer is as good as the answer.
func (p *rawPlugin) askToStop(connection *grpc.ClientConn) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	empty := message(p.t, "plugin.Empty", nil)
	if err := connection.Invoke(ctx, "/plugin.GRPCController/Shutdown", empty, empty); err != nil && status.Code(err) != codes.Unavailable {
		p.t.Errorf("Shutdown: %v", err)
	}
}

// stop also waits for the orderly end.
func (p *rawPlugin) stop(config *tls.Config) {
	p.t.Helper()
	p.askToStop(p.connect(config))
	expect(p.t, "exit code", p.wait(), 0)
}

// discard ends a plugin that nobody can speak to; its socket stays behind, as after any kill.
func (p *rawPlugin) discard() {
	p.t.Helper()
	p.command.Process.Kill()
	p.wait()
	os.Remove(p.socket())
}

// identity is a host's certificate with its key.
type identity struct {
	certificate tls.Certificate
	pem         string
}

// newIdentity makes what go-plugin makes for AutoMTLS, on a curve and for a time of the test's choosing.
func newIdentity(t *testing.T, curve elliptic.Curve, until time.Time) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"HashiCorp"}},
		DNSNames:              []string{"localhost"},
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		SerialNumber:          serial,
		NotBefore:             time.Now().Add(-24 * time.Hour),
		NotAfter:              until,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(encoded)}
}

// trusting is the TLS of a host that presents `own` and trusts the certificate in the plugin's handshake.
func (p *rawPlugin) trusting(own ...tls.Certificate) *tls.Config {
	p.t.Helper()
	der, err := base64.RawStdEncoding.DecodeString(p.fields()[5])
	if err != nil {
		p.t.Fatalf("the certificate in %q: %v", p.line, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return &tls.Config{Certificates: own, RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// message makes a message of go-plugin's internal package, which is linked in and so known by name.
func message(t *testing.T, name string, fields map[string]any) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatal(err)
	}
	made := kind.New()
	for field, value := range fields {
		made.Set(made.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOf(value))
	}
	return made.Interface()
}

// stream opens one of the long streams.
func stream(t *testing.T, connection *grpc.ClientConn, method string) grpc.ClientStream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	opened, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// addressedTo is the context of a call for the instances with these ids.
func addressedTo(ids ...string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	pairs := []string{}
	for _, id := range ids {
		pairs = append(pairs, "multiplex_id", id)
	}
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(pairs...)), cancel
}

// hostSide serves storage, system view and events on a socket of its own, as a host does for each Setup. It may be stopped.
func hostSide(t *testing.T, path string, kept *storage) *grpc.Server {
	t.Helper()
	server := grpc.NewServer()
	pb.RegisterStorageServer(server, &storageService{kept: kept})
	pb.RegisterEventsServer(server, pb.UnimplementedEventsServer{})
	pb.RegisterSystemViewServer(server, pb.UnimplementedSystemViewServer{})
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return server
}

type storageService struct {
	pb.UnimplementedStorageServer
	kept logical.Storage
}

func (s *storageService) Get(ctx context.Context, in *pb.StorageGetArgs) (*pb.StorageGetReply, error) {
	entry, err := s.kept.Get(ctx, in.Key)
	if err != nil {
		return &pb.StorageGetReply{Err: err.Error()}, nil
	}
	return &pb.StorageGetReply{Entry: pb.LogicalStorageEntryToProtoStorageEntry(entry)}, nil
}

func (s *storageService) Put(ctx context.Context, in *pb.StoragePutArgs) (*pb.StoragePutReply, error) {
	reply := &pb.StoragePutReply{}
	if err := s.kept.Put(ctx, pb.ProtoStorageEntryToLogicalStorageEntry(in.Entry)); err != nil {
		reply.Err = err.Error()
	}
	return reply, nil
}
