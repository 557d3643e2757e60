//! The model: its last reply, its budget, its context window, and every way a reply can go wrong.

use crate::script::{Script, agent, begin, deltas, echo, play, refuses, says, text, tool_messages, wants};
use async_trait::async_trait;
use smooai_smooth_operator_core::{
    ChatMessage, CostBudget, Effect, FinishReason, KnowledgeBase, KnowledgeError, KnowledgePassage, LlmError,
    LlmErrorKind, ModelDelta, Retrieve, Usage, Workflow, format_passages,
};
use std::sync::Arc;

#[tokio::test]
async fn a_plain_turn_from_passages_to_the_answer() {
    struct Shelf;
    #[async_trait]
    impl KnowledgeBase for Shelf {
        async fn search(&self, query: &str, _limit: usize) -> Result<Vec<KnowledgePassage>, KnowledgeError> {
            let text = format!("About {query}");
            Ok(vec![KnowledgePassage { source: "a.md".into(), title: "A".into(), text }])
        }
    }
    let usage = Usage { prompt_tokens: 7, completion_tokens: 2, cost_usd: None };
    let llm = Script::of(vec![deltas(vec![
        Ok(ModelDelta::Reasoning("Hm.".into())),
        Ok(ModelDelta::Reasoning(String::new())),
        Ok(text("Hel")),
        Ok(text("")),
        Ok(text("lo.")),
        Ok(ModelDelta::Usage(usage)),
        Ok(ModelDelta::Finish(FinishReason::Stop)),
    ])]);
    let mut agent = agent(&llm, vec![]);
    agent.workflow = Workflow::default().then(Arc::new(Retrieve::new(Arc::new(Shelf), 3)));
    let mut run = agent.begin(vec![ChatMessage::assistant("Welcome.")], ChatMessage::user("now?"));
    let expected =
        "phase retrieve\nphase response_gen\nreasoning Hm.\ntoken Hel\ntoken lo.\ndone Stop \"Hello.\"";
    assert_eq!(play(&agent, &mut run).await, expected);
    assert_eq!(run.usage(), usage);
    let [help, welcome, passages, question] = &llm.asked()[0].messages[..] else { panic!("four messages") };
    assert_eq!((help, welcome), (&ChatMessage::system("Help."), &ChatMessage::assistant("Welcome.")));
    assert_eq!(*question, ChatMessage::user("now?"));
    let ChatMessage::System { text } = passages else { panic!("passages are instructions") };
    let found = KnowledgePassage { source: "a.md".into(), title: "A".into(), text: "About now?".into() };
    assert!(text.ends_with(&format_passages(&[found])), "{text}");
}

#[tokio::test]
async fn a_phase_that_fails_ends_the_turn_with_its_name() {
    struct Broken;
    #[async_trait]
    impl KnowledgeBase for Broken {
        async fn search(&self, _: &str, _: usize) -> Result<Vec<KnowledgePassage>, KnowledgeError> {
            Err(KnowledgeError("no index".into()))
        }
    }
    let llm = Script::of(vec![]);
    let mut agent = agent(&llm, vec![]);
    agent.workflow = Workflow::default().then(Arc::new(Retrieve::new(Arc::new(Broken), 3)));
    let mut run = begin(&agent);
    let told = play(&agent, &mut run).await;
    assert!(told.starts_with("phase retrieve\nfailed phase `retrieve` failed: the knowledge base"), "{told}");
    assert!(llm.asked().is_empty());
}

#[tokio::test]
async fn the_last_reply_is_asked_for_without_tools_and_calls_in_it_are_not_made() {
    let look = &[("a", "look", "")];
    let llm = Script::of(vec![wants(look), wants(look)]);
    let mut agent = agent(&llm, vec![(echo("look", Effect::Read), vec![])]);
    agent.config.max_iterations = 2;
    let mut run = begin(&agent);
    let expected =
        "phase response_gen\ncall a look \nresult a look: look {}\nphase response_gen\ndone ToolCalls \"\"";
    assert_eq!(play(&agent, &mut run).await, expected);
    let asked = llm.asked();
    assert_eq!(asked.iter().map(|request| request.may_call_tools).collect::<Vec<_>>(), [true, false]);
    assert!(asked.iter().all(|request| request.tools.len() == 1), "tools stay named");
    let Some(ChatMessage::System { text }) = asked[1].messages.last() else { panic!("told to finish") };
    assert!(text.starts_with("No more tools"), "{text}");
    let told_in_run = |message: &&ChatMessage| matches!(message, ChatMessage::System { .. });
    assert_eq!(run.messages().iter().filter(told_in_run).count(), 1, "that is not kept as history");
}

