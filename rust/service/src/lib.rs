//! The protocol handler: one file per action, the turn, the tools.
