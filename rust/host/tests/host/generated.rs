//! The documents made from the types are the ones in the repository. `UPDATE_GOLDEN=1` rewrites them.

use smooai_smooth_operator_host::config::{markdown, schema_json};
use std::path::Path;

#[track_caller]
fn check(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    #[expect(clippy::disallowed_methods, reason = "the one variable that rewrites expectations")]
    let rewrite = std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1");
    if rewrite {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is behind the types; run: UPDATE_GOLDEN=1 cargo test -p smooai-smooth-operator-host"
    );
}

#[test]
fn the_configuration_page_is_fresh() {
    check("docs/configuration.md", &markdown());
}

#[test]
fn the_schema_of_the_settings_file_is_fresh() {
    check("operator.schema.json", &schema_json());
}

#[test]
fn every_setting_is_described() {
    let page = markdown();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let meaning = line.trim_end_matches('|').rsplit(" | ").next().unwrap_or_default();
        assert!(meaning.trim().len() > 3, "{line}");
    }
    assert!(!page.contains("| any |"), "{page}");
}
