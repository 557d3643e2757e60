//! Whole numbers of languages that have a type for each width, and what is left to check beside the type.
use super::json::Number;
use super::model::{Constraints, Int, Shape, Ty, TypeDef};
use super::reach;

/// The range of the type that holds a whole number.
pub fn range(int: Int) -> (i128, i128) {
    match int {
        Int::I32 => (i32::MIN.into(), i32::MAX.into()),
        Int::U32 => (0, u32::MAX.into()),
        Int::Safe64 | Int::I64 => (i64::MIN.into(), i64::MAX.into()),
        Int::U64 => (0, u64::MAX.into()),
    }
}

/// The constraints that a value of the type may break: bounds that the type keeps by itself are none.
pub fn bounding(ty: &Ty) -> Constraints {
    let mut rules = ty.constraints.clone();
    if let super::model::Kind::Int(int) = &ty.kind {
        let (low, high) = range(*int);
        rules.minimum = rules.minimum.filter(|bound| !matches!(bound, Number::Int(bound) if *bound <= low));
        rules.maximum = rules.maximum.filter(|bound| !matches!(bound, Number::Int(bound) if *bound >= high));
    }
    rules
}

/// Whether a type has something to check that does not stand at a type it holds. A closed enum has: its type is the
/// string's, which a program may fill as it likes.
pub fn has_own_checks(def: &TypeDef) -> bool {
    let own = |ty: &&Ty| reach::any_part(ty, &|part| !bounding(part).is_empty());
    matches!(def.shape, Shape::ClosedEnum(_)) || reach::uses(def).iter().any(own)
}
