//! The conformance harness: a scripted model gateway and the scenarios that drive the real server.
