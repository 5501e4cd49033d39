package places

import (
	"log/slog"
	"runtime"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

// Each part of a program asks for the logger of its scope, and all that have the same scope get
// the same one.

type scope struct {
	name, version string
}

func newLogger(s scope) *slog.Logger {
	return slog.Default().With("scope", s.name, "version", s.version)
}

// before: loggers

type loggersByHand struct {
	mu      sync.RWMutex
	byScope map[scope]weak.Pointer[slog.Logger]
}

func (l *loggersByHand) Of(s scope) *slog.Logger {
	l.mu.RLock()
	found := l.byScope[s].Value()
	l.mu.RUnlock()
	if found != nil {
		return found
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.byScope[s].Value(); found != nil {
		return found
	}
	made := newLogger(s)
	w := weak.Make(made)
	if l.byScope == nil {
		l.byScope = make(map[scope]weak.Pointer[slog.Logger])
	}
	l.byScope[s] = w
	runtime.AddCleanup(made, func(w weak.Pointer[slog.Logger]) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.byScope[s] == w {
			delete(l.byScope, s)
		}
	}, w)
	return made
}

// after: loggers

type loggers struct {
	byScope weakmap.Map[scope, slog.Logger]
}

func (l *loggers) Of(s scope) *slog.Logger {
	found, _, _ := l.byScope.LoadOrCompute(s, func() (*slog.Logger, error) { return newLogger(s), nil })
	return found
}

// end

func (l *loggersByHand) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.byScope)
}

func (l *loggers) Len() int { return l.byScope.Len() }
