//! One method of the client per action.
use super::super::model::{Action, Kind, Reply};
use super::super::printer::Page;
use super::HEAD;
use super::plan::Plan;
use super::text::{doc, quote};

/// The file of methods. Standing alone it also says what a client needs to be one.
pub fn print(plan: &Plan<'_>) -> String {
    let mut page = Page::new("\t");
    if plan.standalone {
        page.gap();
        for line in CALLER.lines() {
            page.line(line);
        }
    }
    for (index, action) in plan.model.actions.iter().enumerate() {
        call(plan, &mut page, index, action);
    }
    format!("{HEAD}\nimport (\n\t\"context\"\n)\n{}", page.finish())
}

fn call(plan: &Plan<'_>, page: &mut Page, index: usize, action: &Action) {
    let (method, params) = (plan.names.method(index), plan.name(action.params));
    let (result, body) = match &action.reply {
        Reply::Data(reply) => {
            let reader = plan.reply_reader(*reply);
            (format!("(*{}, error)", plan.name(*reply)), format!("return call(ctx, c, &params, {reader})"))
        }
        reply if reply.is_stream() => return,
        Reply::Events(names) => {
            let event = match (names.as_slice(), plan.model.event_union) {
                ([name], _) => {
                    plan.model.events.iter().find(|event| event.name == *name).map(|event| event.payload)
                }
                (_, union) => union,
            };
            let Some(event) = event else { return };
            let pointer = if names.len() == 1 { "*" } else { "" };
            let event = format!("{pointer}{}", plan.name(event));
            let names: String = names.iter().map(|name| format!(", {}", quote(name))).collect();
            (format!("({event}, error)"), format!("return await[{event}](ctx, c, &params{names})"))
        }
        Reply::None => ("error".to_owned(), "return tell(ctx, c, &params)".to_owned()),
    };
    page.gap();
    doc(page, method, &plan.def(action.params).doc, plan.def(action.params).deprecated);
    page.block(
        format!("func (c *Client) {method}(ctx context.Context, params {params}) {result} {{"),
        "}",
        |page| {
            let id = plan.field_of(action.params, "requestId");
            if let Some((at, _)) = id.filter(|(_, field)| !field.required && field.ty.kind == Kind::String)
                && !plan.standalone
                && action.reply != Reply::None
            {
                let id = plan.names.field(action.params, at);
                page.line(format!("params.{id} = withID(params.{id})"));
            }
            page.line(body);
        },
    );
}

/// What stands in for the hand-written client where there is none.
const CALLER: &str = "\
// Caller carries actions to a server.
type Caller interface {
	// Call sends an action and returns the data of the immediate_response that answers it.
	Call(ctx context.Context, action Action) ([]byte, error)
	// Await sends an action and returns the event that answers it, of one of the given types.
	Await(ctx context.Context, action Action, types ...string) (Event, error)
	// Tell sends an action that nothing answers.
	Tell(ctx context.Context, action Action) error
}

// Client has a method for every action.
type Client struct {
	Caller Caller
}

func call[T any](ctx context.Context, c *Client, action Action, read func(*reader) (T, error)) (*T, error) {
	data, err := c.Caller.Call(ctx, action)
	if err != nil {
		return nil, err
	}
	reply, err := unmarshal(data, read)
	return &reply, err
}

func await[T Event](ctx context.Context, c *Client, action Action, types ...string) (T, error) {
	event, err := c.Caller.Await(ctx, action, types...)
	wanted, ok := event.(T)
	if err == nil && !ok {
		err = refuse(\"must be another event\")
	}
	return wanted, err
}

func tell(ctx context.Context, c *Client, action Action) error {
	return c.Caller.Tell(ctx, action)
}";
