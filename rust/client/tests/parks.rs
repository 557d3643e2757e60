//! A turn that waits for a person: what asks, what answers, and whose id the answer has.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_util::StreamExt as _;
use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, Peer, events};
use smooai_smooth_operator_client::{Client, Error, Phase, Timeouts, Turn};
use std::time::Duration;

async fn parked(park: impl FnOnce(&str) -> Event) -> (Client, Peer, Turn, String) {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let turn = client.send_message(SendMessageParams::new("s-1", "Refund order 17."));
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::accepted(&id)).await.unwrap();
    peer.send(park(&id)).await.unwrap();
    (client, peer, turn, id)
}

fn approval(id: &str) -> Event {
    events::confirmation_required(id, "refund", "Refund order 17.")
}

fn form(id: &str) -> Event {
    let field = IdentityField::new(IdentityFieldKey::Email, true);
    events::interaction_required(
        id,
        "i-7",
        InteractionKind::IdentityIntake,
        &IdentityIntakeSpec::new(vec![field]),
    )
}

#[tokio::test]
async fn who_only_waits_for_the_end_is_told_of_the_park_and_can_go_on() {
    let (_client, mut peer, mut turn, id) = parked(approval).await;
    let Err(Error::Parked(event)) = turn.finish().await else { panic!("the turn is parked") };
    assert!(matches!(*event, Event::WriteConfirmationRequired(event) if event.data.data.tool_id == "refund"));

    let server = async {
        let (verdict, action) = peer.action().await.unwrap();
        assert!(matches!(action, Action::ConfirmToolAction(params) if params.approved));
        assert_ne!(verdict, id, "a verdict has an id of its own");
        peer.reply(&verdict, &ConfirmToolActionReply::new("s-1", true)).await.unwrap();
        peer.send(events::tool_result(&id, "refund", "ok")).await.unwrap();
        peer.send(events::answer(&id, "Refunded.")).await.unwrap();
    };
    let (confirmed, ()) = tokio::join!(turn.confirm(true), server);
    assert!(confirmed.unwrap().approved);
    assert_eq!(turn.text().await.unwrap(), "Refunded.");
}

#[tokio::test]
async fn a_park_that_was_answered_elsewhere_is_not_asked_again() {
    let (client, mut peer, mut turn, id) = parked(approval).await;
    peer.send(events::tool_result(&id, "refund", "ok")).await.unwrap();
    peer.send(events::confirmation_required(&id, "refund", "Refund order 18.")).await.unwrap();
    // The answer to a ping shows that all of that has arrived before the turn is looked at.
    let (pinged, ()) = tokio::join!(client.ping(), async {
        let (ping, _) = peer.action().await.unwrap();
        peer.send(events::pong(&ping)).await.unwrap();
    });
    pinged.unwrap();
    let Err(Error::Parked(event)) = turn.finish().await else { panic!("the turn is parked") };
    let Event::WriteConfirmationRequired(event) = *event else { panic!("it waits for approval") };
    assert_eq!(event.data.data.action_description, "Refund order 18.");
}

#[tokio::test]
async fn a_verdict_that_nobody_waits_for_is_refused_without_touching_the_turn() {
    let (_client, mut peer, turn, id) = parked(approval).await;
    let server = async {
        let (verdict, _) = peer.action().await.unwrap();
        let refusal = events::error(&verdict, ErrorCode::NoPendingConfirmation, "None waits.");
        peer.send(refusal).await.unwrap();
        peer.send(events::answer(&id, "Answered elsewhere.")).await.unwrap();
    };
    let (refused, ()) = tokio::join!(turn.confirm(false), server);
    assert_eq!(refused.unwrap_err().code(), Some(&ErrorCode::NoPendingConfirmation));
    let tags: Vec<String> = turn.map(|event| event.unwrap().tag().to_owned()).collect().await;
    assert_eq!(tags, ["immediate_response", "write_confirmation_required", "eventual_response"]);
}

#[tokio::test]
async fn a_verdict_under_its_turns_id_is_sent_under_another() {
    let (client, mut peer, turn, id) = parked(approval).await;
    let params = ConfirmToolActionParams {
        request_id: Some(turn.request_id().to_owned()),
        ..ConfirmToolActionParams::new(turn.session_id(), true)
    };
    let server = async {
        let (verdict, _) = peer.action().await.unwrap();
        assert_ne!(verdict, id);
        peer.reply(&verdict, &ConfirmToolActionReply::new("s-1", true)).await.unwrap();
    };
    let (confirmed, ()) = tokio::join!(client.confirm_tool_action(params), server);
    confirmed.unwrap();
}

