//! The rule about dependencies of others: each comes from crates.io, and its licence is one that `deny.toml` allows.

use super::{Findings, Project};
use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use serde::Deserialize;

/// The part of `deny.toml` that is checked here. `cargo deny check` reads the whole.
#[derive(Deserialize)]
struct Policy {
    licenses: Licences,
    #[serde(default)]
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Bans {
    #[serde(default)]
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    reason: String,
}

pub fn check(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    let Some(policy) =
        project.repository.files.get("deny.toml").map(|_| project.repository.text("deny.toml"))
    else {
        return Ok(());
    };
    let policy: Policy = toml::from_str(&policy?.unwrap_or_default()).context("deny.toml")?;
    let metadata = MetadataCommand::new()
        .current_dir(&project.repository.root)
        .other_options(["--locked".to_owned()])
        .exec()
        .context("cargo metadata failed: is Cargo.lock up to date?")?;
    for package in metadata.packages.iter().filter(|package| package.source.is_some()) {
        let license = package.license.as_deref().unwrap_or("");
        if let Some(advice) = policy.objection(&package.name, license) {
            found.add("Cargo.lock", 1, format!("{} {} {advice}", package.name, package.version));
        }
    }
    Ok(())
}

impl Policy {
    /// What is wrong with a package, and what to do.
    fn objection(&self, name: &str, expression: &str) -> Option<String> {
        if let Some(ban) = self.bans.deny.iter().find(|ban| ban.name == name) {
            return Some(format!("is banned by deny.toml: {}", ban.reason));
        }
        let advice = "drop it, or allow it in deny.toml with a reason";
        (!self.allows(name, expression)).then(|| format!("has the licence `{expression}`: {advice}"))
    }

    fn allows(&self, name: &str, expression: &str) -> bool {
        let exceptions = self.licenses.exceptions.iter().filter(|exception| exception.name == name);
        let special = exceptions.flat_map(|exception| &exception.allow);
        let allowed: Vec<&str> = self.licenses.allow.iter().chain(special).map(String::as_str).collect();
        let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut words = expression.split_whitespace().peekable();
        either(&mut words, &allowed) && words.next().is_none()
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// `both (OR both)*` of an SPDX expression. Every part is read, whatever the first one says.
fn either(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut holds = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        holds |= both(words, allowed);
    }
    holds
}

fn both(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut holds = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        holds &= one(words, allowed);
    }
    holds
}

fn one(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let holds = either(words, allowed);
        return words.next_if_eq(&")").is_some() && holds;
    }
    let Some(licence) = words.next() else { return false };
    match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
        Some(exception) => allowed.contains(&format!("{licence} WITH {exception}").as_str()),
        None => allowed.contains(&licence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        toml::from_str(
            "[licenses]\nallow = [\"MIT\", \"Apache-2.0\", \"Apache-2.0 WITH LLVM-exception\"]\n\
             exceptions = [{ crate = \"ring\", allow = [\"ISC\"] }]\n\
             [bans]\ndeny = [{ crate = \"native-tls\", reason = \"TLS is rustls\" }]\n",
        )
        .unwrap()
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let allows = |expression| policy().allows("any", expression);
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "MIT AND Apache-2.0",
            "(MIT OR GPL-3.0) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(allows(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR ISC) AND GPL-3.0",
            "Apache-2.0 WITH other",
            "MIT MIT",
            "(MIT",
        ] {
            assert!(!allows(bad), "{bad}");
        }
    }

    #[test]
    fn an_exception_is_for_one_crate() {
        assert!(policy().allows("ring", "Apache-2.0 AND ISC"));
        assert!(!policy().allows("other", "Apache-2.0 AND ISC"));
    }

    #[test]
    fn an_objection_says_what_to_do() {
        let objection = policy().objection("gnu", "GPL-3.0").unwrap();
        assert_eq!(objection, "has the licence `GPL-3.0`: drop it, or allow it in deny.toml with a reason");
        let banned = policy().objection("native-tls", "MIT").unwrap();
        assert_eq!(banned, "is banned by deny.toml: TLS is rustls");
        assert_eq!(policy().objection("serde", "MIT OR Apache-2.0"), None);
    }
}
