// Package suite holds the black-box tests of package weakmap: they test what is
// promised, and do not look at how. Files are named for a container, or for a promise of all.
package suite
