// Package small has programs of about thirty lines, each on one container.
package small
