//! The wire: generated actions, events and error codes, and their decoding.
