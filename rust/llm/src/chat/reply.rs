//! A reply put together from its pieces: text and reasoning at once, tool calls when they are whole.

use crate::failure::ErrorBody;
use serde::Deserialize;
use smooai_smooth_operator_core::{FinishReason, ModelDelta, RequestedCall, Usage};

/// The most bytes of text, reasoning and arguments that one reply may have.
const MAX_REPLY_BYTES: usize = 8 << 20;

/// The most tool calls that one reply may have.
const MAX_CALLS: usize = 128;

/// One piece of a streamed reply, or (with `message` for `delta`) a reply that was not streamed.
#[derive(Deserialize)]
pub(crate) struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Tokens>,
    pub(crate) error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    #[serde(alias = "message")]
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Deserialize)]
struct CallPiece {
    index: Option<u32>,
    id: Option<String>,
    function: Option<FunctionPiece>,
}

#[derive(Default, Deserialize)]
struct FunctionPiece {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    /// Some gateways put the price here, in US dollars.
    cost: Option<f64>,
}

/// What has come of a reply so far.
#[derive(Default)]
pub(crate) struct Reply {
    calls: Vec<PartialCall>,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    bytes: usize,
}

struct PartialCall {
    index: Option<u32>,
    id: String,
    name: String,
    arguments: String,
}

/// The reply is larger than any reply should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Reply {
    /// Takes a piece, and gives what can be told at once.
    pub(crate) fn take(&mut self, chunk: Chunk, tell: &mut impl FnMut(ModelDelta)) -> Result<(), TooLarge> {
        if let Some(Tokens { prompt_tokens, completion_tokens, cost }) = chunk.usage {
            self.usage = Some(Usage { prompt_tokens, completion_tokens, cost_usd: cost });
        }
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            if let Some(delta) = choice.delta {
                self.take_delta(delta, tell)?;
            }
            if let Some(reason) = choice.finish_reason {
                self.finish = Some(finish_reason(&reason));
            }
        }
        Ok(())
    }

    fn take_delta(&mut self, delta: Delta, tell: &mut impl FnMut(ModelDelta)) -> Result<(), TooLarge> {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        // Where a gateway sends both names, they hold the same text.
        if let Some(text) = said(delta.reasoning_content).or_else(|| said(delta.reasoning)) {
            self.count(text.len())?;
            tell(ModelDelta::Reasoning(text));
        }
        if let Some(text) = said(delta.content) {
            self.count(text.len())?;
            tell(ModelDelta::Text(text));
        }
        delta.tool_calls.into_iter().flatten().try_for_each(|piece| self.take_call(piece))
    }

    fn take_call(&mut self, piece: CallPiece) -> Result<(), TooLarge> {
        let FunctionPiece { name, arguments } = piece.function.unwrap_or_default();
        let (id, name) = (piece.id.unwrap_or_default(), name.unwrap_or_default());
        let arguments = arguments.unwrap_or_default();
        self.count(id.len() + name.len() + arguments.len())?;
        let place = self.place(piece.index, &id, &name);
        if place == self.calls.len() {
            if place == MAX_CALLS {
                return Err(TooLarge);
            }
            self.calls.push(PartialCall { index: piece.index, id, name, arguments });
            return Ok(());
        }
        let call = &mut self.calls[place];
        call.arguments.push_str(&arguments);
        if call.id.is_empty() {
            call.id = id;
        }
        // Most gateways send a name once or repeat it whole; a few send it in pieces.
        if call.name.is_empty() {
            call.name = name;
        } else if call.name != name && call.arguments.is_empty() {
            call.name.push_str(&name);
        }
        Ok(())
    }

    /// Where a piece belongs: the place of a call that has begun, or the end for a new one. The index
    /// decides; but some gateways leave it out, or give every call the index 0, and there the id does.
    fn place(&self, index: Option<u32>, id: &str, name: &str) -> usize {
        let another = |call: &PartialCall| !id.is_empty() && !call.id.is_empty() && call.id != id;
        let end = self.calls.len();
        let found = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index && !another(call)),
            None if !id.is_empty() => self.calls.iter().rposition(|call| call.id == id),
            None if !name.is_empty() => None,
            None => end.checked_sub(1),
        };
        found.unwrap_or(end)
    }

    fn count(&mut self, bytes: usize) -> Result<(), TooLarge> {
        self.bytes += bytes;
        if self.bytes > MAX_REPLY_BYTES { Err(TooLarge) } else { Ok(()) }
    }

    /// Whether the model has said why it stopped.
    pub(crate) fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// The rest of a whole reply: its calls, what it used, and why it ended.
    pub(crate) fn close(self, price: impl FnOnce(&Usage) -> Option<f64>) -> Vec<ModelDelta> {
        let has_calls = !self.calls.is_empty();
        let finish = match self.finish {
            // Some gateways say `stop` beside calls, or nothing at all.
            None | Some(FinishReason::Stop) if has_calls => FinishReason::ToolCalls,
            other => other.unwrap_or(FinishReason::Stop),
        };
        let mut deltas: Vec<ModelDelta> = self.calls.into_iter().map(PartialCall::into_delta).collect();
        let known = self.usage.is_some();
        let mut usage = self.usage.unwrap_or_default();
        usage.cost_usd = usage.cost_usd.or_else(|| price(&usage));
        if known || usage.cost_usd.is_some() {
            deltas.push(ModelDelta::Usage(usage));
        }
        deltas.push(ModelDelta::Finish(finish));
        deltas
    }
}