#[tokio::test]
async fn a_spent_budget_makes_the_next_reply_the_last() {
    for budget in [
        CostBudget { max_tokens: Some(15), max_cost_usd: None },
        CostBudget { max_cost_usd: Some(0.25), max_tokens: None },
    ] {
        let llm = Script::of(vec![wants(&[("a", "look", "")]), says(&["Enough."])]);
        let mut agent = agent(&llm, vec![(echo("look", Effect::Read), vec![])]);
        agent.config.budget = budget;
        let mut run = begin(&agent);
        assert!(play(&agent, &mut run).await.ends_with("done Stop \"Enough.\""));
        assert_eq!(
            llm.asked().iter().map(|request| request.may_call_tools).collect::<Vec<_>>(),
            [true, false]
        );
    }
}

#[tokio::test]
async fn a_small_context_window_drops_the_oldest_exchanges_and_says_so() {
    let too_long = || refuses(LlmErrorKind::ContextTooLong);
    let llm = Script::of(vec![too_long(), too_long(), says(&["Short."])]);
    let agent = agent(&llm, vec![]);
    let history = (0..3).flat_map(|at| {
        [ChatMessage::user(format!("question {at}")), ChatMessage::assistant(format!("answer {at}"))]
    });
    let mut run = agent.begin(history.collect(), ChatMessage::user("now?"));
    let expected = "phase response_gen\ndropped 4\nphase response_gen\ndropped 2\nphase response_gen\ntoken Short.\ndone Stop \"Short.\"";
    assert_eq!(play(&agent, &mut run).await, expected);
    let asked = llm.asked();
    assert_eq!(asked.iter().map(|request| request.messages.len()).collect::<Vec<_>>(), [8, 4, 2]);
    let expected = [
        ChatMessage::system("Help."),
        ChatMessage::user("question 2"),
        ChatMessage::assistant("answer 2"),
        ChatMessage::user("now?"),
    ];
    assert_eq!(asked[1].messages, expected);
}

#[tokio::test]
async fn a_window_too_small_for_this_turn_alone_fails() {
    let llm = Script::of(vec![refuses(LlmErrorKind::ContextTooLong)]);
    let agent = agent(&llm, vec![]);
    let mut run = begin(&agent);
    let expected = "phase response_gen\nfailed the model failed: ContextTooLong: the provider's own words";
    assert_eq!(play(&agent, &mut run).await, expected);
}

#[tokio::test]
async fn a_reply_may_be_empty_or_cut_and_says_why() {
    for (pieces, finish, expected) in [
        (vec![], FinishReason::Stop, "done Stop \"\""),
        (vec!["Half a"], FinishReason::Length, "token Half a\ndone Length \"Half a\""),
        (vec!["Half a"], FinishReason::ContentFilter, "token Half a\ndone ContentFilter \"Half a\""),
    ] {
        let mut reply: Vec<_> = pieces.into_iter().map(|piece| Ok(text(piece))).collect();
        reply.push(Ok(ModelDelta::Finish(finish)));
        let llm = Script::of(vec![deltas(reply)]);
        let agent = agent(&llm, vec![]);
        let mut run = begin(&agent);
        assert_eq!(play(&agent, &mut run).await, format!("phase response_gen\n{expected}"));
    }
}

#[tokio::test]
async fn a_failed_reply_fails_the_turn_and_the_run_may_be_driven_again() {
    let broken = || LlmError::new(LlmErrorKind::Interrupted, "reset");
    let unavailable = "phase response_gen\nfailed the model failed: Unavailable: the provider's own words";
    let interrupted = "phase response_gen\ntoken Hel\nfailed the model failed: Interrupted: ";
    for (reply, expected) in [
        (refuses(LlmErrorKind::Unavailable), unavailable.to_owned()),
        (deltas(vec![Ok(text("Hel")), Err(broken())]), format!("{interrupted}reset")),
        (deltas(vec![Ok(text("Hel"))]), format!("{interrupted}the reply ended without a finish reason")),
        (
            deltas(vec![Ok(ModelDelta::Finish(FinishReason::ContentFilter))]),
            "phase response_gen\nfailed the model failed: ContentFiltered: the provider withheld its reply"
                .to_owned(),
        ),
    ] {
        let llm = Script::of(vec![reply, says(&["Hello."])]);
        let agent = agent(&llm, vec![]);
        let mut run = begin(&agent);
        let before = run.clone();
        assert_eq!(play(&agent, &mut run).await, expected);
        assert_eq!(run, before, "what was not said to its end is not said");
        assert!(play(&agent, &mut run).await.ends_with("done Stop \"Hello.\""));
    }
}

#[tokio::test]
async fn ids_that_the_model_leaves_out_or_repeats_are_replaced_in_events_and_messages_alike() {
    let llm = Script::of(vec![
        wants(&[("", "look", ""), ("", "look", "")]),
        wants(&[("x", "look", "")]),
        says(&["."]),
    ]);
    let agent = agent(&llm, vec![(echo("look", Effect::Read), vec![])]);
    let mut run = begin(&agent);
    let told = play(&agent, &mut run).await;
    for message in tool_messages(&run) {
        let id = message.split(':').next().unwrap();
        assert!(!id.is_empty() && told.contains(&format!("call {id} look")), "{id}: {told}");
    }
    assert_eq!(tool_messages(&run).len(), 3);
}
