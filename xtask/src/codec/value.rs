//! Valid values of a type, made from the model: every arm, edge and oddity that the schema allows.
use super::constraint::broken;
use super::dice::Dice;
use super::scalar;
use crate::codegen::json::Json;
use crate::codegen::model::{
    Additional, Constraints, Enum, Kind, Model, Shape, Struct, TaggedUnion, Ty, TypeId,
};

/// How much a value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// What must be there, and no more.
    Least,
    /// Everything that may be there; the number chooses among alternatives.
    Full(usize),
    /// Anything. The number's bits say which optional properties of the outermost object are there.
    Any(u64),
}

/// A value as it is sent, and as it must come back: without what the type ignores.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub sent: Json,
    pub expected: Json,
}

impl Made {
    fn same(value: Json) -> Self {
        Self { sent: value.clone(), expected: value }
    }

    fn object(members: Vec<(String, Self)>) -> Self {
        let (sent, expected) =
            members.into_iter().map(|(key, made)| ((key.clone(), made.sent), (key, made.expected))).unzip();
        Self { sent: Json::Object(sent), expected: Json::Object(expected) }
    }
}

/// How deep optional things are nested.
const DEPTH: usize = 4;
/// How many items a list has at most, unless it must have more.
const ITEMS: u64 = 40;
/// How often a value that breaks a constraint is made anew.
const TRIES: usize = 60;
/// Tags and enum values that no schema has.
const UNKNOWN_WORDS: &[&str] = &["no-such-word", "", "$unknown", "\u{1f914} neu", "__proto__", "NULL"];
/// Keys that readers stumble over.
const KEYS: &[&str] = &["a/b~c", "", "__proto__", "constructor", "0", "é\u{2028}", "x-unknown", "toString"];

/// Makes values of the types of a model.
pub struct Maker<'a> {
    model: &'a Model,
    /// By type: how deep its smallest value is nested; nothing when it has no value.
    heights: Vec<Option<usize>>,
}

impl<'a> Maker<'a> {
    /// Looks at the model once.
    pub fn new(model: &'a Model) -> Self {
        let mut maker = Self { model, heights: vec![None; model.types.len()] };
        loop {
            let heights: Vec<_> = model.types.iter().map(|def| maker.shape_height(&def.shape)).collect();
            if heights == maker.heights {
                return maker;
            }
            maker.heights = heights;
        }
    }

    /// A value of a type; nothing when none was found.
    pub fn make(&self, id: TypeId, style: Style, dice: Dice) -> Option<Made> {
        let mut making = Making { maker: self, dice, style, depth: 0 };
        making.value(&Ty::plain(Kind::Named(id)))
    }

    /// How many full values it takes to see each member of every union that a type holds.
    pub fn alternatives(&self, id: TypeId) -> usize {
        let (mut seen, mut open, mut most) = (vec![false; self.heights.len()], vec![id], 2);
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut seen[id.0], true) {
                continue;
            }
            match &self.model.ty(id).shape {
                Shape::Struct(shape) => {
                    shape.fields.iter().for_each(|field| named(&field.ty, &mut open));
                    if let Additional::Kept(ty) = &shape.additional {
                        named(ty, &mut open);
                    }
                }
                Shape::TaggedUnion(union) => {
                    most = most.max(union.members.len() + usize::from(union.open));
                    open.extend(union.members.iter().map(|member| member.ty));
                }
                Shape::Newtype(ty) | Shape::Alias(ty) => named(ty, &mut open),
                Shape::ClosedEnum(_) | Shape::OpenEnum(_) => {}
            }
        }
        most
    }

    fn height(&self, ty: &Ty) -> Option<usize> {
        if ty.nullable {
            return Some(0);
        }
        let least = |bound: Option<u64>, item: &Ty| match bound {
            Some(1..) => self.height(item).map(|height| height + 1),
            _ => Some(0),
        };
        match &ty.kind {
            Kind::Named(id) => self.heights[id.0],
            Kind::List(item) => least(ty.constraints.min_items, item),
            Kind::Map(item) => least(ty.constraints.min_properties, item),
            Kind::Tuple(items) => self.highest(items.iter()),
            _ => Some(0),
        }
    }

    fn highest<'t>(&self, mut types: impl Iterator<Item = &'t Ty>) -> Option<usize> {
        types.try_fold(0, |most, ty| Some(self.height(ty)?.max(most))).map(|most| most + 1)
    }

    fn shape_height(&self, shape: &Shape) -> Option<usize> {
        match shape {
            Shape::Struct(shape) => {
                self.highest(shape.fields.iter().filter(|field| field.required).map(|field| &field.ty))
            }
            Shape::TaggedUnion(union) if union.open => Some(0),
            Shape::TaggedUnion(union) => {
                union.members.iter().filter_map(|member| self.heights[member.ty.0]).min()
            }
            Shape::ClosedEnum(values) => (!values.values.is_empty()).then_some(0),
            Shape::OpenEnum(_) => Some(0),
            Shape::Newtype(ty) | Shape::Alias(ty) => self.height(ty).map(|height| height + 1),
        }
    }
}

