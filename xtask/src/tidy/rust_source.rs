//! Rules about source files: sizes, opening comments and lint exceptions. Rust is parsed; of other
//! languages only the lines are counted. Generated files, test data and tests have no size.

use super::{Findings, Project};
use crate::repository::Repository;
use anyhow::Result;
use std::ops::RangeInclusive;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const FILE_LIMIT: usize = 600;
const FILE_AIM: usize = 150;
const FUNCTION_LIMIT: usize = 80;
const PARAMETER_LIMIT: usize = 6;
const COMMENT_LIMIT: usize = 6;
const METHOD_LIMIT: usize = 7;

/// Languages whose files have a size.
const EXTENSIONS: &[&str] = &["rs", "ts", "tsx", "js", "mjs", "go", "cs", "py"];

/// Crates that may excuse nothing from the bans on environment, clock, randomness and spawning.
const PURE: &[&str] =
    &["rust/protocol/src/", "rust/core/src/", "rust/store/src/", "rust/retrieval/src/", "rust/service/src/"];

/// A parsed Rust file, with what the rules ask of it.
pub struct RustFile {
    path: String,
    /// How many `//!` lines it opens with.
    opening: usize,
    functions: Vec<Function>,
    traits: Vec<Trait>,
    attributes: Vec<LintAttribute>,
    /// The lines of `#[cfg(test)]` modules.
    tests: Vec<RangeInclusive<usize>>,
    error: Option<(usize, String)>,
}

struct Function {
    name: String,
    line: usize,
    code_lines: usize,
    parameters: usize,
}

struct Trait {
    name: String,
    line: usize,
    methods: usize,
}

struct LintAttribute {
    line: usize,
    level: Level,
    lints: String,
}

#[derive(PartialEq)]
enum Level {
    Allow,
    Expect,
}

/// Parses every hand-written Rust file.
pub fn load(repository: &Repository) -> Result<Vec<RustFile>> {
    let mut files = Vec::new();
    for path in repository.files.iter().filter(|path| path.ends_with(".rs") && is_hand_written(path)) {
        if let Some(text) = repository.text(path)? {
            files.push(parse(path, &text));
        }
    }
    Ok(files)
}

fn parse(path: &str, text: &str) -> RustFile {
    let opening = text.lines().take_while(|line| line.starts_with("//!")).count();
    let mut file = RustFile {
        path: path.to_owned(),
        opening,
        functions: Vec::new(),
        traits: Vec::new(),
        attributes: Vec::new(),
        tests: Vec::new(),
        error: None,
    };
    match syn::parse_file(text) {
        Ok(syntax) => Reader { lines: text.lines().collect(), file: &mut file }.visit_file(&syntax),
        Err(error) => file.error = Some((error.span().start().line, error.to_string())),
    }
    file
}

/// Collects what the rules ask of one file.
struct Reader<'a> {
    lines: Vec<&'a str>,
    file: &'a mut RustFile,
}

impl Reader<'_> {
    fn function(&mut self, signature: &syn::Signature, body: Option<&syn::Block>) {
        let code_lines = body.map_or(0, |body| {
            let lines = &self.lines[body.span().start().line - 1..body.span().end().line];
            lines
                .iter()
                .map(|line| line.trim_start())
                .filter(|line| !line.is_empty() && !line.starts_with("//"))
                .count()
        });
        self.file.functions.push(Function {
            name: signature.ident.to_string(),
            line: signature.span().start().line,
            code_lines,
            parameters: signature.inputs.len(),
        });
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() && item.attrs.iter().any(is_test_only) {
            self.file.tests.push(item.span().start().line..=item.span().end().line);
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, Some(&item.block));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, Some(&item.block));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let methods = item.items.iter().filter(|item| matches!(item, syn::TraitItem::Fn(_))).count();
        let line = item.ident.span().start().line;
        self.file.traits.push(Trait { name: item.ident.to_string(), line, methods });
        visit::visit_item_trait(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.function(&item.sig, item.default.as_ref());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let tokens = match &attribute.meta {
            syn::Meta::List(list) => list.tokens.to_string(),
            _ => String::new(),
        };
        let is = |name: &str| {
            let conditional =
                attribute.path().is_ident("cfg_attr") && words(&tokens).any(|word| word == name);
            conditional || attribute.path().is_ident(name)
        };
        let level = match (is("allow"), is("expect")) {
            (true, _) => Level::Allow,
            (_, true) => Level::Expect,
            _ => return,
        };
        self.file.attributes.push(LintAttribute {
            line: attribute.span().start().line,
            level,
            lints: tokens,
        });
    }
}

