// Package clients leads Vault's own Go client, unmodified, through sessions with a server of ours. BELFRY_BIN names the folder with
// `belfry`; `./dev test` sets it.
package clients

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// A deadline is only there so that a hang becomes a failure; sanitizers make servers slow.
const patience = 60 * time.Second

type object = map[string]any

func binary(t *testing.T) string {
	folder := os.Getenv("BELFRY_BIN")
	if folder == "" {
		folder = "../../build/dev/bin"
	}
	path, err := filepath.Abs(filepath.Join(folder, "belfry"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var address = regexp.MustCompile(`export VAULT_ADDR='(http://[^']+)'`)

// connect starts a server of the test's own and gives its client. The folders of the testing package are too long for a socket's path.
func connect(t *testing.T) *api.Client {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "clients")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	server := exec.Command(binary(t), "server", "-dev", "-dev-root-token-id=root", "-dev-listen-address=127.0.0.1:0")
	server.Env = append(os.Environ(), "TMPDIR="+folder)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, server) })
	return client(t, listening(t, out))
}

// listening waits for the line that says where, and then lets the server print what it likes.
func listening(t *testing.T, out io.Reader) string {
	t.Helper()
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if match := address.FindStringSubmatch(lines.Text()); match != nil {
				found <- match[1]
			}
		}
		close(found)
	}()
	select {
	case where := <-found:
		if where == "" {
			t.Fatal("the server ended before it listened")
		}
		return where
	case <-time.After(patience):
		t.Fatal("the server does not listen")
	}
	return ""
}

func stop(t *testing.T, server *exec.Cmd) {
	server.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { server.Process.Kill() })
	defer late.Stop()
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with: %v", err)
	}
}

func client(t *testing.T, address string) *api.Client {
	t.Helper()
	config := api.DefaultConfig()
	if config.Error != nil {
		t.Fatal(config.Error)
	}
	config.Address = address
	config.Timeout = patience
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	client.SetToken("root")
	return client
}

func succeeds(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must gives what a call returned that has to succeed.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		succeeds(t, err)
		return value
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

// refused claims that an error is the server's, with this status and, if given, text.
func refused(t *testing.T, err error, status int, text ...string) {
	t.Helper()
	var response *api.ResponseError
	if !errors.As(err, &response) {
		t.Fatalf("no answer of the server: %v", err)
	}
	equal(t, response.StatusCode, status)
	if len(text) > 0 {
		equal(t, response.Errors, text)
	}
}

func notFound(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, api.ErrSecretNotFound) {
		t.Errorf("got %v, want %v", err, api.ErrSecretNotFound)
	}
}
