//! The settings of the client: its time limits with what each is for, and its pace.
use super::super::model::{Setting, Settings};
use super::super::names::pascal;
use super::super::printer::Page;
use super::text::summary;

/// The part of the client's options that all languages have, and what is limited.
pub fn print(settings: &Settings) -> String {
    let mut page = Page::new(super::INDENT);
    page.gap().line("public sealed partial record SmoothAgentOptions").block("{", "}", |page| {
        for (index, (name, setting)) in settings.flat().into_iter().enumerate() {
            if index > 0 {
                page.gap();
            }
            summary(page, &setting.said(), &name);
            page.line(format!("public TimeSpan {name} {{ get; init; }} = {};", span(setting)));
        }
    });
    page.gap().line("/// <summary>What there was too little time for.</summary>");
    page.line("public enum TimeLimit").block("{", "}", |page| {
        for (index, setting) in settings.timeouts.settings.iter().enumerate() {
            if index > 0 {
                page.gap();
            }
            summary(page, &setting.doc, &setting.name);
            page.line(format!("{},", pascal(&setting.name)));
        }
    });
    page.finish()
}

fn span(setting: &Setting) -> String {
    match setting.default_ms {
        ms if ms % 60_000 == 0 => format!("TimeSpan.FromMinutes({})", ms / 60_000),
        ms if ms % 1000 == 0 => format!("TimeSpan.FromSeconds({})", ms / 1000),
        ms => format!("TimeSpan.FromMilliseconds({ms})"),
    }
}
