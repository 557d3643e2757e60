//! What types hold of each other, for all types at once and in time linear in the model.
use super::model::{Additional, Kind, Model, Shape, Ty, TypeDef, TypeId};

/// The uses of types that stand in a type itself.
pub fn uses(def: &TypeDef) -> Vec<&Ty> {
    match &def.shape {
        Shape::Struct(shape) => {
            let fields = shape.fields.iter().map(|field| &field.ty);
            let kept = match &shape.additional {
                Additional::Kept(ty) => Some(ty),
                Additional::Ignored | Additional::Refused => None,
            };
            fields.chain(kept).collect()
        }
        Shape::Newtype(ty) | Shape::Alias(ty) => vec![ty],
        Shape::TaggedUnion(_) | Shape::ClosedEnum(_) | Shape::OpenEnum(_) => Vec::new(),
    }
}

/// The named types that a type holds, in whatever way.
pub fn held(def: &TypeDef) -> Vec<TypeId> {
    let mut out = Vec::new();
    uses(def).into_iter().for_each(|ty| named(ty, &mut out));
    if let Shape::TaggedUnion(union) = &def.shape {
        out.extend(union.members.iter().map(|member| member.ty));
    }
    out
}

/// The named types of a use.
pub fn named(ty: &Ty, out: &mut Vec<TypeId>) {
    match &ty.kind {
        Kind::Named(id) => out.push(*id),
        Kind::List(item) | Kind::Map(item) => named(item, out),
        Kind::Tuple(items) => items.iter().for_each(|item| named(item, out)),
        _ => {}
    }
}

/// Whether a use, or an item in it that has no name, passes a test.
pub fn any_part(ty: &Ty, test: &impl Fn(&Ty) -> bool) -> bool {
    test(ty)
        || match &ty.kind {
            Kind::List(item) | Kind::Map(item) => any_part(item, test),
            Kind::Tuple(items) => items.iter().any(|item| any_part(item, test)),
            _ => false,
        }
}

/// By type: whether it has a property itself or holds, however deep, a type that has it.
pub fn spread(model: &Model, has: impl Fn(&TypeDef) -> bool) -> Vec<bool> {
    let mut holders: Vec<Vec<usize>> = vec![Vec::new(); model.types.len()];
    let mut open = Vec::new();
    for (id, def) in model.each() {
        held(def).into_iter().for_each(|inner| holders[inner.0].push(id.0));
        if has(def) {
            open.push(id.0);
        }
    }
    let mut found = vec![false; model.types.len()];
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut found[index], true) {
            open.extend(&holders[index]);
        }
    }
    found
}

/// By type, for [`Model::checked`]: whether `validate()` is called for a value of it.
pub fn checked(model: &Model) -> Vec<bool> {
    spread(model, |def| match &def.shape {
        Shape::Struct(_) | Shape::TaggedUnion(_) | Shape::Newtype(_) => true,
        Shape::Alias(inner) => any_part(inner, &|part| !part.constraints.is_empty()),
        Shape::ClosedEnum(_) | Shape::OpenEnum(_) => false,
    })
}

/// Which types hold each other in a circle, by some way of holding.
#[derive(Debug)]
pub struct Circles {
    component: Vec<usize>,
}

impl Circles {
    /// The circles of a model, where `held` gives what a type holds directly. Strongly connected components after
    /// Tarjan (SIAM J. Comput. 1, 1972), without recursion.
    pub fn new(model: &Model, held: impl Fn(TypeId, &mut Vec<TypeId>)) -> Self {
        const UNSEEN: usize = usize::MAX;
        let count = model.types.len();
        let (mut component, mut order, mut low) = (vec![UNSEEN; count], vec![UNSEEN; count], vec![0; count]);
        let (mut next, mut stack) = (0, Vec::new());
        for root in 0..count {
            if order[root] != UNSEEN {
                continue;
            }
            let mut path: Vec<(usize, Vec<TypeId>)> = Vec::new();
            let mut entered = Some(root);
            loop {
                if let Some(at) = entered.take() {
                    (order[at], low[at]) = (next, next);
                    next += 1;
                    stack.push(at);
                    let mut inner = Vec::new();
                    held(TypeId(at), &mut inner);
                    path.push((at, inner));
                }
                let Some((at, inner)) = path.last_mut() else { break };
                let at = *at;
                if let Some(TypeId(to)) = inner.pop() {
                    if order[to] == UNSEEN {
                        entered = Some(to);
                    } else if component[to] == UNSEEN {
                        low[at] = low[at].min(order[to]);
                    }
                    continue;
                }
                path.pop();
                if let Some((above, _)) = path.last() {
                    low[*above] = low[*above].min(low[at]);
                }
                if low[at] == order[at] {
                    while let Some(member) = stack.pop() {
                        component[member] = at;
                        if member == at {
                            break;
                        }
                    }
                }
            }
        }
        Self { component }
    }

    /// Whether two types, one of which holds the other, also hold each other the other way round.
    pub fn join(&self, one: TypeId, other: TypeId) -> bool {
        self.component[one.0] == self.component[other.0]
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Place;
    use super::super::model::{Role, Section};
    use super::*;

    /// Aliases of tuples, each of the types with the given indices.
    fn model(held: &[&[usize]]) -> Model {
        let def = |targets: &&[usize]| {
            let items = targets.iter().map(|at| Ty::plain(Kind::Named(TypeId(*at)))).collect();
            TypeDef {
                name: String::new(),
                section: Section::Types,
                role: Role::Data,
                place: Place::default(),
                doc: String::new(),
                deprecated: false,
                examples: Vec::new(),
                shape: Shape::Alias(Ty::plain(Kind::Tuple(items))),
            }
        };
        Model { types: held.iter().map(def).collect(), ..Model::default() }
    }

    fn circles(held: &[&[usize]]) -> Circles {
        Circles::new(&model(held), |id, out| out.extend(held[id.0].iter().map(|at| TypeId(*at))))
    }

    #[test]
    fn types_that_lead_back_to_each_other_are_of_one_circle() {
        let found = circles(&[&[1], &[2, 3], &[0], &[4], &[4], &[]]);
        let join = |one, other| found.join(TypeId(one), TypeId(other));
        assert!(join(0, 1) && join(1, 2) && join(2, 0) && join(4, 4));
        assert!(!join(1, 3) && !join(3, 4) && !join(5, 0));
    }

    #[test]
    fn two_circles_that_touch_are_one_and_a_long_chain_is_none() {
        let found = circles(&[&[1, 2], &[0], &[0]]);
        assert!(found.join(TypeId(1), TypeId(2)));
        let chain: Vec<Vec<usize>> = (1..=100_000).map(|at| vec![at]).chain([vec![]]).collect();
        let chain: Vec<&[usize]> = chain.iter().map(Vec::as_slice).collect();
        assert!(!circles(&chain).join(TypeId(0), TypeId(1)));
    }

    #[test]
    fn what_a_type_has_spreads_to_all_that_hold_it() {
        let model = model(&[&[1], &[2], &[], &[0], &[]]);
        let first = std::ptr::from_ref(&model.types[2]);
        assert_eq!(spread(&model, |def| std::ptr::eq(def, first)), [true, true, true, true, false]);
    }
}
