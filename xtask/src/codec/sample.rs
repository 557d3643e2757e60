//! A text that a pattern matches.
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::dice::Dice;

/// How often an open repetition is repeated at most, beyond what it must be.
const MORE: u32 = 4;

/// A text in which the pattern is found; nothing when it is no pattern or cannot match.
pub fn matching(pattern: &str, dice: &mut Dice) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut out = String::new();
    if !starts_at(&hir, Look::Start) && dice.one_in(2) {
        out.push_str("é ");
    }
    walk(&hir, dice, &mut out)?;
    if !starts_at(&hir, Look::End) && dice.one_in(2) {
        out.push_str(" \u{1f469}\n");
    }
    Some(out)
}

/// Whether an assertion stands anywhere in the pattern.
fn starts_at(hir: &Hir, look: Look) -> bool {
    hir.properties().look_set().contains(look)
}

fn walk(hir: &Hir, dice: &mut Dice, out: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let range = dice.pick(class.ranges())?;
            let (start, end) = (u32::from(range.start()), u32::from(range.end()));
            let most = end.min(start.saturating_add(200));
            let point = dice.between(start.into(), most.into());
            out.push(char::from_u32(u32::try_from(point).ok()?).unwrap_or(range.start()));
        }
        HirKind::Class(Class::Bytes(class)) => {
            let range = dice.pick(class.ranges())?;
            out.push(char::from(range.start()));
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min + MORE);
            let most =
                if dice.one_in(4) { most.min(repetition.min + 500) } else { most.min(repetition.min + MORE) };
            let times = dice.between(repetition.min.into(), most.into());
            for _ in 0..times {
                walk(&repetition.sub, dice, out)?;
            }
        }
        HirKind::Capture(capture) => walk(&capture.sub, dice, out)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| walk(part, dice, out))?,
        HirKind::Alternation(arms) => walk(dice.pick(arms)?, dice, out)?,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn what_is_made_matches() {
        for pattern in [
            r"\S",
            "^[A-Za-z0-9_-]{1,128}$",
            "^(data:|https://)",
            "^[0-9]{3}-[0-9-]{13}$",
            "a|b+c?",
            "[^a-z]{2,}x$",
        ] {
            let compiled = Regex::new(pattern).unwrap();
            for number in 0..100 {
                let text = matching(pattern, &mut Dice::new(1, pattern, number)).unwrap();
                assert!(compiled.is_match(&text), "{pattern} in {text:?}");
            }
        }
        assert_eq!(matching("(", &mut Dice::new(1, "", 0)), None);
    }
}
