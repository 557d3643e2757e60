//! Two versions of what `validate()` checks: a limit that is tighter breaks those who write by the old one, a limit
//! that is looser breaks those who check by the old one.
use std::cmp::Ordering;

use super::super::finding::Place;
use super::super::json::{Json, Number};
use super::super::model::{Constraints, Format, JsonType};
use super::report::{Breaks, Writer};

/// The limits of one use or one name of a type; all levels of a value hold together.
pub struct Level<'a> {
    pub place: Place,
    pub limits: &'a Constraints,
}

/// The tightest of one kind of limit, and where it stands.
type Found<'a, T> = Option<(T, &'a Place)>;

/// Compares all limits.
pub fn compare(old: &[Level<'_>], new: &[Level<'_>], writer: Writer, breaks: &mut Breaks) {
    let mut pair = Compared { old, new, writer, breaks };
    pair.bounds();
    pair.counts();
    pair.texts();
    pair.values();
}

struct Compared<'a, 'b> {
    old: &'a [Level<'a>],
    new: &'a [Level<'a>],
    writer: Writer,
    breaks: &'b mut Breaks,
}

/// Which of two limits is the tighter one.
#[derive(Clone, Copy)]
enum Tighter {
    Greater,
    Less,
}

impl Tighter {
    /// How tight `a` is beside `b`: `Greater` when it is tighter.
    fn order(self, a: Number, b: Number) -> Ordering {
        let order = match (a, b) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            _ => a.as_f64().total_cmp(&b.as_f64()),
        };
        match self {
            Self::Greater => order,
            Self::Less => order.reverse(),
        }
    }
}

