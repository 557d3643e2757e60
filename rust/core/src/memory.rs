//! What an agent remembers of a conversation between its turns.

use crate::message::ChatMessage;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The memory of one conversation. Its messages are the `history` of
/// [`Agent::begin`](crate::Agent::begin).
#[async_trait]
pub trait Memory: Send + Sync {
    /// The newest messages that together fit `budget` tokens (by [`ChatMessage::tokens`]), oldest
    /// first. Where older ones are left out, what is returned begins with a person's message, so that
    /// no answer and no tool result stands without what it answers.
    ///
    /// # Errors
    /// When the memory cannot be read.
    async fn recall(&self, budget: usize) -> Result<Vec<ChatMessage>, MemoryError>;

    /// Adds messages, oldest first: usually what the person said and what was answered.
    ///
    /// # Errors
    /// When the memory cannot be written.
    async fn remember(&self, messages: Vec<ChatMessage>) -> Result<(), MemoryError>;
}

/// A memory that could not be read or written. The cause is for the log.
#[derive(Debug, thiserror::Error)]
#[error("the conversation's memory failed")]
pub struct MemoryError(#[source] pub Box<dyn Error + Send + Sync>);

/// A memory in this process: a window of the newest messages, within a number and a token budget.
#[derive(Debug)]
pub struct WindowMemory {
    max_messages: usize,
    max_tokens: usize,
    messages: Mutex<VecDeque<ChatMessage>>,
}

impl WindowMemory {
    /// An empty memory that keeps at most `max_messages` messages of together at most `max_tokens`
    /// tokens, and forgets whole exchanges from the oldest on.
    #[must_use]
    pub fn new(max_messages: usize, max_tokens: usize) -> Self {
        Self { max_messages, max_tokens, messages: Mutex::default() }
    }

    /// The window is replaced as a whole, so a panic elsewhere cannot leave it half changed.
    fn messages(&self) -> MutexGuard<'_, VecDeque<ChatMessage>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Memory for WindowMemory {
    async fn recall(&self, budget: usize) -> Result<Vec<ChatMessage>, MemoryError> {
        let mut messages = self.messages();
        let start = window_start(messages.make_contiguous(), self.max_messages, budget);
        Ok(messages.range(start..).cloned().collect())
    }

    async fn remember(&self, new: Vec<ChatMessage>) -> Result<(), MemoryError> {
        let mut messages = self.messages();
        messages.extend(new);
        let start = window_start(messages.make_contiguous(), self.max_messages, self.max_tokens);
        messages.drain(..start);
        Ok(())
    }
}

/// Where the newest messages within both bounds begin; moved on to a person's message when something
/// is left out.
fn window_start(messages: &[ChatMessage], max_messages: usize, max_tokens: usize) -> usize {
    let mut left = max_tokens;
    let fits = |message: &&ChatMessage| match left.checked_sub(message.tokens()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let count = messages.iter().rev().take(max_messages).take_while(fits).count();
    match messages.len() - count {
        0 => 0,
        start => next_exchange(messages, start),
    }
}

/// The first place from `start` on where a person speaks, or the end.
pub(crate) fn next_exchange(messages: &[ChatMessage], start: usize) -> usize {
    let speaks = |message: &ChatMessage| matches!(message, ChatMessage::User { .. });
    messages[start..].iter().position(speaks).map_or(messages.len(), |at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::RequestedCall;
    use futures_util::FutureExt;

    /// An exchange with one tool call: 5 + 12 or more + 5 + 5 tokens.
    fn exchange(word: &str) -> Vec<ChatMessage> {
        let call = RequestedCall { id: word.to_owned(), name: "look".to_owned(), arguments: String::new() };
        vec![
            ChatMessage::user(word),
            ChatMessage::Assistant { text: String::new(), calls: vec![call] },
            ChatMessage::Tool { call_id: word.to_owned(), name: "look".to_owned(), text: word.to_owned() },
            ChatMessage::assistant(word),
        ]
    }

    fn recall(memory: &WindowMemory, budget: usize) -> Vec<ChatMessage> {
        memory.recall(budget).now_or_never().unwrap().unwrap()
    }

    fn remember(memory: &WindowMemory, messages: Vec<ChatMessage>) {
        memory.remember(messages).now_or_never().unwrap().unwrap();
    }

    #[test]
    fn recall_gives_the_newest_whole_exchanges_that_fit() {
        let memory = WindowMemory::new(50, 10_000);
        remember(&memory, exchange("one"));
        remember(&memory, exchange("two"));
        let whole: usize = exchange("two").iter().map(ChatMessage::tokens).sum();
        let both = [exchange("one"), exchange("two")].concat();
        assert_eq!(recall(&memory, 2 * whole), both);
        assert_eq!(recall(&memory, 2 * whole - 1), exchange("two"));
        assert_eq!(recall(&memory, whole), exchange("two"));
        assert_eq!(recall(&memory, whole - 1), []);
        assert_eq!(recall(&memory, 0), []);
    }

    #[test]
    fn a_window_forgets_the_oldest_beyond_either_bound() {
        let by_number = WindowMemory::new(4, 10_000);
        let by_tokens = WindowMemory::new(50, 40);
        for memory in [&by_number, &by_tokens] {
            for word in ["one", "two", "six"] {
                remember(memory, exchange(word));
            }
            assert_eq!(recall(memory, usize::MAX), exchange("six"));
            assert_eq!(memory.messages().len(), 4);
        }
    }

    #[test]
    fn an_opening_word_of_the_agent_is_kept_while_it_fits() {
        let memory = WindowMemory::new(50, 10_000);
        remember(&memory, vec![ChatMessage::assistant("Welcome."), ChatMessage::user("Hello.")]);
        assert_eq!(recall(&memory, 100).len(), 2);
    }
}
