// Package weakmap provides collections that do not keep alive what they refer to:
// maps with weak values or weak keys, sets, an interner, and references with
// callbacks and finalizers. They are made for programs with many goroutines, and
// built on [weak.Pointer] and [runtime.AddCleanup].
//
//	var files weakmap.Map[string, File] // the zero value is ready to use
//
//	f, _, err := files.LoadOrCompute(name, func() (*File, error) { return open(name) })
//
//	for c := range online.All() { c.Send(text) } // a Set: the clients that something still holds
//
//	weakmap.Finalize(tmp, func(dir string) { os.RemoveAll(dir) }, tmp.dir) // tmp.dir, not tmp: that would keep tmp alive
//
// A [Map] has strong keys and weak values: a cache that keeps no value alive or, with
// the retention settings of [Config], only values used recently: for a time, or up to
// a number. A [KeyMap] has weak keys and strong values: data attached to objects that
// something else holds. A [Set] has weak elements. Keys and elements are compared by
// identity, or by a [Hasher]; with [ObjectOf] they may be objects of any type. An
// [Interner] gives one pointer for all equal values, and [Strings] one copy of the
// bytes of equal strings. A [Cell] holds one value weakly, and can make it again. A
// [Ref] calls back when its referent is gone, a [Finalizer] does so even if the
// Finalizer itself was dropped, and a [Method] is bound to a receiver that it does not
// keep alive.
//
// # Guarantees
//
// Death is final. Once one lookup has missed because a value was dead, no other
// finds it, under any key. A dead entry is never returned, yielded, counted as
// loaded or matched by a comparison.
//
// What is held is found. A lookup misses only if, at some moment during the call,
// the key was unbound or what was bound to it was unreachable. A replacement
// during the call never causes a miss.
//
// A late removal takes nothing else. Removal compares the entry, not the key, so the
// death of an old value never removes what has been stored under its key
// since, not even the same value.
//
// Readers do not wait. Lookups take no lock and allocate nothing, whatever writers,
// growth and the collector do, and they write to no shared memory. There are three
// exceptions: Config.Stats counts; with Config.Retain, RetainFor or RetainMax the first
// hit of an entry after a pass or an eviction has marked it clears the mark; and with
// these the first hit of a value that was let go takes a lock, to hold it again.
//
// What was invalidated does not come back. After a Delete or Clear has returned, a
// LoadOrCompute that had begun to compute before the call stores nothing.
//
// Your code runs unlocked. Functions that you pass are called with no lock held,
// and those called after a collection run on goroutines of this package, never on
// the runtime's cleanup goroutine. They may block and may use any container. Each
// method documents what a panic in its callback does.
//
// A callback that blocks does not delay others until 64 of them, plus four for each
// processor, are blocked; from then on, each further one that blocks delays those
// behind it by 10 ms. So callbacks can wait for a lock or in a system call without
// taking a goroutine or a thread for each object that dies. Reclamation never waits
// for them.
//
// Tests may use this package in a bubble of testing/synctest, and share containers
// between bubbles and with code outside. Callbacks after a collection run outside
// all bubbles, as the runtime's own cleanups do. There is one exception: OnReap for an
// entry that a call in a bubble finds dead runs in that bubble, unless OnReap of that
// container is running outside at that moment. An OnReap that sleeps must end before its
// bubble does: call Settle.
//
// Nothing is left behind. Containers without entries have no goroutine; unused
// ones have no heap memory, and emptied ones about 600 bytes, besides what
// Config.Shards and Config.Capacity ask for. Memory shrinks after a mass death; a
// container that is dropped goes at the next collection with all its keys, while
// its values live on.
//
// # Who holds what
//
// What a container holds weakly stays while something else holds it: a pointer to
// it, or into it, that is used later. A local variable counts up to its last use,
// not to the end of its scope. After
//
//	c := &Client{conn: conn}
//	online.Add(c)
//	err := c.serve()
//
// c is in the Set as long as serve uses c. A function that waits for something
// else should call [runtime.KeepAlive] afterwards. A copy of what a pointer points
// to holds nothing.
//
// # When entries go
//
// The collector decides when a value is dead; this package removes the entry
// soon after that collection, in one pass over all containers ([PerCycle], the
// default) or by a runtime cleanup for each value ([PerValue]). Where collections
// follow each other closely, not each gets a pass; passes take at most a tenth of
// one processor. Until an entry is removed, Len and Stats count it; no other method
// shows it. A lookup or an iteration that meets a value while the collector marks
// keeps it until the next collection. Reap removes what is dead now, and [Settle]
// waits until all dead entries are gone.
//
// A value is dead once its [weak.Pointer.Value] is nil. If it has a runtime
// finalizer, that is before the finalizer runs; a [Ref] and a [Finalizer] follow
// once the object is gone for good.
//
// # What is not promised
//
// When, or that, an object dies: no collection, no death. Pointer-free objects of
// less than 16 bytes share memory with others and may live on; zero-size and
// global ones never die. Nothing runs at exit except through [RunAtExit]. Callbacks
// run, and iterations yield, in no particular order, and an iteration is not a
// snapshot. A value of a [KeyMap] that reaches its own key keeps both alive. Pointers
// to memory that Go did not allocate, such as C's, or a [reflect.Type] or [runtime.Func]
// that is part of the program, crash it; [Finalize] panics instead.
package weakmap
