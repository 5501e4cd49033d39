// Package suite holds the black-box tests of package weakmap: they test what is
// promised, and do not look at how. There is a file for each promise.
package suite
