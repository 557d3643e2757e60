//! Enums, newtypes, and the facts about error codes.
use super::super::model::{Enum, ErrorCode, Kind, Ty, TypeDef, TypeId};
use super::super::printer::Page;
use super::text::{array, doc, quote};
use super::{Ctx, text};

impl Ctx<'_> {
    /// A string out of a list. An open one keeps what it does not know.
    pub(super) fn enumeration(&self, page: &mut Page, id: TypeId, def: &TypeDef, shape: &Enum, open: bool) {
        let name = self.name(id);
        self.needs(&["decode", "Deserialize", "Serialize"]);
        self.type_doc(page, def);
        let copy = if open { "" } else { "Copy, " };
        page.line(format!("#[derive(Debug, Clone, {copy}PartialEq, Eq, Hash, PartialOrd, Ord)]"));
        if open {
            page.line("#[non_exhaustive]");
        }
        page.block(format!("pub enum {name} {{"), "}", |page| {
            for (index, value) in shape.values.iter().enumerate() {
                doc(page, &value.doc, || format!("`{}`", value.wire));
                page.line(format!("{},", self.names.names.variant(id, index)));
            }
            if open {
                page.line("/// A value that this version does not know, as it came.");
                page.line("Unknown(String),");
            }
        });
        page.gap();
        page.block(format!("impl {name} {{"), "}", |page| self.enum_methods(page, id, shape, open));
        if open {
            self.open_conversions(page, id, shape);
        }
        page.gap();
        page.block(format!("impl std::fmt::Display for {name} {{"), "}", |page| {
            page.block("fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {", "}", |page| {
                page.line("f.write_str(self.as_str())");
            });
        });
        self.enum_codec(page, name, open);
    }

    fn enum_methods(&self, page: &mut Page, id: TypeId, shape: &Enum, open: bool) {
        page.line("/// Every known value as it is on the wire, in declared order.");
        let names: Vec<String> = shape.values.iter().map(|value| quote(&value.wire)).collect();
        array(page, "pub const NAMES: &'static [&'static str] = &", &names, ";");
        page.gap();
        page.line("/// The value on the wire.");
        let (receiver, result) = if open { ("&self", "&str") } else { ("self", "&'static str") };
        page.block(format!("pub fn as_str({receiver}) -> {result} {{"), "}", |page| {
            page.block("match self {", "}", |page| {
                for (index, value) in shape.values.iter().enumerate() {
                    let variant = self.names.names.variant(id, index);
                    page.line(format!("Self::{variant} => {},", quote(&value.wire)));
                }
                if open {
                    page.line("Self::Unknown(text) => text,");
                }
            });
        });
        if !open {
            page.gap();
            page.line("/// The variant of a value on the wire.");
            page.block("pub fn from_wire(text: &str) -> Option<Self> {", "}", |page| {
                page.block("match text {", "}", |page| {
                    for (index, value) in shape.values.iter().enumerate() {
                        let variant = self.names.names.variant(id, index);
                        page.line(format!("{} => Some(Self::{variant}),", quote(&value.wire)));
                    }
                    page.line("_ => None,");
                });
            });
        }
    }

    fn open_conversions(&self, page: &mut Page, id: TypeId, shape: &Enum) {
        let name = self.name(id);
        page.gap();
        page.block(format!("impl From<&str> for {name} {{"), "}", |page| {
            page.block("fn from(text: &str) -> Self {", "}", |page| {
                page.block("match text {", "}", |page| {
                    for (index, value) in shape.values.iter().enumerate() {
                        let variant = self.names.names.variant(id, index);
                        page.line(format!("{} => Self::{variant},", quote(&value.wire)));
                    }
                    page.line("other => Self::Unknown(other.to_owned()),");
                });
            });
        });
        page.gap();
        page.block(format!("impl From<String> for {name} {{"), "}", |page| {
            page.block("fn from(text: String) -> Self {", "}", |page| {
                page.line("Self::from(text.as_str())");
            });
        });
    }

    fn enum_codec(&self, page: &mut Page, name: &str, open: bool) {
        page.gap();
        page.block(format!("impl Serialize for {name} {{"), "}", |page| {
            page.block(
                "fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {",
                "}",
                |page| {
                    page.line("serializer.serialize_str(self.as_str())");
                },
            );
        });
        page.gap();
        page.block(format!("impl<'de> Deserialize<'de> for {name} {{"), "}", |page| {
            page.block(
                "fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {",
                "}",
                |page| {
                    page.line(if open {
                        "decode::open(deserializer)"
                    } else {
                        "decode::closed(deserializer, Self::NAMES, Self::from_wire)"
                    });
                },
            );
        });
    }

    /// A type of its own around another.
    pub(super) fn newtype(&self, page: &mut Page, id: TypeId, def: &TypeDef, inner: &Ty) {
        let name = self.name(id);
        let ty = self.ty(inner, Some(id));
        self.needs(&["Deserialize", "Serialize"]);
        self.type_doc(page, def);
        page.line("#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]");
        page.line("#[serde(transparent)]");
        if self.is_free(inner) {
            self.needs(&["decode"]);
            let attribute = "#[serde(deserialize_with = \"decode::free\")]";
            page.line(format!("pub struct {name}({attribute} pub {ty});"));
        } else {
            page.line(format!("pub struct {name}(pub {ty});"));
        }
        page.gap();
        page.block(format!("impl {name} {{"), "}", |page| {
            page.line("/// Checks what the schema asks of the value beyond its type.");
            let mut body = Page::new("    ");
            self.print_statics(&mut body, inner, &[]);
            self.checks(&mut body, inner, &text::Value::own("self.0"), &[], &[]);
            self.validate_fn(page, &body.finish());
        });
        let source = if matches!(inner.kind, Kind::String) && !inner.nullable { "&str" } else { "" };
        if !source.is_empty() {
            page.gap();
            page.block(format!("impl From<&str> for {name} {{"), "}", |page| {
                page.block("fn from(value: &str) -> Self {", "}", |page| {
                    page.line("Self(value.to_owned())");
                });
            });
        }
        page.gap();
        page.block(format!("impl From<{ty}> for {name} {{"), "}", |page| {
            page.block(format!("fn from(value: {ty}) -> Self {{"), "}", |page| {
                page.line("Self(value)");
            });
        });
    }

    /// What is known about each error code.
    pub(super) fn error_facts(&self, page: &mut Page, id: TypeId) {
        let Some(errors) = &self.model.errors else { return };
        let name = self.name(id);
        page.gap();
        page.block(format!("impl {name} {{"), "}", |page| {
            let codes = &errors.codes;
            let all = |value: &dyn Fn(&ErrorCode) -> String| codes.iter().map(value).collect::<Vec<String>>();
            page.line(
                "/// The HTTP status that says the same; 500 for a code that this version does not know.",
            );
            self.fact(page, id, ["status", "u16", "500"], &all(&|code| code.status.to_string()));
            page.gap();
            page.line(
                "/// Whether the same request may succeed when it is sent again; false for an unknown code.",
            );
            self.fact(page, id, ["retryable", "bool", "false"], &all(&|code| code.retryable.to_string()));
            page.gap();
            page.line("/// Whether a turn ends by it; others answer an action. False for an unknown code.");
            self.fact(page, id, ["ends_turn", "bool", "false"], &all(&|code| code.ends_turn.to_string()));
            page.gap();
            page.line("/// What went wrong; empty for an unknown code.");
            self.fact(
                page,
                id,
                ["description", "&'static str", "\"\""],
                &all(&|code| quote(&code.description)),
            );
            page.gap();
            page.line("/// What the caller should do; empty for an unknown code.");
            self.fact(page, id, ["hint", "&'static str", "\"\""], &all(&|code| quote(&code.hint)));
        });
    }

    /// One method with one value per code.
    fn fact(&self, page: &mut Page, id: TypeId, [method, ty, unknown]: [&str; 3], values: &[String]) {
        page.block(format!("pub fn {method}(&self) -> {ty} {{"), "}", |page| {
            page.block("match self {", "}", |page| {
                for (index, value) in values.iter().enumerate() {
                    let variant = self.names.names.variant(id, index);
                    text::arm(page, &format!("Self::{variant}"), value);
                }
                page.line(format!("Self::Unknown(_) => {unknown},"));
            });
        });
    }
}
