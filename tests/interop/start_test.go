package interop

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

var bothPlugins = map[string]string{"kv": kv, "notes": notes}

func TestA1_WithoutTheRightCookieItExplainsItselfAndEnds(t *testing.T) {
	for name, program := range bothPlugins {
		for _, environment := range [][]string{
			nil,
			{"VAULT_BACKEND_PLUGIN=wrong"},
			{"VAULT_DATABASE_PLUGIN=926a0820-aea2-be28-51d6-83cdf00e8edb", "PLUGIN_PROTOCOL_VERSIONS=5"},
		} {
			p := startRaw(t, program, environment...)
			printed, _ := io.ReadAll(p.stdout)
			expect(t, name+"'s output", string(printed), "")
			expect(t, name+"'s exit code", p.wait(), 1)
			if !strings.Contains(p.stderr.String(), "This is a plugin") {
				t.Errorf("%s says on standard error: %s", name, p.stderr)
			}
		}
	}
}

func TestA3_TheHandshakeIsByteForByteGoPlugins(t *testing.T) {
	folder := scratch(t)
	own := newIdentity(t, elliptic.P521(), time.Now().Add(time.Hour))
	certificate := "PLUGIN_CLIENT_CERT=" + own.pem
	socket := regexp.QuoteMeta(folder) + `/plugin[0-9]+`
	for name, program := range bothPlugins {
		for _, variant := range []struct{ pattern, variable string }{
			{`^1\|5\|unix\|` + socket + `\|grpc\|\n$`, "NOTHING=1"},
			{`^1\|5\|unix\|` + socket + `\|grpc\|[A-Za-z0-9+/]{51,}\n$`, certificate},
			{`^1\|5\|unix\|` + socket + `\|grpc\|\|(true|false)\n$`, "PLUGIN_MULTIPLEX_GRPC=true"},
		} {
			p := serveRaw(t, program, variant.variable)
			if !regexp.MustCompile(variant.pattern).MatchString(p.line) {
				t.Errorf("%s: %q does not match %s", name, p.line, variant.pattern)
			}
			if variant.variable == certificate {
				p.stop(p.trusting(own.certificate))
			} else {
				p.stop(nil)
			}
		}
	}
}

func TestA4_TheSocketGoesWhereTheHostSaysWithTheGroupsMode(t *testing.T) {
	scratch(t)
	folder := filepath.Join(os.Getenv("TMPDIR"), "chosen")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(folder)
	group, err := user.LookupGroupId("0")
	if err != nil || os.Getuid() != 0 {
		t.Skip("giving a socket to another group needs root")
	}
	p := serveRaw(t, kv, "PLUGIN_UNIX_SOCKET_DIR="+folder, "PLUGIN_UNIX_SOCKET_GROUP="+group.Name)
	expect(t, "folder", filepath.Dir(p.socket()), folder)
	info, err := os.Stat(p.socket())
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "mode", info.Mode().String(), "Srw-rw----")
	expect(t, "group", info.Sys().(*syscall.Stat_t).Gid, 0)
	p.stop(nil)
	if _, err := os.Stat(p.socket()); err == nil {
		t.Error("the socket outlived the plugin")
	}
}

func TestA4_SigtermEndsIt(t *testing.T) {
	scratch(t)
	p := serveRaw(t, notes)
	p.signal(syscall.SIGTERM)
	expect(t, "exit", p.wait(), -int(syscall.SIGTERM))
	// As with Go plugins: the signal has its default effect, so that the file stays.
	if err := os.Remove(p.socket()); err != nil {
		t.Error(err)
	}
}

func check(p *rawPlugin, config *tls.Config, service string) (*grpc_health_v1.HealthCheckResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return grpc_health_v1.NewHealthClient(p.connect(config)).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
}

func TestA5_HostsWithKeysOnEachCurveAreServedOverTls13(t *testing.T) {
	scratch(t)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		own := newIdentity(t, curve, time.Now().Add(262980*time.Hour))
		p := serveRaw(t, kv, "PLUGIN_CLIENT_CERT="+own.pem)
		config := p.trusting(own.certificate)
		if _, err := check(p, config, "plugin"); err != nil {
			t.Errorf("%s: %v", curve.Params().Name, err)
		}
		config.NextProtos = []string{"h2"}
		connection, err := tls.Dial("unix", p.socket(), config)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "TLS version", tls.VersionName(connection.ConnectionState().Version), "TLS 1.3")
		expect(t, "protocol", connection.ConnectionState().NegotiatedProtocol, "h2")
		connection.Close()
		p.stop(config)
	}
}