/// `#[cfg(test)]`, or a condition that needs it.
fn is_test_only(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let condition = list.tokens.to_string();
    attribute.path().is_ident("cfg")
        && words(&condition).any(|word| word == "test")
        && !words(&condition).any(|word| word == "not" || word == "any")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn is_hand_written(path: &str) -> bool {
    let made = |part: &str| matches!(part.to_lowercase().as_str(), "generated" | "_generated" | "testdata");
    // A folder that the generator names after its package, which no `generated` tells.
    let wire = path.starts_with("python/conformance/wire/");
    !wire && !path.split('/').any(made) && !path.ends_with("_gen.go") && !path.ends_with(".g.cs")
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/').any(|part| matches!(part, "tests" | "test" | "Tests") || part.ends_with(".Tests"))
        || matches!(name, "tests.rs" | "conftest.py")
        || name.starts_with("test_")
        || name.ends_with("_test.go")
        || name.contains(".test.")
}

impl RustFile {
    fn is_in_tests(&self, line: usize) -> bool {
        is_test(&self.path) || self.tests.iter().any(|lines| lines.contains(&line))
    }
}

pub fn module_comment(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in &project.rust {
        match (file.opening, &file.error) {
            (_, Some((line, error))) => {
                found.add(&file.path, *line, format!("cannot be parsed: {error}"));
            }
            (0, None) => {
                found.add(&file.path, 1, "open with one to six `//!` lines that say what lives here");
            }
            (n, None) if n > COMMENT_LIMIT => {
                let advice = format!(
                    "opens with {n} `//!` lines, the limit is {COMMENT_LIMIT}: say less, or move it to docs/"
                );
                found.add(&file.path, 1, advice);
            }
            _ => {}
        }
    }
    Ok(())
}

pub fn file_size(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for (path, size) in sizes(project)? {
        if size > FILE_LIMIT {
            let advice = format!(
                "{size} lines without tests, the limit is {FILE_LIMIT}: move out what has a name of its own"
            );
            found.add(&path, FILE_LIMIT, advice);
        }
    }
    Ok(())
}

/// The lines of each hand-written source file, without its tests.
fn sizes(project: &Project) -> Result<Vec<(String, usize)>> {
    let mut sizes = Vec::new();
    for path in project.repository.files.iter().filter(|path| is_hand_written(path) && !is_test(path)) {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        if let (true, Some(text)) = (EXTENSIONS.contains(&extension), project.repository.text(path)?) {
            let parsed = project.rust.iter().find(|file| file.path == *path);
            let tests = parsed.map_or(0, |file| file.tests.iter().map(|lines| lines.clone().count()).sum());
            sizes.push((path.clone(), text.lines().count().saturating_sub(tests)));
        }
    }
    Ok(sizes)
}

/// One clause on the files above the aim, for the closing line.
pub fn aim_summary(project: &Project) -> String {
    let mut over = sizes(project).unwrap_or_default();
    over.retain(|(_, size)| *size > FILE_AIM);
    let longest = over.iter().max_by_key(|(_, size)| *size);
    let longest =
        longest.map_or_else(String::new, |(path, size)| format!(", the longest {path} with {size}"));
    format!("{} files above the aim of {FILE_AIM} lines{longest}", over.len())
}

pub fn function_size(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for_each_function(project, |file, function| {
        if function.code_lines >= FUNCTION_LIMIT {
            let (name, lines) = (&function.name, function.code_lines);
            let advice = format!(
                "`{name}` has {lines} lines of code, the limit is {}: split it by what it decides",
                FUNCTION_LIMIT - 1
            );
            found.add(&file.path, function.line, advice);
        }
    });
    Ok(())
}

pub fn parameters(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for_each_function(project, |file, function| {
        if function.parameters > PARAMETER_LIMIT {
            let (name, count) = (&function.name, function.parameters);
            let advice = format!(
                "`{name}` takes {count} parameters, the limit is {PARAMETER_LIMIT}: give those that belong together a type"
            );
            found.add(&file.path, function.line, advice);
        }
    });
    Ok(())
}

fn for_each_function(project: &Project, mut look: impl FnMut(&RustFile, &Function)) {
    for file in &project.rust {
        for function in file.functions.iter().filter(|function| !file.is_in_tests(function.line)) {
            look(file, function);
        }
    }
}

pub fn trait_size(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in &project.rust {
        for item in
            file.traits.iter().filter(|item| item.methods > METHOD_LIMIT && !file.is_in_tests(item.line))
        {
            let (name, methods) = (&item.name, item.methods);
            let advice = format!("`{name}` has {methods} methods, the limit is {METHOD_LIMIT}: make it two");
            found.add(&file.path, item.line, advice);
        }
    }
    Ok(())
}

pub fn allow(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in &project.rust {
        for attribute in file.attributes.iter().filter(|attribute| attribute.level == Level::Allow) {
            let advice =
                format!("write #[expect({}, reason = \"…\")], or mend what the lint says", attribute.lints);
            found.add(&file.path, attribute.line, advice);
        }
    }
    Ok(())
}

pub fn purity(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in project.rust.iter().filter(|file| PURE.iter().any(|start| file.path.starts_with(start))) {
        for attribute in file.attributes.iter().filter(|attribute| !file.is_in_tests(attribute.line)) {
            if words(&attribute.lints).any(|word| word == "disallowed_methods") {
                let advice = "this crate gets environment, clock, randomness and tasks from outside: take them as a trait";
                found.add(&file.path, attribute.line, advice);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{findings, finds, passes};

    fn function(lines: usize) -> String {
        format!("//! A.\nfn long() {{\n{}}}\n", "    call();\n".repeat(lines))
    }

    #[test]
    fn a_function_has_fewer_than_eighty_lines_of_code() {
        passes("function-size", &[("a.rs", &function(77))]);
        finds("function-size", &[("a.rs", &function(78))], "a.rs:2", "`long` has 80 lines");
        let commented = function(77).replace("fn long() {\n", "fn long() {\n    // Why.\n\n");
        passes("function-size", &[("a.rs", &commented)]);
        passes("function-size", &[("tests/a.rs", &function(200))]);
    }

    #[test]
    fn methods_have_a_size_too() {
        let method = function(90).replace("fn long", "impl X { fn long").replace("}\n", "}}\n");
        finds("function-size", &[("a.rs", &method)], "a.rs:2", "`long`");
    }

    #[test]
    fn a_function_takes_six_parameters() {
        passes("parameters", &[("a.rs", "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {}\n")]);
        let seven = "trait T {\n  fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8);\n}\n";
        finds("parameters", &[("a.rs", seven)], "a.rs:2", "`f` takes 7");
    }

    #[test]
    fn a_trait_has_seven_methods() {
        let of = |methods: usize| {
            let methods: String = (0..methods).map(|n| format!("    fn m{n}(&self);\n")).collect();
            format!("//! A.\n\ntrait Wide {{\n    type T;\n{methods}}}\n")
        };
        passes("trait-size", &[("a.rs", &of(7)), ("tests/a.rs", &of(9))]);
        finds("trait-size", &[("a.rs", &of(8))], "a.rs:3", "`Wide` has 8 methods");
    }

    #[test]
    fn tests_do_not_count_towards_the_size_of_a_file() {
        let code = "fn f() {}\n".repeat(600);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn t() {}\n".repeat(300));
        passes("file-size", &[("a.rs", &format!("{code}{tests}"))]);
        let other = tests.replace("cfg(test)", "cfg(not(test))");
        finds("file-size", &[("a.rs", &format!("{code}{other}"))], "a.rs:600", "903 lines");
        passes("file-size", &[("tests/a.rs", &"fn f() {}\n".repeat(900))]);
    }

    #[test]
    fn other_languages_have_file_sizes_and_generated_code_has_none() {
        let long = "x\n".repeat(601);
        finds("file-size", &[("go/client.go", &long)], "go/client.go:600", "601 lines");
        passes(
            "file-size",
            &[("go/client_test.go", &long), ("python/src/_generated/a.py", &long), ("a.md", &long)],
        );
        passes("file-size", &[("python/conformance/wire/types.py", &long)]);
        passes("file-size", &[("rust/protocol/src/generated/a.rs", &"fn f() {}\n".repeat(900))]);
    }

    #[test]
    fn a_file_opens_with_one_to_six_lines() {
        passes("module-comment", &[("a.rs", "//! What lives here.\n\nfn f() {}\n")]);
        finds("module-comment", &[("a.rs", "fn f() {}\n")], "a.rs:1", "open with one to six");
        finds("module-comment", &[("a.rs", &"//! More.\n".repeat(7))], "a.rs:1", "7 `//!` lines");
        finds("module-comment", &[("a.rs", "//! A.\nfn f( {\n")], "a.rs:2", "cannot be parsed");
        passes("module-comment", &[("src/generated/a.rs", "fn f() {}\n")]);
    }

    #[test]
    fn allow_is_found_in_every_form() {
        for form in ["#[allow(dead_code)]", "#![allow(dead_code)]", "#[cfg_attr(unix, allow(dead_code))]"] {
            let text = format!("//! A.\n{form}\nfn f() {{}}\n");
            let text = if form.starts_with("#!") { format!("//! A.\n{form}\n") } else { text };
            finds("allow", &[("a.rs", &text)], "a.rs:2", "#[expect(");
        }
        let nested = "//! A.\nfn f() {\n    #[allow(unused)]\n    let x = 1;\n}\n";
        finds("allow", &[("a.rs", nested)], "a.rs:3", "#[expect(unused");
        passes(
            "allow",
            &[("a.rs", "//! A.\n#[expect(dead_code, reason = \"allow\")]\nfn f() {} // #[allow(x)]\n")],
        );
    }

    #[test]
    fn the_inner_crates_excuse_nothing() {
        let excused = "//! A.\n#[expect(clippy::disallowed_methods, reason = \"why\")]\nfn f() {}\n";
        finds("purity", &[("rust/core/src/a.rs", excused)], "rust/core/src/a.rs:2", "as a trait");
        let in_test = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", excused.replace("//! A.\n", ""));
        passes("purity", &[("rust/host/src/a.rs", excused), ("rust/core/src/a.rs", &in_test)]);
        assert_eq!(findings("purity", &[("rust/core/src/a.rs", "//! A.\nfn f() {}\n")]).len(), 0);
    }
}
