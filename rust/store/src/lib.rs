//! Records, storage traits, and the test suite that every adapter runs.
