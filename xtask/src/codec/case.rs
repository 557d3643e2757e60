//! What a codec is asked, and what it must answer: the examples of the schemas, values made from the model, mutants.
use std::collections::BTreeSet;

use super::dice::Dice;
use super::mutant::mutants;
use super::peer::Phase;
use super::text::render;
use super::value::{Maker, Style};
use crate::codegen::json::Json;
use crate::codegen::model::{Model, Shape, TypeId};

/// How many values are made for each type.
const VALUES: usize = 200;

/// One value of a type.
#[derive(Debug)]
pub struct Case {
    /// The type's name in the schema.
    pub type_name: String,
    /// What it is: "example 2", "value 17".
    pub what: String,
    /// The JSON text.
    pub text: String,
    pub expected: Expected,
    /// What it was made from.
    pub seed: u64,
}

/// What must come of a value.
#[derive(Debug)]
pub enum Expected {
    /// It comes back as this value.
    Same(Json),
    /// It is refused.
    Refused {
        phase: Phase,
        /// The JSON pointer of the place.
        pointer: String,
        /// What a violation may name: the keywords that are broken there.
        keywords: Vec<&'static str>,
    },
}

/// All cases of all types, or of the types of these names. The same seed gives the same cases.
pub fn cases(model: &Model, seed: u64, only: &[String]) -> Vec<Case> {
    let maker = Maker::new(model);
    let mut out = Vec::new();
    for (id, def) in model.each().filter(|(_, def)| only.is_empty() || only.contains(&def.name)) {
        let mut add = |what: String, text: String, expected: Expected| {
            out.push(Case { type_name: def.name.clone(), what, text, expected, seed });
        };
        for (index, example) in def.examples.iter().enumerate() {
            add(
                format!("example {}", index + 1),
                render(example, &mut None),
                Expected::Same(example.clone()),
            );
        }
        for number in 0..VALUES {
            let dice = Dice::new(seed, &def.name, number as u64);
            let Some(made) = maker.make(id, style(model, &maker, id, number), dice.clone()) else { continue };
            let mut spelling = (number % 2 == 1).then_some(dice);
            add(format!("value {number}"), render(&made.sent, &mut spelling), Expected::Same(made.expected));
        }
        let mut seen = BTreeSet::new();
        for number in 0..maker.alternatives(id) {
            let Some(made) = maker.make(id, Style::Full(number), Dice::new(seed, &def.name, number as u64))
            else {
                continue;
            };
            for mutant in mutants(model, id, &made.expected, &mut seen) {
                let what = format!(
                    "mutant: {} {}",
                    if mutant.pointer.is_empty() { "the whole" } else { &mutant.pointer },
                    mutant.rule
                );
                let (phase, pointer, keywords) = (mutant.phase, mutant.pointer, mutant.keywords);
                add(what, render(&mutant.value, &mut None), Expected::Refused { phase, pointer, keywords });
            }
            if number == 0 {
                for (what, text) in broken_texts(&render(&made.expected, &mut None)) {
                    let (phase, pointer) = (Phase::Decode, String::new());
                    add(what.to_owned(), text, Expected::Refused { phase, pointer, keywords: Vec::new() });
                }
            }
        }
    }
    out
}

/// The first is the least, then come full ones with each alternative, then every combination of optional properties.
fn style(model: &Model, maker: &Maker<'_>, id: TypeId, number: usize) -> Style {
    let full = maker.alternatives(id).min(VALUES / 4);
    match number {
        0 => Style::Least,
        number if number <= full => Style::Full(number - 1),
        number => {
            let optional = match &model.ty(id).shape {
                Shape::Struct(shape) => shape.fields.iter().filter(|field| !field.required).count(),
                _ => 0,
            };
            let number = (number - full - 1) as u64;
            // Where there are too many combinations to try each, the numbers are spread over them.
            let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
            Style::Any(if optional <= 7 { number } else { spread })
        }
    }
}

/// Texts that are no JSON.
fn broken_texts(text: &str) -> [(&'static str, String); 4] {
    [
        ("mutant: no text at all", String::new()),
        ("mutant: a bracket too many", format!("{text}]")),
        ("mutant: a comma too many", format!("[{text},]")),
        ("mutant: a number that is none", "NaN".to_owned()),
    ]
}
