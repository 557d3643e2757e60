//! A scripted reply as bytes: server-sent events for a stream, one object otherwise.

use serde_json::{Value, json};

use super::reply::{LineEnd, Piece, Reply};

/// The event that one piece becomes; `None` for gates and cuts, and for usage that nobody asked for.
#[must_use]
pub fn event(piece: &Piece, request: &Value, line_end: LineEnd) -> Option<Vec<u8>> {
    let delta =
        |delta: Value| chunk(request, &json!([{ "index": 0, "delta": delta, "finish_reason": null }]));
    let data = match piece {
        Piece::Content(text) => delta(json!({ "content": text })),
        Piece::Reasoning(text) => delta(json!({ "reasoning_content": text })),
        Piece::ToolCall { index, id, name, arguments } => delta(json!({ "tool_calls": [
            { "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }
        ] })),
        Piece::Arguments { index, fragment } => {
            delta(json!({ "tool_calls": [{ "index": index, "function": { "arguments": fragment } }] }))
        }
        Piece::Finish(reason) => {
            chunk(request, &json!([{ "index": 0, "delta": {}, "finish_reason": reason }]))
        }
        Piece::Usage { .. } if request["stream_options"]["include_usage"] != true => return None,
        Piece::Usage { prompt, completion } => {
            let mut usage = chunk(request, &json!([]));
            usage["usage"] = usage_object(*prompt, *completion);
            usage
        }
        Piece::Error(error) => error.clone(),
        Piece::Comment(text) => return Some(lines(&format!(": {text}"), line_end)),
        Piece::Data(text) => return Some(lines(&format!("data: {text}"), line_end)),
        Piece::Gate(_) | Piece::Cut => return None,
    };
    Some(lines(&format!("data: {data}"), line_end))
}

/// The pieces of a whole stream: an opening role delta, what is scripted, and the finish reason before
/// the usage chunk where the script gives none.
#[must_use]
pub fn stream(reply: &Reply) -> Vec<Piece> {
    let mut pieces = reply.pieces.clone();
    let ends = |piece: &Piece| matches!(piece, Piece::Finish(_) | Piece::Cut | Piece::Error(_));
    if !pieces.iter().any(ends) {
        let at = pieces.iter().position(|piece| matches!(piece, Piece::Usage { .. })).unwrap_or(pieces.len());
        pieces.insert(at, Piece::Finish(reply.finish_reason().to_owned()));
    }
    if reply.done && !pieces.iter().any(|piece| matches!(piece, Piece::Cut)) {
        pieces.push(Piece::Data("[DONE]".to_owned()));
    }
    pieces
}

/// The same reply as one `chat.completion` object.
#[must_use]
pub fn completion(reply: &Reply, request: &Value) -> Value {
    let mut message = json!({ "role": "assistant", "content": null });
    let mut calls: Vec<Value> = Vec::new();
    let mut usage = usage_object(0, 0);
    for piece in &reply.pieces {
        match piece {
            Piece::Content(text) => append(&mut message["content"], text),
            Piece::Reasoning(text) => append(&mut message["reasoning_content"], text),
            Piece::ToolCall { id, name, arguments, .. } => calls.push(json!(
                { "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }
            )),
            Piece::Arguments { index, fragment } => {
                if let Some(call) = calls.get_mut(*index) {
                    append(&mut call["function"]["arguments"], fragment);
                }
            }
            Piece::Usage { prompt, completion } => usage = usage_object(*prompt, *completion),
            _ => {}
        }
    }
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
    }
    json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": request["model"], "usage": usage,
            "choices": [{ "index": 0, "message": message, "finish_reason": reply.finish_reason() }] })
}

fn append(target: &mut Value, text: &str) {
    *target = Value::String(format!("{}{text}", target.as_str().unwrap_or_default()));
}

fn usage_object(prompt: u32, completion: u32) -> Value {
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

fn chunk(request: &Value, choices: &Value) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0,
            "model": request["model"], "choices": choices })
}

fn lines(line: &str, line_end: LineEnd) -> Vec<u8> {
    let end = match line_end {
        LineEnd::Lf => "\n",
        LineEnd::CrLf => "\r\n",
    };
    format!("{line}{end}{end}").into_bytes()
}
