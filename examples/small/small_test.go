package small

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func build(t *testing.T, program string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), program)
	if out, err := exec.Command("go", "build", "-o", file, "./"+program).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

func TestOutput(t *testing.T) {
	for program, want := range map[string]string{
		"broadcast": `reached 2
Ann reads hello
Bob reads hello
`,
		"scratch": `at work on draft and letter
the scratch file of draft is removed: true
still at work on letter
the scratch file of letter is removed: true
`,
		"bounded": `reads index
reads a
reads b
reads c
kept: 2
the same index, which the program holds: true
reads a
`,
	} {
		out, err := exec.Command(build(t, program)).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %v, and prints\n%swant\n%s", program, err, out, want)
		}
	}
}

func TestPage(t *testing.T) {
	free, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	server := exec.Command(build(t, "page"), "-address", address)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get("http://" + address + "/debug/weak"); err == nil {
			page, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || !strings.Contains(string(page), `data-name="sessions"`) {
				t.Errorf("the page: %v\n%s", err, page)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no page is served")
		}
	}
}
