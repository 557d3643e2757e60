//! One JSON object per log line: time, level, target, message, the event's fields, and its spans.

use serde_json::{Map, Value};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The format.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        fields.put("time", Value::String(time));
        fields.put("level", Value::String(event.metadata().level().to_string()));
        fields.put("target", Value::String(event.metadata().target().to_owned()));
        event.record(&mut fields);
        let spans = context.event_scope().into_iter().flat_map(Scope::from_root);
        let spans = spans.map(|span| {
            let extensions = span.extensions();
            let inside = extensions.get::<FormattedFields<N>>().map(|fields| fields.fields.as_str());
            match inside.filter(|inside| !inside.is_empty()) {
                Some(inside) => Value::String(format!("{}{{{inside}}}", span.name())),
                None => Value::String(span.name().to_owned()),
            }
        });
        let spans: Vec<Value> = spans.collect();
        if !spans.is_empty() {
            fields.put("spans", Value::Array(spans));
        }
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), Value::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_events_fields_and_spans() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .event_format(JsonLines);
        tracing::subscriber::with_default(subscriber.finish(), || {
            let _turn = tracing::info_span!("turn", id = 7).entered();
            tracing::warn!(count = 3, fine = false, share = 0.5, words = "a \"b\"\nc", "it happened");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "time": line["time"], "level": "WARN", "message": "it happened", "spans": ["turn{id=7}"],
            "target": "smooai_smooth_operator_host::telemetry::json::tests",
            "count": 3, "fine": false, "share": 0.5, "words": "a \"b\"\nc",
        });
        assert_eq!(line, expected);
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{text}");
    }
}