impl<'a> Compared<'a, '_> {
    fn bounds(&mut self) {
        self.bound("minimum", Tighter::Greater, |limits| limits.minimum);
        self.bound("maximum", Tighter::Less, |limits| limits.maximum);
        self.bound("exclusiveMinimum", Tighter::Greater, |limits| limits.exclusive_minimum);
        self.bound("exclusiveMaximum", Tighter::Less, |limits| limits.exclusive_maximum);
        let (old, new) = (self.first(false, |l| l.multiple_of), self.first(true, |l| l.multiple_of));
        let is_multiple = |of: Number, by: Number| (of.as_f64() / by.as_f64()).fract() == 0.0;
        match (old, new) {
            (Some((was, _)), Some((is, place))) if was != is => {
                let (narrower, wider) = (is_multiple(is, was), is_multiple(was, is));
                self.changed("multipleOf", place, &format!("{was} became {is}"), narrower, wider);
            }
            (old, new) => self.come_or_gone("multipleOf", &old, &new, Number::to_string),
        }
    }

    fn counts(&mut self) {
        fn count(value: Option<u64>) -> Option<Number> {
            value.map(|value| Number::Int(value.into()))
        }
        self.bound("minLength", Tighter::Greater, |limits| count(limits.min_length));
        self.bound("maxLength", Tighter::Less, |limits| count(limits.max_length));
        self.bound("minItems", Tighter::Greater, |limits| count(limits.min_items));
        self.bound("maxItems", Tighter::Less, |limits| count(limits.max_items));
        self.bound("minProperties", Tighter::Greater, |limits| count(limits.min_properties));
        self.bound("maxProperties", Tighter::Less, |limits| count(limits.max_properties));
        let unique = |limits: &Constraints| limits.unique_items.then_some(true);
        let (old, new) = (self.first(false, unique), self.first(true, unique));
        self.come_or_gone("uniqueItems", &old, &new, bool::to_string);
    }

    fn texts(&mut self) {
        let pattern = |limits: &'a Constraints| limits.pattern.as_deref();
        let (old, new) = (self.all(false, pattern), self.all(true, pattern));
        if let ([(was, _)], [(is, place)]) = (old.as_slice(), new.as_slice()) {
            if was != is {
                self.changed("pattern", place, &format!("{was} became {is}"), false, false);
            }
        } else {
            for (is, place) in new.iter().filter(|(is, _)| !old.iter().any(|(was, _)| was == is)) {
                self.changed("pattern", place, &format!("{is} is new"), true, false);
            }
            for (was, place) in old.iter().filter(|(was, _)| !new.iter().any(|(is, _)| was == is)) {
                self.changed("pattern", place, &format!("{was} is gone"), false, true);
            }
        }
        let format = |limits: &Constraints| limits.format;
        match (self.first(false, format), self.first(true, format)) {
            (Some((was, _)), Some((is, place))) if was != is => {
                let problem = format!("{} became {}", named(was), named(is));
                self.changed("format", place, &problem, false, false);
            }
            (None, Some((Format::Uuid, place))) => {
                self.changed("format", place, "uuid is new", true, false);
            }
            (Some((Format::Uuid, place)), None) => {
                self.changed("format", place, "uuid is gone", false, true);
            }
            _ => {}
        }
    }

    fn values(&mut self) {
        let allowed = |limits: &'a Constraints| limits.allowed.as_deref();
        let list = |values: &[Json]| values.iter().map(Json::compact).collect::<Vec<_>>().join(", ");
        match (self.first(false, allowed), self.first(true, allowed)) {
            (Some((was, _)), Some((is, place))) if was != is => {
                let narrower = is.iter().all(|value| was.contains(value));
                let wider = was.iter().all(|value| is.contains(value));
                let problem = format!("the fixed value {} became {}", list(was), list(is));
                let pairs = self.pairs(narrower, wider);
                self.breaks.add("const-changed", place, problem, pairs);
            }
            (old, new) => self.come_or_gone("const", &old, &new, |values| list(values)),
        }
        let types =
            |limits: &'a Constraints| Some(limits.json_types.as_slice()).filter(|types| !types.is_empty());
        let words = |types: &&[JsonType]| format!("{types:?}").to_lowercase();
        match (self.first(false, types), self.first(true, types)) {
            (Some((was, _)), Some((is, place))) if was != is => {
                let narrower = is.iter().all(|ty| was.contains(ty));
                let wider = was.iter().all(|ty| is.contains(ty));
                self.changed(
                    "type",
                    place,
                    &format!("{} became {}", words(&was), words(&is)),
                    narrower,
                    wider,
                );
            }
            (old, new) => self.come_or_gone("type", &old, &new, words),
        }
    }

    /// A limit that is a number.
    fn bound(
        &mut self,
        keyword: &'static str,
        tighter: Tighter,
        get: impl Fn(&Constraints) -> Option<Number>,
    ) {
        let tightest = |found: Vec<(Number, &'a Place)>| {
            found.into_iter().max_by(|(a, _), (b, _)| tighter.order(*a, *b))
        };
        let (old, new) = (tightest(self.all(false, &get)), tightest(self.all(true, &get)));
        match (old, new) {
            (Some((was, _)), Some((is, place))) => {
                let order = tighter.order(is, was);
                if order != Ordering::Equal {
                    let (narrower, wider) = (order == Ordering::Greater, order == Ordering::Less);
                    self.changed(keyword, place, &format!("{was} became {is}"), narrower, wider);
                }
            }
            (old, new) => self.come_or_gone(keyword, &old, &new, Number::to_string),
        }
    }

    fn come_or_gone<T>(
        &mut self,
        keyword: &'static str,
        old: &Found<'_, T>,
        new: &Found<'_, T>,
        text: impl Fn(&T) -> String,
    ) {
        match (old, new) {
            (None, Some((is, place))) => {
                self.changed(keyword, place, &format!("{} is new", text(is)), true, false);
            }
            (Some((was, place)), None) => {
                self.changed(keyword, place, &format!("{} is gone", text(was)), false, true);
            }
            _ => {}
        }
    }

    fn changed(&mut self, keyword: &'static str, place: &Place, how: &str, narrower: bool, wider: bool) {
        let rule = match (narrower, wider) {
            (true, false) => "limit-narrowed",
            (false, true) => "limit-widened",
            _ => "limit-changed",
        };
        let pairs = self.pairs(narrower, wider);
        self.breaks.add(rule, &place.child(keyword), format!("`{keyword}` {how}"), pairs);
    }

    fn pairs(&self, narrower: bool, wider: bool) -> std::collections::BTreeSet<super::report::Pair> {
        match (narrower, wider) {
            (true, false) => self.writer.old_to_new(),
            (false, true) => self.writer.new_to_old(),
            _ => self.writer.both_ways(),
        }
    }

    fn all<T>(&self, is_new: bool, get: impl Fn(&'a Constraints) -> Option<T>) -> Vec<(T, &'a Place)> {
        let levels = if is_new { self.new } else { self.old };
        levels.iter().filter_map(|level| Some((get(level.limits)?, &level.place))).collect()
    }

    fn first<T>(&self, is_new: bool, get: impl Fn(&'a Constraints) -> Option<T>) -> Found<'a, T> {
        self.all(is_new, get).into_iter().next()
    }
}

fn named(format: Format) -> &'static str {
    match format {
        Format::Uuid => "uuid",
        Format::DateTime => "date-time",
        Format::Email => "email",
        Format::Uri => "uri",
    }
}
