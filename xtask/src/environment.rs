//! The environment, read in one place: whether this is CI, where the build goes, what a child inherits.

use std::process::Command;

/// A variable's value, if it is set to something.
#[expect(clippy::disallowed_methods, reason = "automation has no Config: the environment is its input")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether nobody is watching, so that whatever could not run is a failure.
pub fn is_ci() -> bool {
    variable("CI").is_some_and(|value| value == "true" || value == "1")
}

/// Takes away what `cargo run` set for this program and a nested Cargo must not see: build scripts that
/// watch these variables would run again, and everything above them would be built twice.
pub fn forget_own_package(command: &mut Command) {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| is_own_package(name)) {
        command.env_remove(name);
    }
}

fn is_own_package(name: &str) -> bool {
    name == "CARGO_CRATE_NAME"
        || name == "CARGO_PRIMARY_PACKAGE"
        || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_cargo_keeps_its_settings_and_loses_this_package() {
        for own in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_BIN_NAME", "CARGO_CRATE_NAME"] {
            assert!(is_own_package(own), "{own}");
        }
        for setting in ["CARGO_TARGET_DIR", "CARGO_HOME", "CARGO_NET_OFFLINE", "PATH"] {
            assert!(!is_own_package(setting), "{setting}");
        }
    }
}
