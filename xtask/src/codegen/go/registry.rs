//! The function by which a program that knows types by their names finds their codecs.
use super::super::model::{Kind, Shape};
use super::super::printer::Page;
use super::plan::Plan;
use super::text::quote;
use super::{Draft, HEAD};

/// One more file of the package, with an exported function.
pub fn registry(plan: &Plan<'_>) -> String {
    let mut draft = Draft::new(plan);
    let mut page = Page::new("\t");
    for line in TRIP.lines() {
        page.line(line);
    }
    page.indented(|page| {
        page.line("switch name {");
        for (id, def) in plan.model.each() {
            let kind = Kind::Named(id);
            let (reader, writer) = (plan.base_reader(None, &kind), plan.base_writer(None, &kind));
            page.line(format!("case {}:", quote(&def.name))).indented(|page| match &def.shape {
                Shape::Alias(inner) if plan.is_checked(inner) && plan.has_functions(inner) => {
                    let check = format!("check{}", plan.name(id));
                    page.line(format!("return codecTrip(data, {reader}, {writer}, {check})"));
                }
                Shape::Alias(inner) if plan.is_checked(inner) => {
                    let head = format!(
                        "return codecTrip(data, {reader}, {writer}, func(v {}) *Violation {{",
                        plan.base(None, &kind)
                    );
                    page.block(head, "})", |page| {
                        draft.alias_checks(page, id, inner);
                        page.line("return nil");
                    });
                }
                _ => {
                    page.line(format!("return codecTrip(data, {reader}, {writer}, nil)"));
                }
            });
        }
        page.line("}").line("return nil, false, nil");
    });
    page.line("}");
    format!("{HEAD}\n{}", page.finish())
}

const TRIP: &str = "\
func codecTrip[T any](data []byte, read func(*reader) (T, error), write func(*writer, T), check func(T) *Violation) ([]byte, bool, error) {
	value, err := unmarshal(data, read)
	if err != nil {
		return nil, true, err
	}
	var own any = value
	checked, ok := own.(interface{ Validate() error })
	if !ok {
		checked, ok = any(&value).(interface{ Validate() error })
	}
	if ok {
		if err := checked.Validate(); err != nil {
			return nil, true, err
		}
	}
	if check != nil {
		if broken := check(value); broken != nil {
			return nil, true, broken
		}
	}
	text, err := marshal(value, write)
	return text, true, err
}

// CodecTrip reads a value of the named type, validates it and writes it; false when there is no such type.
func CodecTrip(name string, data []byte) ([]byte, bool, error) {";