impl PartialCall {
    fn into_delta(self) -> ModelDelta {
        ModelDelta::Call(RequestedCall { id: self.id, name: self.name, arguments: self.arguments })
    }
}

/// The standard's words, and those that gateways pass on from other providers.
fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "length" | "max_tokens" | "MAX_TOKENS" => FinishReason::Length,
        "content_filter" | "safety" | "SAFETY" | "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deltas of a reply whose chunks are the lines of `chunks`.
    fn deltas(chunks: &str) -> Vec<ModelDelta> {
        let mut reply = Reply::default();
        let mut told = Vec::new();
        for line in chunks.lines().map(str::trim).filter(|line| !line.is_empty()) {
            reply.take(serde_json::from_str(line).unwrap(), &mut |delta| told.push(delta)).unwrap();
        }
        told.extend(reply.close(|_| None));
        told
    }

    fn call(id: &str, name: &str, arguments: &str) -> ModelDelta {
        ModelDelta::Call(RequestedCall { id: id.into(), name: name.into(), arguments: arguments.into() })
    }

    #[test]
    fn text_reasoning_and_usage() {
        let got = deltas(
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}
               {"choices":[{"delta":{"reasoning_content":"hm","reasoning":"hm"}}]}
               {"choices":[{"delta":{"reasoning":"so"}}]}
               {"choices":[{"delta":{"content":"Hi"}},{"index":1,"delta":{"content":"other choice"}}]}
               {"choices":[{"delta":{},"finish_reason":"length"}]}
               {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#,
        );
        let usage = Usage { prompt_tokens: 7, completion_tokens: 2, cost_usd: None };
        let text = |text: &str| ModelDelta::Text(text.into());
        let reasoning = |text: &str| ModelDelta::Reasoning(text.into());
        let end = [ModelDelta::Usage(usage), ModelDelta::Finish(FinishReason::Length)];
        assert_eq!(got[..3], [reasoning("hm"), reasoning("so"), text("Hi")]);
        assert_eq!(got[3..], end);
    }

    #[test]
    fn calls_from_interleaved_fragments() {
        let got = deltas(
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"one","arguments":""}}]}}]}
               {"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"two"}}]}}]}
               {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}},{"index":1,"function":{"arguments":"{"}}]}}]}
               {"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"}"}},{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":"tool_calls"}]}"#,
        );
        let end = ModelDelta::Finish(FinishReason::ToolCalls);
        assert_eq!(got, [call("a", "one", r#"{"x":1}"#), call("b", "two", "{}"), end]);
    }

    #[test]
    fn calls_without_index_without_id_and_all_at_index_zero() {
        let end = ModelDelta::Finish(FinishReason::ToolCalls);
        let no_index = deltas(
            r#"{"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"one","arguments":"{"}}]}}]}
               {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"}"}}]}}]}
               {"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"one","arguments":"{}"}}]},"finish_reason":"stop"}]}"#,
        );
        assert_eq!(no_index, [call("a", "one", "{}"), call("b", "one", "{}"), end.clone()]);
        let no_id = deltas(
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"one","arguments":"{}"}},{"function":{"name":"two","arguments":"{}"}}]}}]}"#,
        );
        assert_eq!(no_id, [call("", "one", "{}"), call("", "two", "{}"), end.clone()]);
        let all_zero = deltas(
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"one","arguments":"{}"}}]}}]}
               {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"two","arguments":"{}"}}]}}]}"#,
        );
        assert_eq!(all_zero, [call("a", "one", "{}"), call("b", "two", "{}"), end]);
    }

    #[test]
    fn a_reply_that_was_not_streamed() {
        let got = deltas(
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi","tool_calls":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.5}}"#,
        );
        let usage = Usage { prompt_tokens: 1, completion_tokens: 1, cost_usd: Some(0.5) };
        let end = ModelDelta::Finish(FinishReason::Stop);
        assert_eq!(got, [ModelDelta::Text("Hi".into()), ModelDelta::Usage(usage), end]);
    }

    #[test]
    fn a_reply_without_end_is_refused() {
        let mut reply = Reply::default();
        let chunk = || {
            let text = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#, "x".repeat(1 << 20));
            serde_json::from_str::<Chunk>(&text).unwrap()
        };
        let outcome = (0..9).try_for_each(|_| reply.take(chunk(), &mut |_| {}));
        assert_eq!(outcome, Err(TooLarge));
    }
}
