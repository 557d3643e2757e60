//! The settings of the client: its time limits and its pace.
use super::super::model::{Setting, Settings};
use super::super::printer::Page;
use super::HEAD;
use super::declare::fields;
use super::text::comment;

/// The whole file.
pub fn print(settings: &Settings) -> String {
    let all = settings.flat();
    let mut page = Page::new("\t");
    let what = "Settings say how patient a client is: how long it waits, and how it keeps the line.";
    comment(&mut page, &format!("{what} Zero is the default, and a negative time-out is none."));
    page.block("type Settings struct {", "}", |page| {
        let row = |(name, setting): &(String, &Setting)| {
            let doc = format!("{name}: {}", setting.said());
            (vec![doc], vec![name.clone(), "time.Duration".to_owned()])
        };
        fields(page, &all.iter().map(row).collect::<Vec<_>>());
    });
    page.gap().line("// fill sets what was left open.").block("func (s *Settings) fill() {", "}", |page| {
        for (name, setting) in &all {
            let default = match setting.default_ms {
                ms if ms % 60_000 == 0 => format!("{}*time.Minute", ms / 60_000),
                ms if ms % 1000 == 0 => format!("{}*time.Second", ms / 1000),
                ms => format!("{ms}*time.Millisecond"),
            };
            page.line(format!("s.{name} = limit(s.{name}, {default})"));
        }
    });
    format!("{HEAD}\nimport (\n\t\"time\"\n)\n\n{}", page.finish())
}
