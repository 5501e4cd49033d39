package history

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// at stamps an operation.
func at(call, ret int64, client int, o Operation) Operation {
	o.Call, o.Return, o.Client = call, ret, client
	return o
}

func TestChecker(t *testing.T) {
	store := Operation{Kind: Store, New: 1}
	hit := Operation{Kind: Load, Value: 1, OK: true}
	miss := Operation{Kind: Load}
	release := Operation{Kind: Release, Value: 1}
	death := Operation{Kind: Death, Value: 1}
	for _, c := range []struct {
		name  string
		rules Rules
		want  Verdict
		h     []Operation
	}{
		{"a miss while the value is held", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 1, miss), at(4, 5, 0, release)}},
		{"a miss after the release", WeakValues, Legal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, release), at(4, 5, 1, miss)}},
		{"a miss while the release is under way", WeakValues, Legal, []Operation{
			at(0, 1, 0, store), at(2, 9, 0, release), at(3, 4, 1, miss)}},
		{"a hit after a miss of the same value", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, release), at(4, 5, 1, miss), at(6, 7, 1, hit)}},
		{"a hit keeps the value from dying", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 1, hit), at(4, 5, 0, release), at(6, 7, 2, miss), at(8, 9, 1, release)}},
		{"a hit before anything was stored", WeakValues, Illegal, []Operation{
			at(0, 1, 1, hit), at(2, 3, 0, store)}},
		{"a deleted value is found", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, Operation{Kind: Delete}), at(4, 5, 1, hit)}},
		{"a replaced value is found", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, Operation{Kind: Store, New: 2}), at(4, 5, 1, hit)}},
		{"a late reclaim takes the new value", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, release), at(4, 5, 0, Operation{Kind: Store, New: 2}), at(6, 7, 1, miss)}},
		{"two callers store into one unbound key", WeakValues, Illegal, []Operation{
			at(0, 5, 0, Operation{Kind: LoadOrStore, New: 1}), at(0, 5, 1, Operation{Kind: LoadOrStore, New: 2})}},
		{"one of two callers stores", WeakValues, Legal, []Operation{
			at(0, 5, 0, Operation{Kind: LoadOrStore, New: 1}), at(0, 5, 1, Operation{Kind: LoadOrStore, New: 2, Value: 1, OK: true})}},
		{"a swap that does not see what is held", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 1, Operation{Kind: Swap, New: 2})}},
		{"a computation is cut off", WeakValues, Legal, []Operation{
			at(0, 9, 0, Operation{Kind: LoadOrCompute, New: 1}), at(2, 3, 1, Operation{Kind: LoadAndDelete}), at(4, 5, 1, miss),
			at(1, 10, 2, Operation{Kind: LoadOrCompute, New: 2, Value: 1, OK: true})}},
		{"a computation is not cut off, and its value is not found", WeakValues, Illegal, []Operation{
			at(0, 1, 0, Operation{Kind: LoadOrCompute, New: 1}), at(2, 3, 1, Operation{Kind: LoadAndDelete})}},
		{"a computation is cut off by what finds another value", WeakValues, Illegal, []Operation{
			at(0, 9, 0, Operation{Kind: LoadOrCompute, New: 1}), at(2, 3, 1, Operation{Kind: LoadAndDelete, Value: 2, OK: true})}},
		{"a comparison fails though the value is bound", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, Operation{Kind: CompareAndSwap, Old: 1, New: 2})}},
		{"a comparison succeeds though another is bound", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, Operation{Kind: CompareAndDelete, Old: 2, OK: true})}},
		{"Compute is not given what is bound", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 1, Operation{Kind: Compute, New: 2})}},
		{"a value found dead is given under another key", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, Operation{Kind: Store, Key: 1, New: 1}), at(4, 5, 0, release),
			at(6, 7, 1, death), at(8, 9, 1, Operation{Kind: Load, Key: 1, Value: 1, OK: true})}},
		{"a value dies that a caller was given under another key", WeakValues, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 0, Operation{Kind: Store, Key: 1, New: 1}),
			at(4, 5, 1, Operation{Kind: Load, Key: 1, Value: 1, OK: true}), at(6, 7, 0, release),
			at(8, 9, 2, miss), at(10, 11, 1, release)}},
		{"a key is held and its value is gone", WeakKeys, Illegal, []Operation{
			at(0, 1, 0, store), at(2, 3, 1, miss)}},
		{"a key is held and its value is there", WeakKeys, Legal, []Operation{
			at(0, 1, 0, store), at(2, 3, 1, hit), at(4, 5, 0, Operation{Kind: LoadAndDelete, Value: 1, OK: true}), at(6, 7, 1, miss)}},
		{"two canonical values at once", Canonical, Illegal, []Operation{
			at(0, 1, 0, Operation{Kind: Intern, Value: 1}), at(2, 3, 1, Operation{Kind: Intern, Value: 2}), at(4, 5, 0, release)}},
		{"a second canonical value after the first", Canonical, Legal, []Operation{
			at(0, 1, 0, Operation{Kind: Intern, Value: 1}), at(2, 3, 0, release), at(4, 5, 1, Operation{Kind: Intern, Value: 2})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Check(c.h, c.rules, time.Minute)
			if f.Verdict != c.want {
				t.Errorf("Check = %v %q, want %v", f.Verdict, f.Reason, c.want)
			}
		})
	}
}

func TestSaveKeepsHistoryAndPicture(t *testing.T) {
	h := []Operation{at(0, 1, 0, Operation{Kind: Store, New: 1}), at(2, 3, 1, Operation{Kind: Load})}
	f := Check(h, WeakValues, time.Minute)
	folder := filepath.Join(t.TempDir(), "failed")
	file, err := Save(folder, "one", h, WeakValues, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(folder, "one.html")} {
		if text, err := os.ReadFile(name); err != nil || len(text) == 0 {
			t.Errorf("%s has %d bytes: %v", name, len(text), err)
		}
	}
}

func TestRecorderOrdersByCall(t *testing.T) {
	r := NewRecorder(2)
	r.Client(1).Do(Operation{Kind: Store, New: 1}, func(*Operation) bool { return true })
	r.Client(0).Do(Operation{Kind: Load}, func(o *Operation) bool { o.Value, o.OK = 1, true; return true })
	r.Client(0).Do(Operation{Kind: Death, Value: 1}, func(*Operation) bool { return false })
	h := r.History()
	if len(h) != 2 || h[0].Kind != Store || h[1].Value != 1 || h[0].Client != 1 || h[1].Client != 0 {
		t.Errorf("History = %v, want the Store and then the Load", h)
	}
	for _, o := range h {
		if o.Call > o.Return {
			t.Errorf("%v ends before it begins", o)
		}
	}
}
