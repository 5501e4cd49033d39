// Package stress holds the tests that run every scenario of the stress command briefly, and a
// fuzz target. What the scenarios are, README.md says.
package stress
