//! The rule about links: a relative link in Markdown leads to a file of the repository, and its anchor to a heading.

use super::{Findings, Project};
use crate::repository::Repository;
use anyhow::Result;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::{BTreeMap, BTreeSet};

/// What the rule needs to know of a page.
#[derive(Default)]
struct Page {
    anchors: BTreeSet<String>,
    links: Vec<(usize, String)>,
}

pub fn check(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    let mut pages = BTreeMap::new();
    for file in project.repository.files.iter().filter(|file| file.ends_with(".md")) {
        if let Some(text) = project.repository.text(file)? {
            pages.insert(file.as_str(), read(&text));
        }
    }
    for (file, page) in &pages {
        for (line, link) in &page.links {
            if let Err(advice) = follow(&project.repository, &pages, file, link) {
                found.add(file, *line, advice);
            }
        }
    }
    Ok(())
}

fn read(text: &str) -> Page {
    let mut page = Page::default();
    let mut heading: Option<String> = None;
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    for (event, span) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let slug = heading.take().map(|title| slug(&title)).unwrap_or_default();
                let mut anchor = slug.clone();
                for copy in 1.. {
                    if page.anchors.insert(anchor) {
                        break;
                    }
                    anchor = format!("{slug}-{copy}");
                }
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(title) = &mut heading {
                    title.push_str(&part);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => page.anchors.extend(named_places(&html)),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let line = text[..span.start].matches('\n').count() + 1;
                page.links.push((line, dest_url.into_string()));
            }
            _ => {}
        }
    }
    page
}

/// The anchor that GitHub gives a heading.
fn slug(title: &str) -> String {
    let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The values of `id` and `name` attributes.
fn named_places(html: &str) -> impl Iterator<Item = String> {
    let after = [" id=\"", " name=\""].into_iter().flat_map(|mark| html.split(mark).skip(1));
    after.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned())
}

fn follow(
    repository: &Repository,
    pages: &BTreeMap<&str, Page>,
    from: &str,
    link: &str,
) -> Result<(), String> {
    let scheme = link.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(char::is_alphanumeric));
    if scheme || link.starts_with("//") {
        return Ok(());
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { Some(from.to_owned()) } else { resolve(from, path) };
    let Some(target) = target else {
        return Err(format!("`{link}` leads out of the repository: link to something that a clone holds"));
    };
    if !repository.holds(&target) {
        return Err(format!("`{link}` leads to {target}, which is not there: mend or remove the link"));
    }
    match (anchor, pages.get(target.as_str())) {
        (Some(anchor), Some(page)) if !page.anchors.contains(&anchor.to_lowercase()) => {
            Err(format!("{target} has no heading `#{anchor}`: mend the link's anchor"))
        }
        _ => Ok(()),
    }
}

/// The path from the root that `path` means in the file `from`, unless it leaves the root.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect(),
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{findings, finds, passes};

    #[test]
    fn links_lead_to_files_and_folders() {
        let page = "[a](docs/a.md) [folder](docs) [web](https://example.com/none) ![p](docs/p.svg)\n";
        passes(
            "link",
            &[
                ("README.md", page),
                ("docs/a.md", "[up](../README.md) [root](/README.md)\n"),
                ("docs/p.svg", ""),
            ],
        );
        finds(
            "link",
            &[("README.md", "one\n\n[a](docs/none.md)\n")],
            "README.md:3",
            "docs/none.md, which is not there",
        );
        finds("link", &[("docs/a.md", "![p](p.svg)\n")], "docs/a.md:1", "docs/p.svg");
    }

    #[test]
    fn links_stay_inside_the_repository() {
        finds("link", &[("docs/a.md", "[x](../../y.md)\n")], "docs/a.md:1", "leads out of the repository");
    }

    #[test]
    fn anchors_are_headings_as_github_names_them() {
        let page = "# A `cargo xtask` verb, *and* more\n\n## Twice\n\n## Twice\n\n<a id=\"here\"></a>\n";
        let good = "[1](p.md#a-cargo-xtask-verb-and-more) [2](p.md#twice) [3](p.md#twice-1) [4](p.md#here)\n";
        passes("link", &[("p.md", page), ("README.md", good)]);
        finds(
            "link",
            &[("p.md", page), ("README.md", "[5](p.md#twice-2)\n")],
            "README.md:1",
            "no heading `#twice-2`",
        );
        finds("link", &[("p.md", "# One\n[x](#two)\n")], "p.md:2", "p.md has no heading `#two`");
    }

    #[test]
    fn code_is_not_a_link() {
        assert!(findings("link", &[("a.md", "`[x](none.md)`\n\n```\n[x](none.md)\n```\n")]).is_empty());
    }

    #[test]
    fn reference_links_are_followed() {
        finds("link", &[("a.md", "See [x][1].\n\n[1]: none.md\n")], "a.md:1", "none.md");
    }
}
