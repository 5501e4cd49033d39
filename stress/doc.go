// Package stress holds the tests that run every scenario of the stress command briefly.
// README.md says what the scenarios are.
package stress
