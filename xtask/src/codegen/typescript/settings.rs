//! The settings of the client: its time limits, its pace, and what holds when nothing is set.
use super::quoting::{self, comment};
use crate::codegen::model::{Setting, Settings};
use crate::codegen::printer::{NOTICE, Page};

/// The whole file.
pub(super) fn print(settings: &Settings) -> String {
    let mut page = Page::new("  ");
    page.line(format!("// {NOTICE}")).gap();
    let about = format!("{} In milliseconds; `Infinity` is no limit.", settings.timeouts.doc);
    comment(&mut page, &[about], false);
    page.block("export interface Timeouts {", "}", |page| {
        for setting in &settings.timeouts.settings {
            describe(page, setting);
            page.line(format!("{}: number;", quoting::key(&setting.name)));
        }
    });
    page.gap();
    comment(&mut page, &["The time limits of a client that sets none.".to_owned()], false);
    page.block("export const defaultTimeouts: Timeouts = {", "};", |page| {
        settings.timeouts.settings.iter().for_each(|setting| value(page, setting));
    });
    page.gap();
    comment(&mut page, &[format!("{} In milliseconds.", settings.pacing.doc)], false);
    page.block("export const pacing = {", "};", |page| {
        for setting in &settings.pacing.settings {
            describe(page, setting);
            value(page, setting);
        }
    });
    page.finish()
}

fn describe(page: &mut Page, setting: &Setting) {
    comment(page, &[setting.said()], false);
}

fn value(page: &mut Page, setting: &Setting) {
    let (thousands, rest) = (setting.default_ms / 1000, setting.default_ms % 1000);
    let number =
        if thousands < 10 { setting.default_ms.to_string() } else { format!("{thousands}_{rest:03}") };
    page.line(format!("{}: {number},", quoting::literal_key(&setting.name)));
}
