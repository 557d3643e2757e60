//! The settings of the client: its time limits, its pace, and what holds when nothing is set.
use std::time::Duration;

use super::super::model::{Setting, Settings};
use super::super::names::{Case, join, words};
use super::super::printer::{NOTICE, Page};
use super::text::{self, Doc, docstring, text};

/// The whole module.
pub(super) fn print(settings: &Settings) -> String {
    let mut page = Page::new("    ");
    page.line(format!("# {NOTICE}")).gap().line("from __future__ import annotations").gap();
    page.line("from collections.abc import Mapping").line("from dataclasses import dataclass");
    page.line("from typing import Final, Literal, TypeAlias").gap();
    let mut offers: Vec<String> =
        settings.pacing.settings.iter().map(|setting| constant(&setting.name)).collect();
    offers.extend(["DEFAULT_TIMEOUTS", "Limit", "Timeouts"].map(str::to_owned));
    offers.sort_unstable();
    let offers = offers.into_iter().map(|name| text(text::string(&name))).collect();
    text::put(&mut page, &Doc::broken("__all__ = [", offers, "]"));
    let limits = &settings.timeouts.settings;
    page.gap().gap().line("@dataclass(frozen=True, slots=True, kw_only=True)").line("class Timeouts:");
    page.indented(|page| {
        let rest =
            "In seconds, `math.inf` for no limit. What is left out is the client's, or else the default.";
        docstring(page, &[format!("{} {rest}", settings.timeouts.doc)], false);
        page.gap();
        for limit in limits {
            page.line(format!("{}: float | None = None", snake(&limit.name)));
            describe(page, limit);
        }
    });
    let words = limits.iter().map(|limit| text(text::string(&snake(&limit.name)))).collect();
    page.gap().gap();
    text::put(&mut page, &text::bracket("Limit: TypeAlias = Literal[", words, "]"));
    docstring(&mut page, &["What a time limit is for: a field of `Timeouts`.".to_owned()], false);
    let values =
        limits.iter().map(|limit| text(format!("{}: {}", text::string(&snake(&limit.name)), seconds(limit))));
    page.gap();
    text::put(
        &mut page,
        &Doc::broken("DEFAULT_TIMEOUTS: Final[Mapping[Limit, float]] = {", values.collect(), "}"),
    );
    docstring(&mut page, &["The time limits of a client that sets none, in seconds.".to_owned()], false);
    for setting in &settings.pacing.settings {
        page.gap().line(format!("{}: Final = {}", constant(&setting.name), seconds(setting)));
        describe(&mut page, setting);
    }
    page.finish()
}

fn describe(page: &mut Page, setting: &Setting) {
    docstring(page, &[setting.said()], false);
}

fn snake(name: &str) -> String {
    join(&words(name), Case::Snake, &[])
}

fn constant(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

fn seconds(setting: &Setting) -> String {
    format!("{:?}", Duration::from_millis(setting.default_ms).as_secs_f64())
}