#[tokio::test]
async fn a_code_is_tried_until_it_is_right() {
    let (_client, mut peer, mut turn, id) =
        parked(|id| events::otp_required(id, "change", "Change it.")).await;
    peer.send(events::otp_sent(&id, "v***@example.com")).await.unwrap();
    assert!(matches!(turn.finish().await, Err(Error::Parked(_))));
    let server = async {
        let (first, action) = peer.action().await.unwrap();
        assert!(matches!(action, Action::VerifyOtp(params) if params.code == "111111"));
        peer.send(events::otp_invalid(&first, 4)).await.unwrap();
        let (second, _) = peer.action().await.unwrap();
        peer.send(events::otp_verified(&second)).await.unwrap();
        peer.send(events::answer(&id, "Changed.")).await.unwrap();
    };
    let client = async {
        let wrong = turn.verify("111111").await;
        assert!(matches!(wrong, Err(Error::CodeRejected(event)) if event.data.data.attempts_remaining == 4));
        turn.verify("222222").await.unwrap();
        turn.text().await.unwrap()
    };
    let (text, ()) = tokio::join!(client, server);
    assert_eq!(text, "Changed.");
}

#[tokio::test]
async fn a_form_is_answered_by_its_id_and_kind() {
    let (_client, mut peer, mut turn, id) = parked(form).await;
    assert!(matches!(turn.finish().await, Err(Error::Parked(_))));
    let server = async {
        let (first, action) = peer.action().await.unwrap();
        let Action::SubmitInteraction(params) = action else { panic!("a form's values") };
        assert_eq!(
            (params.interaction_id.as_str(), params.kind),
            ("i-7", Some(InteractionKind::IdentityIntake))
        );
        assert_eq!(params.values.unwrap()["email"], "nobody");
        let errors = vec![FieldError::new("email", "must be a valid email address")];
        let kind = InteractionKind::IdentityIntake;
        peer.send(events::interaction_invalid(&first, "i-7", kind, errors)).await.unwrap();
        let (second, action) = peer.action().await.unwrap();
        assert!(matches!(action, Action::SubmitInteraction(params) if params.declined == Some(true)));
        peer.reply(&second, &SubmitInteractionReply::new("s-1", "i-7")).await.unwrap();
        peer.send(events::answer(&id, "Without it, then.")).await.unwrap();
    };
    let client = async {
        let values =
            IdentityIntakeValues { email: Some("nobody".to_owned()), ..IdentityIntakeValues::default() };
        let Err(Error::ValuesRejected(rejected)) = turn.submit(&values).await else {
            panic!("not an address")
        };
        assert_eq!(rejected.data.data.errors[0].message, "must be a valid email address");
        turn.decline().await.unwrap();
        assert_eq!(turn.text().await.unwrap(), "Without it, then.");
        assert!(matches!(turn.decline().await, Err(Error::NotParked)));
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn values_that_are_no_object_are_not_sent() {
    let (_client, _peer, turn, _) = parked(form).await;
    assert!(matches!(turn.submit(&"text").await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_parked_turn_does_not_time_out_and_a_resumed_one_does() {
    // Nobody waits for so long: the clock runs ahead where only timers are left.
    let short = Duration::from_secs(15);
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let client = client.with_timeouts(Timeouts { idle: short, turn: short, ..Timeouts::default() });
    let mut turn = client.send_message(SendMessageParams::new("s-1", "Refund order 17."));
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::accepted(&id)).await.unwrap();
    peer.send(approval(&id)).await.unwrap();
    assert!(matches!(turn.finish().await, Err(Error::Parked(_))));
    tokio::time::pause();
    let waited = tokio::time::timeout(short * 2, turn.finish()).await;
    tokio::time::resume();
    assert!(waited.is_err(), "the clock stands still: {waited:?}");

    let (confirmed, ()) = tokio::join!(turn.confirm(true), async {
        let (verdict, _) = peer.action().await.unwrap();
        peer.reply(&verdict, &ConfirmToolActionReply::new("s-1", true)).await.unwrap();
    });
    confirmed.unwrap();
    tokio::time::pause();
    let ended = turn.finish().await;
    assert!(matches!(ended, Err(Error::Timeout { phase: Phase::Idle | Phase::Turn, .. })), "{ended:?}");
}
