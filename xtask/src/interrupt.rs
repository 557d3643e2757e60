//! Ctrl-C, SIGTERM and SIGHUP: the first asks for an orderly end, the second ends at once.

use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shell reports for a program that an interrupt ended.
pub const EXIT_CODE: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Starts to listen. From here on every wait must look at [`requested`].
pub fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(EXIT_CODE));
        }
    })
    .context("cannot listen for Ctrl-C")
}

/// Whether the person has asked for the end.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
