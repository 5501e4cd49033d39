// Package small has programs of about thirty lines, each on one type or package.
package small
