// Package xxhref compares internal/xxh with a published implementation.
package xxhref
