//! One generic type, with the functions that read and write it, for each length of tuple that the schema has.
use std::collections::BTreeSet;

use super::super::model::{Kind, Model, Ty};
use super::super::printer::Page;
use super::super::reach::uses;
use super::HEAD;
use super::text::columns;

/// The file with all of them; none when there is no tuple.
pub fn print(model: &Model) -> Option<String> {
    let lengths = lengths(model);
    if lengths.is_empty() {
        return None;
    }
    let mut page = Page::new("\t");
    for length in lengths {
        tuple(&mut page, length);
    }
    Some(format!("{HEAD}{}", page.finish()))
}

fn lengths(model: &Model) -> BTreeSet<usize> {
    fn walk(ty: &Ty, out: &mut BTreeSet<usize>) {
        match &ty.kind {
            Kind::List(item) | Kind::Map(item) => walk(item, out),
            Kind::Tuple(items) => {
                out.insert(items.len());
                items.iter().for_each(|item| walk(item, out));
            }
            _ => {}
        }
    }
    let mut out = BTreeSet::new();
    model.types.iter().flat_map(uses).for_each(|ty| walk(ty, &mut out));
    out
}

fn tuple(page: &mut Page, length: usize) {
    let each = |text: fn(usize) -> String| (0..length).map(text).collect::<Vec<String>>().join(", ");
    let types = each(|at| format!("T{at}"));
    let items = if length == 1 { "item" } else { "items" };
    page.gap().line(format!("// Tuple{length} is an array of exactly {length} {items}."));
    page.block(format!("type Tuple{length}[{types} any] struct {{"), "}", |page| {
        let rows: Vec<Vec<String>> = (0..length).map(|at| vec![format!("V{at}"), format!("T{at}")]).collect();
        columns(page, &rows);
    });
    let readers = each(|at| format!("read{at} func(*reader) (T{at}, error)"));
    let result = format!("func(*reader) (Tuple{length}[{types}], error)");
    let head = format!("func asTuple{length}[{types} any]({readers}) {result} {{");
    page.gap().block(head, "}", |page| {
        page.block(format!("return func(r *reader) (t Tuple{length}[{types}], err error) {{"), "}", |page| {
            page.line(format!("items, err := r.items({length})"));
            for at in 0..length {
                page.line(format!("t.V{at} = place(items, {at}, read{at}, &err)"));
            }
            page.line("return t, err");
        });
    });
    let writers = each(|at| format!("write{at} func(*writer, T{at})"));
    let result = format!("func(*writer, Tuple{length}[{types}])");
    let head = format!("func putTuple{length}[{types} any]({writers}) {result} {{");
    page.gap().block(head, "}", |page| {
        page.block(format!("return func(w *writer, t Tuple{length}[{types}]) {{"), "}", |page| {
            page.line("w.byte('[')");
            for at in 0..length {
                if at > 0 {
                    page.line("w.byte(',')");
                }
                page.line(format!("write{at}(w, t.V{at})"));
            }
            page.line("w.byte(']')");
        });
    });
}