func TestA5_StrangersAreRefused(t *testing.T) {
	scratch(t)
	own := newIdentity(t, elliptic.P521(), time.Now().Add(time.Hour))
	other := newIdentity(t, elliptic.P521(), time.Now().Add(time.Hour))
	p := serveRaw(t, kv, "PLUGIN_CLIENT_CERT="+own.pem)
	for who, config := range map[string]*tls.Config{
		"nobody":          p.trusting(),
		"somebody else":   p.trusting(other.certificate),
		"one without TLS": nil,
	} {
		if _, err := check(p, config, "plugin"); status.Code(err) != codes.Unavailable {
			t.Errorf("%s gets %v", who, err)
		}
	}
	expired := newIdentity(t, elliptic.P521(), time.Now().Add(-time.Hour))
	stale := serveRaw(t, kv, "PLUGIN_CLIENT_CERT="+expired.pem)
	if _, err := check(stale, stale.trusting(expired.certificate), "plugin"); status.Code(err) != codes.Unavailable {
		t.Errorf("an expired host gets %v", err)
	}
	p.stop(p.trusting(own.certificate))
	stale.discard()
}

// gRPC 1.51 allows only P-256 as a group, and TLS 1.2 takes the group of a certificate's key from the same list; Go offers TLS 1.3.
func TestA5_AHostThatKnowsOnlyTls12IsServedUnlessItsKeyIsOnP521(t *testing.T) {
	scratch(t)
	for _, variant := range []struct {
		curve elliptic.Curve
		want  codes.Code
	}{{elliptic.P256(), codes.OK}, {elliptic.P521(), codes.Unavailable}} {
		own := newIdentity(t, variant.curve, time.Now().Add(time.Hour))
		p := serveRaw(t, kv, "PLUGIN_CLIENT_CERT="+own.pem)
		config := p.trusting(own.certificate)
		config.MaxVersion = tls.VersionTLS12
		if _, err := check(p, config, "plugin"); status.Code(err) != variant.want {
			t.Errorf("%s: %v", variant.curve.Params().Name, err)
		}
		p.discard()
	}
}

func TestA6_HealthIsServedForPluginAndForNothingElse(t *testing.T) {
	scratch(t)
	p := serveRaw(t, kv)
	reply, err := check(p, nil, "plugin")
	if err != nil || reply.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", reply, err)
	}
	if _, err := check(p, nil, "unheard-of"); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown service: %v", err)
	}
	p.stop(nil)
}

func TestA6_GoPluginsPingIsAnswered(t *testing.T) {
	h := newHost(t, kv)
	h.mount(map[string]string{"version": "2"})
	if err := h.connection.Ping(); err != nil {
		t.Error(err)
	}
}

func TestA7_TheOutputStreamStaysOpenUntilTheEndAndNothingIsPrinted(t *testing.T) {
	scratch(t)
	p := serveRaw(t, kv)
	connection := p.connect(nil)
	opened := stream(t, connection, "/plugin.GRPCStdio/StreamStdio")
	if err := opened.SendMsg(message(t, "google.protobuf.Empty", nil)); err != nil {
		t.Fatal(err)
	}
	opened.CloseSend()
	if _, err := opened.Header(); err != nil {
		t.Errorf("the stream does not open: %v", err)
	}
	stream(t, connection, "/plugin.GRPCBroker/StartStream")
	p.askToStop(connection)
	if err := opened.RecvMsg(message(t, "plugin.StdioData", nil)); err == nil {
		t.Error("something was printed")
	}
	expect(t, "exit code", p.wait(), 0)
}

func TestA20_ShutdownTakesLessThanTwoSecondsWithTheLongStreamsOpen(t *testing.T) {
	for name, program := range bothPlugins {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, program)
			h.mount(map[string]string{"version": "2"})
			begin := time.Now()
			h.stop()
			if passed := time.Since(begin); passed >= 2*time.Second {
				t.Errorf("it took %v, so that go-plugin has killed it", passed)
			}
			if !h.process.Exited() {
				t.Error("it still runs")
			}
		})
	}
}

func TestA20_AnInterruptIsIgnored(t *testing.T) {
	h := newHost(t, kv)
	m := h.mount(map[string]string{"version": "1"})
	if err := syscall.Kill(h.pid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	m.write("after", map[string]any{"a": "b"})
	expect(t, "what was written after it", m.read("after"), map[string]any{"a": "b"})
}

func TestA20_APluginWhoseHostWasKilledEndsAndRemovesItsSocket(t *testing.T) {
	scratch(t)
	p := serveRaw(t, kv)
	connection := p.connect(nil)
	opened := stream(t, connection, "/plugin.GRPCBroker/StartStream")
	if err := opened.SendMsg(message(t, "plugin.ConnInfo", map[string]any{"service_id": uint32(1)})); err != nil {
		t.Fatal(err)
	}
	// Until the plugin has the stream, there is nothing whose loss it could see.
	if _, err := check(p, nil, "plugin"); err != nil {
		t.Fatal(err)
	}
	connection.Close()
	expect(t, "exit code", p.wait(), 0)
}

func TestA23_AFileWithAnotherSumIsNotStarted(t *testing.T) {
	h := newHost(t, kv)
	h.runner.Sha256 = bytes.Repeat([]byte{1}, 32)
	if err := h.prepare(nil).run(); err == nil || !strings.Contains(err.Error(), plugin.ErrChecksumsDoNotMatch.Error()) {
		t.Errorf("%v", err)
	}
}