fn named(ty: &Ty, out: &mut Vec<TypeId>) {
    match &ty.kind {
        Kind::Named(id) => out.push(*id),
        Kind::List(item) | Kind::Map(item) => named(item, out),
        Kind::Tuple(items) => items.iter().for_each(|item| named(item, out)),
        _ => {}
    }
}

/// One value under construction.
struct Making<'a> {
    maker: &'a Maker<'a>,
    dice: Dice,
    style: Style,
    depth: usize,
}

impl Making<'_> {
    fn value(&mut self, ty: &Ty) -> Option<Made> {
        let null = match self.style {
            Style::Least => true,
            Style::Full(number) => number % 2 == 1,
            Style::Any(_) => self.dice.one_in(3) || self.depth > DEPTH,
        };
        if ty.nullable && null {
            return Some(Made::same(Json::Null));
        }
        for _ in 0..TRIES {
            let made = self.once(ty)?;
            if broken(&ty.constraints, &made.expected).is_empty() {
                return Some(made);
            }
        }
        None
    }

    fn once(&mut self, ty: &Ty) -> Option<Made> {
        let rules = &ty.constraints;
        if let Some(allowed) = &rules.allowed {
            return self.dice.pick(allowed).cloned().map(Made::same);
        }
        let plain = !matches!(self.style, Style::Any(_));
        match &ty.kind {
            Kind::String => {
                scalar::string(rules, plain, &mut self.dice).map(|text| Made::same(Json::String(text)))
            }
            Kind::Bool => Some(Made::same(Json::Bool(self.dice.one_in(2)))),
            Kind::Int(int) => scalar::whole(*int, rules, &mut self.dice).map(Made::same),
            Kind::Float => Some(Made::same(scalar::float(rules, &mut self.dice))),
            Kind::Json => scalar::json_of(&rules.json_types, &mut self.dice).map(Made::same),
            Kind::JsonObject => self.free_object(rules),
            Kind::List(item) => self.list(item, rules),
            Kind::Map(item) => self.map(item, rules),
            Kind::Tuple(items) => self.tuple(items),
            Kind::Named(id) => self.named(*id),
        }
    }

    fn named(&mut self, id: TypeId) -> Option<Made> {
        let maker = self.maker;
        match &maker.model.ty(id).shape {
            Shape::Struct(shape) => self.deeper(|making| making.structure(shape)),
            Shape::TaggedUnion(union) => self.union(union),
            Shape::ClosedEnum(values) => self.word(values, false),
            Shape::OpenEnum(values) => self.word(values, true),
            Shape::Newtype(ty) | Shape::Alias(ty) => self.value(ty),
        }
    }

    fn deeper<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        let made = make(self);
        self.depth -= 1;
        made
    }

    /// Whether what may be left out is there. `index` counts the optional properties of an object.
    fn wants(&mut self, index: usize) -> bool {
        match self.style {
            Style::Least => false,
            _ if self.depth > DEPTH => false,
            Style::Full(_) => true,
            Style::Any(mask) if self.depth == 1 && index < 64 => mask >> index & 1 == 1,
            Style::Any(_) => self.dice.one_in(2),
        }
    }

    fn structure(&mut self, shape: &Struct) -> Option<Made> {
        let mut members = Vec::new();
        if let Some(tag) = &shape.tag {
            members.push((tag.property.clone(), Made::same(Json::String(tag.value.clone()))));
        }
        let mut optional = 0;
        for field in &shape.fields {
            if !field.required {
                optional += 1;
                if self.maker.height(&field.ty).is_none() || !self.wants(optional - 1) {
                    continue;
                }
            }
            match self.value(&field.ty) {
                Some(made) => members.push((field.wire.clone(), made)),
                None if field.required => return None,
                None => {}
            }
        }
        let others = self.others(shape);
        if let Additional::Kept(ty) = &shape.additional {
            for key in others.iter().filter(|_| self.maker.height(ty).is_some()) {
                if let Some(made) = self.value(ty) {
                    members.push((key.clone(), made));
                }
            }
        }
        let mut made = Made::object(members);
        if let Json::Object(sent) = &mut made.sent
            && let Style::Any(_) = self.style
        {
            if shape.additional == Additional::Ignored {
                sent.extend(others.into_iter().map(|key| (key, scalar::free(&mut self.dice, 1))));
            }
            self.dice.shuffle(sent);
        }
        Some(made)
    }

    /// Names of properties that the type does not declare, few or none; among them declared ones in other letters.
    fn others(&mut self, shape: &Struct) -> Vec<String> {
        let mut keys: Vec<String> = match self.style {
            Style::Least => Vec::new(),
            Style::Full(_) => KEYS.iter().take(2).map(ToString::to_string).collect(),
            Style::Any(_) if self.dice.one_in(3) => {
                let mut keys: Vec<String> = KEYS.iter().map(ToString::to_string).collect();
                keys.extend(
                    shape
                        .fields
                        .iter()
                        .flat_map(|field| [field.wire.to_uppercase(), format!("{} ", field.wire)]),
                );
                self.dice.shuffle(&mut keys);
                keys.truncate(2);
                keys
            }
            Style::Any(_) => Vec::new(),
        };
        let tag = shape.tag.as_ref().map(|tag| tag.property.as_str());
        keys.retain(|key| tag != Some(key) && shape.fields.iter().all(|field| field.wire != *key));
        keys.dedup();
        keys
    }

    fn union(&mut self, union: &TaggedUnion) -> Option<Made> {
        let maker = self.maker;
        let count = union.members.len();
        let lowest = || {
            let heights = union.members.iter().filter(|member| maker.heights[member.ty.0].is_some());
            heights.min_by_key(|member| maker.heights[member.ty.0])
        };
        let chosen = match self.style {
            _ if self.depth > DEPTH => lowest(),
            Style::Least => lowest(),
            Style::Full(number) => union.members.get(number % (count + usize::from(union.open)).max(1)),
            Style::Any(_) if union.open && self.dice.one_in(6) => None,
            Style::Any(_) => self.dice.pick(&union.members),
        };
        match chosen {
            Some(member) => self.named(member.ty),
            None if union.open => Some(self.unknown(union)),
            None => self.named(lowest()?.ty),
        }
    }

    /// An object whose tag nobody knows: it is kept whole.
    fn unknown(&mut self, union: &TaggedUnion) -> Made {
        let words: Vec<&str> = UNKNOWN_WORDS
            .iter()
            .copied()
            .filter(|word| union.members.iter().all(|member| member.value != *word))
            .collect();
        let word = self.dice.pick(&words).copied().unwrap_or_default().to_owned();
        let mut members = vec![(union.tag.clone(), Json::String(word))];
        for key in KEYS.iter().filter(|key| **key != union.tag) {
            if self.dice.one_in(3) {
                members.push(((*key).to_owned(), scalar::free(&mut self.dice, 0)));
            }
        }
        self.dice.shuffle(&mut members);
        Made::same(Json::Object(members))
    }

    fn word(&mut self, values: &Enum, open: bool) -> Option<Made> {
        let known: Vec<&str> = values.values.iter().map(|value| value.wire.as_str()).collect();
        let word = match self.style {
            Style::Full(number) => known.get(number % known.len().max(1)).copied(),
            Style::Any(_) if open && self.dice.one_in(5) => self.dice.pick(UNKNOWN_WORDS).copied(),
            _ => self.dice.pick(&known).copied(),
        };
        let word = word.or_else(|| if open { self.dice.pick(UNKNOWN_WORDS).copied() } else { None })?;
        Some(Made::same(Json::String(word.to_owned())))
    }

    /// How many things a list or map has.
    fn count(&mut self, least: Option<u64>, most: Option<u64>, alternatives: usize) -> usize {
        let (least, most) = (least.unwrap_or(0), most.unwrap_or(u64::MAX));
        let count = match self.style {
            Style::Least => least,
            _ if self.depth > DEPTH => least,
            // Lists within lists grow by powers.
            Style::Full(_) if self.depth > 2 => 2,
            Style::Full(_) => (alternatives as u64).max(2),
            Style::Any(_) => match self.dice.below(5) {
                0 => least,
                1 if self.depth < 2 => most.min(ITEMS),
                2 => 1,
                _ => self.dice.below(if self.depth < 3 { 4 } else { 2 }) as u64,
            },
        };
        usize::try_from(count.clamp(least, most.max(least))).unwrap_or_default()
    }

    fn list(&mut self, item: &Ty, rules: &Constraints) -> Option<Made> {
        let (mut sent, mut expected): (Vec<Json>, Vec<Json>) = (Vec::new(), Vec::new());
        let possible = self.maker.height(item).is_some();
        let alternatives = match &item.kind {
            Kind::Named(id) => match &self.maker.model.ty(*id).shape {
                Shape::TaggedUnion(union) => union.members.len() + usize::from(union.open),
                _ => 2,
            },
            _ => 2,
        };
        let count = self.count(rules.min_items, rules.max_items, alternatives);
        let style = self.style;
        for index in 0..if possible { count } else { 0 } {
            if let Style::Full(number) = style {
                self.style = Style::Full(number + index);
            }
            for _ in 0..TRIES {
                let made = self.deeper(|making| making.value(item))?;
                if !rules.unique_items || !expected.contains(&made.expected) {
                    sent.push(made.sent);
                    expected.push(made.expected);
                    break;
                }
            }
        }
        self.style = style;
        Some(Made { sent: Json::Array(sent), expected: Json::Array(expected) })
    }

    fn map(&mut self, item: &Ty, rules: &Constraints) -> Option<Made> {
        let possible = self.maker.height(item).is_some();
        let count = if possible { self.count(rules.min_properties, rules.max_properties, 2) } else { 0 };
        let mut members = Vec::new();
        for index in 0..count {
            let key = KEYS.get(index).map_or_else(|| format!("key {index}"), ToString::to_string);
            members.push((key, self.deeper(|making| making.value(item))?));
        }
        Some(Made::object(members))
    }

    fn free_object(&mut self, rules: &Constraints) -> Option<Made> {
        let count = self.count(rules.min_properties, rules.max_properties, 2);
        let key = |index: usize| KEYS.get(index).map_or_else(|| format!("key {index}"), ToString::to_string);
        let members = (0..count).map(|index| (key(index), scalar::free(&mut self.dice, 0))).collect();
        Some(Made::same(Json::Object(members)))
    }

    fn tuple(&mut self, items: &[Ty]) -> Option<Made> {
        let made: Option<Vec<Made>> =
            items.iter().map(|item| self.deeper(|making| making.value(item))).collect();
        let (sent, expected) = made?.into_iter().map(|made| (made.sent, made.expected)).unzip();
        Some(Made { sent: Json::Array(sent), expected: Json::Array(expected) })
    }
}
