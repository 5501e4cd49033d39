package history

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/anishathalye/porcupine"
)

// A Verdict is the result of a check.
type Verdict uint8

const (
	Legal   Verdict = iota
	Illegal         // no order explains the results
	Unknown         // the time was not enough to tell
)

func (v Verdict) String() string { return [...]string{"legal", "illegal", "unknown"}[v] }

// A Finding is the verdict on a history, and why.
type Finding struct {
	Verdict Verdict
	Key     int // of the operations that no order explains
	Reason  string
}

// Check judges a history. Operations are judged key by key, with what happened to their values
// elsewhere; each key may take as long as limit.
func Check(h []Operation, rules Rules, limit time.Duration) Finding {
	if reason := deathIsFinal(h); reason != "" {
		return Finding{Illegal, 0, reason}
	}
	worst := Finding{}
	for _, key := range keysOf(h) {
		start, operations := partition(h, key, rules)
		switch porcupine.CheckOperationsTimeout(modelFor(start), operations, limit) {
		case porcupine.Illegal:
			return Finding{Illegal, key, fmt.Sprintf("no order explains the operations of key %d", key)}
		case porcupine.Unknown:
			worst = Finding{Unknown, key, fmt.Sprintf("key %d was not judged within %v", key, limit)}
		}
	}
	return worst
}

// deathIsFinal is a pass across keys: what was seen to be dead comes up in no operation that
// begins later. It returns what is wrong, or "".
func deathIsFinal(h []Operation) string {
	died := make(map[Value]int64)
	for _, o := range h {
		if o.Kind == Death {
			died[o.Value] = o.Return
		}
	}
	for _, o := range h {
		for _, v := range []Value{o.New, o.Old, o.gives()} {
			if at, dead := died[v]; dead && o.Call > at {
				return fmt.Sprintf("%v comes after value %d was seen to be dead", o, v)
			}
		}
	}
	return ""
}

func (k Kind) hasKey() bool { return k != Release && k != Death }

func keysOf(h []Operation) (keys []int) {
	seen := make(map[int]bool)
	for _, o := range h {
		if o.Kind.hasKey() && !seen[o.Key] {
			seen[o.Key] = true
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// partition returns what concerns one key: its operations, and of its values what other keys'
// operations, releases and deaths did to them.
func partition(h []Operation, key int, rules Rules) (start state, operations []porcupine.Operation) {
	numbers := map[Value]uint8{0: 0}
	for _, o := range h {
		if !o.Kind.hasKey() || o.Key != key {
			continue
		}
		for _, v := range []Value{o.New, o.Old, o.Value} {
			if _, known := numbers[v]; !known {
				if len(numbers) > maxValues {
					panic(fmt.Sprintf("history: more than %d values with key %d", maxValues, key))
				}
				numbers[v] = uint8(len(numbers))
			}
		}
	}
	for i := range start.pins {
		switch rules {
		case WeakValues:
			start.pins[i] = 1
		case Canonical:
			start.pins[i] = unmade
		}
	}
	for _, o := range h {
		foreign := o.Kind.hasKey() && o.Key != key
		v := o.Value
		if foreign {
			v = o.gives()
		}
		if (foreign || !o.Kind.hasKey()) && numbers[v] == 0 {
			continue
		}
		operations = append(operations, porcupine.Operation{ClientId: o.Client, Call: o.Call, Return: o.Return,
			Input: keyed{o, foreign, numbers[o.New], numbers[o.Old], numbers[v], rules == WeakKeys, !foreign && mayBeCut(h, o)}})
	}
	return start, operations
}

// mayBeCut reports whether o is a computation during which its key was deleted, or has the value of
// one that it may have waited for.
func mayBeCut(h []Operation, o Operation) bool {
	if o.Kind != LoadOrCompute {
		return false
	}
	for _, c := range h {
		switch {
		case c.Key != o.Key || c.Call > o.Return || o.Call > c.Return:
		case !o.OK && (c.Kind == Delete || c.Kind == LoadAndDelete),
			o.OK && c.Kind == LoadOrCompute && !c.OK && c.New == o.Value && mayBeCut(h, c):
			return true
		}
	}
	return false
}

// Save writes a history as JSON into the folder, and porcupine's picture of the operations that
// f is about. It returns the name of the first.
func Save(folder, name string, h []Operation, rules Rules, f Finding) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(struct {
		Verdict    string
		Reason     string
		Operations []Operation
	}{f.Verdict.String(), f.Reason, h}, "", "\t")
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, name+".json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return "", err
	}
	start, operations := partition(h, f.Key, rules)
	model := modelFor(start)
	_, info := porcupine.CheckOperationsVerbose(model, operations, time.Minute)
	return file, porcupine.VisualizePath(model, info, filepath.Join(folder, name+".html"))
}
