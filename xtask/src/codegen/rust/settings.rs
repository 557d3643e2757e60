//! The settings of the client: its time limits with what each is for, and its pace.
use super::super::model::{Group, Settings};
use super::super::names::{Case, join, pascal, words};
use super::super::printer::Page;
use super::text::{doc, list};

/// A struct for each group of settings, and an enum of what is limited.
pub(super) fn print(page: &mut Page, settings: &Settings) {
    group(page, "Timeouts", &settings.timeouts, " `Duration::MAX` is no limit.");
    page.gap().line("/// What a time limit was for.");
    page.line("#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]").line("#[non_exhaustive]");
    page.block("pub enum Phase {", "}", |page| {
        for limit in &settings.timeouts.settings {
            doc(page, &limit.doc, String::new);
            page.line(format!("{},", pascal(&limit.name)));
        }
    });
    group(page, "Pacing", &settings.pacing, "");
}

fn group(page: &mut Page, name: &str, group: &Group, more: &str) {
    page.gap();
    doc(page, &format!("{}{more}", group.doc), String::new);
    page.line("#[derive(Debug, Clone, Copy, PartialEq, Eq)]");
    let mut defaults = Vec::new();
    page.block(format!("pub struct {name} {{"), "}", |page| {
        for setting in &group.settings {
            let field = join(&words(&setting.name), Case::Snake, &[]);
            doc(page, &setting.said(), String::new);
            page.line(format!("pub {field}: Duration,"));
            let default = match setting.default_ms {
                ms if ms % 1000 == 0 => format!("from_secs({})", ms / 1000),
                ms => format!("from_millis({ms})"),
            };
            defaults.push(format!("{field}: Duration::{default}"));
        }
    });
    page.gap().block(format!("impl Default for {name} {{"), "}", |page| {
        page.block("fn default() -> Self {", "}", |page| list(page, "Self {", &defaults, "}", true));
    });
}
