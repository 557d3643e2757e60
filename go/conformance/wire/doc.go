// Package wire holds the types by which the conformance harness and a driver speak.
// The schema is conformance/driver/driver.json.
package wire
