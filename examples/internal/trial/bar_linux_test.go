package trial

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal opens a terminal: what is written on it can be read from screen.
func terminal(t *testing.T) (tty, screen *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	return tty, screen
}

func TestBarOnATerminal(t *testing.T) {
	tty, screen := terminal(t)
	shown := make(chan string)
	go func() {
		out, _ := io.ReadAll(screen) // It ends with an error when the terminal is closed.
		shown <- string(out)
	}()
	bar := NewBar("reading", 10, tty)
	time.Sleep(2 * reportInterval) // The bar draws no more often.
	bar.Set(5)
	bar.Close()
	tty.Close()
	if out := <-shown; !strings.Contains(out, "reading") || !strings.Contains(out, "(5/10)") {
		t.Errorf("shown: %q", out)
	}
}

func TestNoBarElsewhere(t *testing.T) {
	path := t.TempDir() + "/file"
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	bar := NewBar("reading", 10, file)
	bar.Set(5)
	bar.Close()
	file.Close()
	if out, err := os.ReadFile(path); err != nil || len(out) > 0 {
		t.Errorf("written: %q, %v", out, err)
	}
}
