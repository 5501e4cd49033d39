package trial

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A Bar shows progress on a terminal, and shows nothing anywhere else.
type Bar struct {
	bar *progressbar.ProgressBar // nil if there is no terminal
}

// NewBar starts a bar of total steps on w.
func NewBar(name string, total int, w io.Writer) *Bar {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return &Bar{}
	}
	return &Bar{progressbar.NewOptions(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(name),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(reportInterval),
		progressbar.OptionClearOnFinish(),
	)}
}

// Set moves the bar to done. It does nothing from the last step on: Close wipes the bar out.
func (b *Bar) Set(done int64) {
	if b.bar != nil && done < b.bar.GetMax64() {
		_ = b.bar.Set64(done) // A bar that cannot be drawn is not worth stopping for.
	}
}

// Close wipes the bar out, so that what is printed next begins on a clean line.
func (b *Bar) Close() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
