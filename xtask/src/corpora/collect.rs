//! Many sets of schemas as one: each is read alone, and then all models become one, each type's name with a prefix of
//! its case in front, so that every language's compiler has to start only once.
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::codegen;
use crate::codegen::build::rules::rewritten;
use crate::codegen::finding::{Finding, Place, Severity};
use crate::codegen::json::quote;
use crate::codegen::model::{
    Additional, Kind, Member, Model, Role, Section, Shape, Struct, Tag, TaggedUnion, Ty, TypeDef, TypeId,
};
use crate::codegen::reach;

/// The property that names the case in every message to a codec.
pub const TAG: &str = "case";
/// The property that holds an instance of a case with one root.
pub const VALUE: &str = "value";
/// The union of all cases.
pub const UNION: &str = "Case";
/// The file that ties a case together.
const CASE_FILE: &str = "case.json";

/// A set of schemas with instances.
pub struct Case {
    /// What it is called in tables, unique.
    pub name: String,
    /// What its types' names begin with.
    pub prefix: String,
    /// Its schema files: path and text.
    pub files: Vec<(String, String)>,
    /// The files whose roots have instances, each with the property that holds one.
    pub roots: Vec<Root>,
}

/// A schema file whose root has instances.
pub struct Root {
    pub property: String,
    pub file: String,
}

/// What the generator makes of a case.
pub enum Made {
    /// A model, and what was warned about.
    Model(Box<Model>, Vec<Finding>),
    /// Nothing, for a reason that was given.
    Refused(Vec<Finding>),
    /// Nothing, for a fault of the generator.
    Panicked,
}

impl Made {
    /// Whether a value may be taken for what it is not, because a finding says so.
    pub fn is_diagnosed(&self) -> bool {
        match self {
            Self::Model(_, findings) => findings.iter().any(|finding| finding.severity != Severity::Note),
            Self::Refused(_) => true,
            Self::Panicked => false,
        }
    }
}

impl Case {
    /// Reads the case as `codegen` would, from files below `folder`.
    pub fn read(&self, folder: &Path) -> Result<Made> {
        let place = folder.join(&self.prefix);
        if place.exists() {
            std::fs::remove_dir_all(&place)?;
        }
        for (path, text) in &self.files {
            write(&place.join(path), text)?;
        }
        write(&place.join(CASE_FILE), &self.tie())?;
        Ok(match catch_unwind(|| codegen::read(&place)) {
            Ok((Some(model), findings)) => Made::Model(Box::new(model), findings),
            Ok((None, findings)) => Made::Refused(findings),
            Err(_) => Made::Panicked,
        })
    }

