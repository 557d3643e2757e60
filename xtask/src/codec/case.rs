//! What a codec is asked, and what it must answer.
use crate::codegen::json::Json;
use crate::codegen::model::Model;

use super::peer::Phase;

/// One value of a type.
pub struct Case {
    /// The type's name in the schema.
    pub type_name: String,
    /// What it is: "example 2", "value 17 of seed 1".
    pub what: String,
    /// The JSON text.
    pub text: String,
    pub expected: Expected,
    /// What it was made from.
    pub seed: u64,
}

/// What must come of a value.
pub enum Expected {
    /// It comes back as this value.
    Same(Json),
    /// It is refused.
    #[expect(dead_code, reason = "mutants come next")]
    Refused {
        phase: Phase,
        /// The JSON pointer of the place.
        pointer: String,
        /// What a violation may name; the first that a language looks at.
        keywords: Vec<&'static str>,
    },
}

/// All cases of all types, or of the types of these names.
pub fn cases(model: &Model, seed: u64, only: &[String]) -> Vec<Case> {
    let mut out = Vec::new();
    for def in &model.types {
        if !only.is_empty() && !only.contains(&def.name) {
            continue;
        }
        for (index, example) in def.examples.iter().enumerate() {
            out.push(Case {
                type_name: def.name.clone(),
                what: format!("example {}", index + 1),
                text: example.compact(),
                expected: Expected::Same(example.clone()),
                seed,
            });
        }
    }
    out
}
