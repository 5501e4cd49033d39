// Package suite holds the black-box tests of package weakmap: what is promised,
// tested without a look at how it is kept. A file stands for a promise.
package suite
