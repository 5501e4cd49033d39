// Package places shows nine places where programs hold weak references by hand, each before
// and after: first with weak.Pointer, AddCleanup, sync.Map and mutexes, in the shape that such
// code has in large programs, and then with the types of package weakmap. One test runs both
// against the same assertions.
package places
