"""The driver of the conformance harness."""