    /// The schema of a message with an instance of the case.
    fn tie(&self) -> String {
        let roots: Vec<String> = self
            .roots
            .iter()
            .map(|root| format!("{}: {{\"$ref\": {}}}", quote(&root.property), quote(&root.file)))
            .collect();
        let required = match self.roots.as_slice() {
            [only] => format!(", {}", quote(&only.property)),
            _ => String::new(),
        };
        format!(
            "{{\"type\": \"object\", \"properties\": {{\"{TAG}\": {{\"const\": {}}}, {}}}, \"required\": [\"{TAG}\"{required}]}}",
            quote(&self.name),
            roots.join(", ")
        )
    }
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// All cases as one model: a union of their messages.
pub fn join(cases: &[(&Case, &Model)]) -> Result<Model> {
    let mut all = Model::default();
    let mut members = Vec::new();
    for (case, model) in cases {
        let (offset, rules) = (all.types.len(), all.rules.len());
        all.rules.extend(model.rules.iter().map(|rule| rewritten(rule, rules, &str::to_owned)));
        for def in &model.types {
            let mut def = def.clone();
            def.name = format!("{}{}", case.prefix, def.name);
            shift(&mut def.shape, offset, rules);
            all.types.push(def);
        }
        let Some(message) = all.types[offset..].iter_mut().find(|def| def.place == Place::root(CASE_FILE))
        else {
            bail!("{} has no message", case.name);
        };
        let Shape::Struct(shape) = &mut message.shape else {
            bail!("the message of {} is no object", case.name)
        };
        shape.fields.retain(|field| field.wire != TAG);
        shape.tag = Some(Tag { property: TAG.to_owned(), value: case.name.clone() });
        let index = all.types[offset..].iter().position(|def| def.place == Place::root(CASE_FILE));
        let index = index.with_context(|| format!("{} has no message", case.name))?;
        members.push(Member { value: case.name.clone(), ty: TypeId(offset + index) });
    }
    let shape = Shape::TaggedUnion(TaggedUnion { tag: TAG.to_owned(), open: false, members });
    all.types.push(TypeDef {
        name: UNION.to_owned(),
        section: Section::Types,
        role: Role::Data,
        place: Place::root("cases"),
        doc: "An instance of one of the cases.".to_owned(),
        deprecated: false,
        examples: Vec::new(),
        shape,
    });
    all.checked = reach::checked(&all);
    Ok(all)
}

/// Moves every reference to a type and to a rule by that many places.
fn shift(shape: &mut Shape, offset: usize, rules: usize) {
    match shape {
        Shape::Struct(Struct { fields, additional, .. }) => {
            fields.iter_mut().for_each(|field| shift_ty(&mut field.ty, offset, rules));
            if let Additional::Kept(ty) = additional {
                shift_ty(ty, offset, rules);
            }
        }
        Shape::TaggedUnion(union) => union.members.iter_mut().for_each(|member| member.ty.0 += offset),
        Shape::Newtype(ty) | Shape::Alias(ty) => shift_ty(ty, offset, rules),
        Shape::ClosedEnum(_) | Shape::OpenEnum(_) => {}
    }
}

fn shift_ty(ty: &mut Ty, offset: usize, rules: usize) {
    if let Some(rule) = &mut ty.constraints.rule {
        *rule += rules;
    }
    match &mut ty.kind {
        Kind::Named(id) => id.0 += offset,
        Kind::List(item) | Kind::Map(item) => shift_ty(item, offset, rules),
        Kind::Tuple(items) => items.iter_mut().for_each(|item| shift_ty(item, offset, rules)),
        _ => {}
    }
}

/// The lines of the findings, each rule once with how often it was found.
pub fn rules(findings: &[Finding]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for finding in findings {
        match counted.iter_mut().find(|(rule, _)| *rule == finding.rule) {
            Some((_, count)) => *count += 1,
            None => counted.push((finding.rule, 1)),
        }
    }
    counted.iter().map(|(rule, count)| format!("{rule} × {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codegen::json::Json;

    fn made(folder: &Path, name: &str, schema: &str) -> (Case, Model) {
        let case = Case {
            name: name.to_owned(),
            prefix: name.to_uppercase(),
            files: vec![("schema.json".to_owned(), schema.to_owned())],
            roots: vec![Root { property: VALUE.to_owned(), file: "schema.json".to_owned() }],
        };
        match case.read(folder).unwrap() {
            Made::Model(model, _) => (case, *model),
            _ => panic!("{name} gives no model"),
        }
    }

    #[test]
    fn cases_become_one_union_and_keep_their_types_and_rules_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (a, first) = made(folder.path(), "a", r#"{"not": {"type": "string"}}"#);
        let (b, second) = made(
            folder.path(),
            "b",
            r##"{"anyOf": [{"$ref": "#/$defs/N"}, {"type": "array"}], "$defs": {"N": {"type": "null"}}}"##,
        );
        let all = join(&[(&a, &first), (&b, &second)]).unwrap();
        let names: Vec<&str> = all.types.iter().map(|def| def.name.as_str()).collect();
        assert_eq!(names, ["ACase", "ASchema", "BCase", "BSchema", "BN", "Case"]);
        let Shape::TaggedUnion(union) = &all.types[5].shape else { panic!("no union") };
        assert_eq!(union.members.iter().map(|member| member.ty.0).collect::<Vec<_>>(), [0, 2]);
        let Shape::Newtype(ty) = &all.types[3].shape else { panic!("no rules") };
        let rule = all.rules[ty.constraints.rule.unwrap()].compact();
        assert!(rule.starts_with(r#"[["anyOf", [["ref", "#) && all.rules.len() == 3, "{rule}");
    }

    #[test]
    fn what_is_not_known_is_not_turned_around() {
        let folder = tempfile::tempdir().unwrap();
        let schema =
            r#"{"minLength": 1, "not": {"anyOf": [{"$ref": "https://elsewhere.test/"}, {"type": "null"}]}}"#;
        let (_, model) = made(folder.path(), "c", schema);
        assert_eq!(model.rules.iter().map(Json::compact).collect::<Vec<_>>(), [r#"[["minLength", 1]]"#]);
    }
}
