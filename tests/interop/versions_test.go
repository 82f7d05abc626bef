package interop

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/vault/sdk/helper/wrapping"
	"github.com/hashicorp/vault/sdk/logical"
	sdkplugin "github.com/hashicorp/vault/sdk/plugin"
)

func TestA2_EachOfferIsAnsweredAsAGoPluginWould(t *testing.T) {
	scratch(t)
	for offer, answer := range map[string]string{"5": "5", "3,4": "4", "4,3": "4", "4,5,3": "5", "9": "3", "": "3", "junk": "3", "junk,5": "5"} {
		p := startRaw(t, kv, cookie, "PLUGIN_PROTOCOL_VERSIONS="+offer, "VAULT_PLUGIN_METADATA_MODE=true")
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("%q: %v, %s", offer, err, p.stderr)
		}
		p.line = line
		expect(t, "answer to "+offer, p.fields()[1], answer)
		if strings.Contains(offer, "junk") && !strings.Contains(p.stderr.String(), "junk") {
			t.Errorf("nothing is said of %q: %s", offer, p.stderr)
		}
		p.stop(nil)
	}
}

func TestA2_AHostOfTheOldVersionsLearnsWhatItIsInMetadataMode(t *testing.T) {
	h := newHost(t, kv)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	backend, err := sdkplugin.NewBackendWithVersion(ctx, "under-test", h.kind, h, &logical.BackendConfig{Logger: h.logger}, true, "")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Cleanup(ctx)
	if err := backend.Setup(ctx, &logical.BackendConfig{Logger: h.logger, Config: map[string]string{"version": "2"}}); err != nil {
		t.Fatal(err)
	}
	expect(t, "type", backend.Type().String(), "secret")
	if reported := backend.(logical.PluginVersioner).PluginVersion().Version; !strings.HasPrefix(reported, "v") {
		t.Errorf("version %q", reported)
	}
}

// The old versions' TLS needs a call to Vault's own API, which is refused in words: docs/decisions/0003.
func TestA2_TheOldVersionsWrappedKeyIsRefusedInOneLine(t *testing.T) {
	h := newHost(t, kv)
	h.wrapped = &wrapping.ResponseWrapInfo{Token: "a.wrapping.token", TTL: time.Minute}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := sdkplugin.NewBackendWithVersion(ctx, "under-test", h.kind, h, &logical.BackendConfig{Logger: h.logger}, false, "")
	if err == nil {
		t.Fatal("it runs without the key")
	}
	if !strings.Contains(h.log.String(), "VAULT_UNWRAP_TOKEN") {
		t.Errorf("why is not said: %v", err)
	}
}

func TestA3_AHostThatWantsOneConnectionForAllLearnsThatItCannotHaveIt(t *testing.T) {
	scratch(t)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: sdkplugin.HandshakeConfig, VersionedPlugins: sdkplugin.PluginSet, Cmd: exec.Command(kv), AutoMTLS: true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, GRPCBrokerMultiplex: true, Logger: hclog.NewNullLogger(),
	})
	// go-plugin kills it, so that its socket stays.
	defer discardSockets()
	defer client.Kill()
	if _, err := client.Start(); !errors.Is(err, plugin.ErrGRPCBrokerMuxNotSupported) {
		t.Errorf("%v", err)
	}
}
