//! The mux by plain calls: no socket, and time passes when the test says so.

use super::*;
use crate::testing::events;
use smooai_smooth_operator_protocol::{ErrorCode, InteractionKind, JsonObject};
use std::task::Waker;
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Timeouts = Timeouts {
    connect: SECOND,
    request: Duration::from_secs(2),
    idle: Duration::from_secs(30),
    turn: Duration::from_secs(60),
};

fn turn() -> Role {
    Role::Turn("s".to_owned())
}

fn gone() -> Error {
    Error::Lost { close_code: None, reason: "gone".to_owned() }
}

fn verdict(session: &str) -> Role {
    Role::Verdict(session.to_owned())
}

struct Bench {
    mux: Mux,
}

impl Bench {
    fn new() -> Self {
        Self { mux: Mux::new("ours-".to_owned()) }
    }

    fn start(&mut self, role: Role) -> String {
        let id = self.claim(None, role, SHORT);
        assert!(self.mux.sending(&id));
        id
    }

    fn claim(&mut self, wanted: Option<&str>, role: Role, timeouts: Timeouts) -> String {
        self.mux.claim(wanted, role, timeouts)
    }

    fn hear(&mut self, event: Event) {
        let size = event.to_json().len();
        self.mux.offer(event, size);
    }

    /// What waits unread, to its end.
    fn rest(&mut self, id: &str) -> Vec<Event> {
        std::iter::from_fn(|| self.next(id)).map(Result::unwrap).collect()
    }

    /// The server answers a verdict for a session.
    fn answer(&mut self, session: &str, answer: impl FnOnce(&str) -> Event) {
        let id = self.start(verdict(session));
        self.hear(answer(&id));
    }

    fn next(&mut self, id: &str) -> Option<Result<Event, Error>> {
        match self.mux.poll(id, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(item) => item,
            Poll::Pending => panic!("nothing is there for {id}"),
        }
    }

    fn waits(&mut self, id: &str) -> bool {
        self.mux.poll(id, &mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Seconds to the deadline of a request, and what it is for.
    fn left(&self, id: &str) -> Option<(u64, Phase)> {
        self.mux.inboxes[id].due.map(|(at, phase, _)| ((at - Instant::now()).as_secs(), phase))
    }
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_calls_in_any_order() {
    let mut bench = Bench::new();
    let (first, second) = (bench.start(Role::Call), bench.start(Role::Call));
    assert_ne!(first, second);
    bench.hear(events::pong(&second));
    assert!(bench.waits(&first));
    bench.hear(events::pong(&first));
    for id in [first, second] {
        assert_eq!(bench.next(&id).unwrap().unwrap().request_id(), Some(id.as_str()));
        assert!(bench.next(&id).is_none(), "a call has one answer");
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_nobody_go_to_whoever_listens() {
    let mut bench = Bench::new();
    let forever = Timeouts { request: Duration::MAX, ..SHORT };
    let listeners = [0, 1].map(|_| bench.claim(None, Role::Stray, forever));
    let call = bench.start(Role::Call);
    let unknown = |id: &str| format!(r#"{{"type":"news","requestId":"{id}","timestamp":1}}"#);
    for text in [r#"{"type":"news","timestamp":1}"#, &unknown("another's"), &unknown(&call)] {
        bench.hear(Event::from_json(text).unwrap());
    }
    assert!(bench.waits(&call), "an unknown event is no answer to a call");
    bench.mux.forget(&call);
    bench.hear(events::pong(&call));
    for listener in &listeners {
        for id in [None, Some("another's"), Some(call.as_str())] {
            assert_eq!(bench.next(listener).unwrap().unwrap().request_id(), id);
        }
        assert!(bench.waits(listener), "the late answer to what was given up is nobody's news");
        assert_eq!(bench.left(listener), None);
    }
    bench.mux.cut(Error::Busy);
    assert!(bench.waits(&listeners[0]), "one listens on after a line is lost");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_slow_loses_the_oldest_of_all_kinds() {
    let mut bench = Bench::new();
    let listener = bench.claim(None, Role::Stray, SHORT);
    for number in 0..3_000 {
        bench.hear(events::pong(&format!("another's {number}")));
    }
    let Some(Err(Error::Missed(events))) = bench.next(&listener) else { panic!("much was dropped") };
    let first = bench.next(&listener).unwrap().unwrap();
    assert_eq!(first.request_id(), Some(format!("another's {events}").as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_waits_too_often_keeps_what_it_waits_in_now() {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    for number in 0..2 * MAX_EVENTS {
        bench.hear(events::confirmation_required(&turn, "refund", &format!("Refund order {number}.")));
    }
    bench.hear(events::answer(&turn, "done"));
    assert!(matches!(bench.next(&turn), Some(Err(Error::Missed(_)))));
    let kept: Vec<Event> = std::iter::from_fn(|| bench.next(&turn)).map(Result::unwrap).collect();
    assert_eq!(kept.len(), MAX_EVENTS);
    assert_eq!(kept.last().unwrap().tag(), "eventual_response");
}

#[tokio::test(start_paused = true)]
async fn unknown_events_of_a_turn_belong_to_the_turn() {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    let text = format!(r#"{{"type":"news","requestId":"{turn}","timestamp":1,"x":[1]}}"#);
    bench.hear(Event::from_json(&text).unwrap());
    let Event::Unknown(unknown) = bench.next(&turn).unwrap().unwrap() else { panic!("unknown is unknown") };
    assert_eq!((unknown.tag.as_str(), &unknown.raw["x"][0]), ("news", &1.into()));
}

#[tokio::test(start_paused = true)]
async fn a_wanted_id_is_used_unless_it_is_taken() {
    let mut bench = Bench::new();
    let mine = Some("mine");
    assert_eq!(bench.claim(mine, turn(), SHORT), "mine");
    assert_ne!(bench.claim(mine, verdict("s"), SHORT), "mine", "a verdict gets one of its own");
    let second = bench.claim(mine, turn(), SHORT);
    assert!(matches!(bench.next(&second), Some(Err(Error::Invalid(_)))), "two turns cannot share an id");
    assert!(bench.next(&second).is_none());
    assert!(bench.waits("mine"));
    let (one, two) = (bench.claim(Some(""), Role::Call, SHORT), bench.claim(Some(""), Role::Call, SHORT));
    assert_ne!(one, two, "an empty id is none");
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_the_end_of_a_turn() {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    bench.hear(events::accepted(&turn));
    bench.hear(events::answer(&turn, "yes"));
    bench.hear(events::token(&turn, "late"));
    bench.hear(events::error(&turn, ErrorCode::AgentError, "late"));
    assert!(!bench.mux.sending(&turn));
    let tags: Vec<String> =
        std::iter::from_fn(|| bench.next(&turn)).map(|event| event.unwrap().tag().to_owned()).collect();
    assert_eq!(tags, ["immediate_response", "eventual_response"]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_reads_stays_small_and_keeps_what_matters() {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    bench.hear(events::accepted(&turn));
    bench.hear(events::confirmation_required(&turn, "refund", "Refund it."));
    let chunk = events::tool_result(&turn, "refund", &"x".repeat(400));
    for _ in 0..20_000 {
        bench.hear(events::token(&turn, "a few words "));
        bench.hear(chunk.clone());
    }
    bench.hear(events::answer(&turn, "done"));
    let inbox = &bench.mux.inboxes[&turn];
    assert!(inbox.queue.len() <= MAX_EVENTS, "{} events", inbox.queue.len());

    assert!(matches!(bench.next(&turn), Some(Err(Error::Missed(events))) if events > 30_000));
    let kept: Vec<Event> = std::iter::from_fn(|| bench.next(&turn)).map(Result::unwrap).collect();
    assert!(matches!(kept.first(), Some(Event::ImmediateResponse(_))));
    assert!(matches!(kept.get(1), Some(Event::WriteConfirmationRequired(_))));
    assert!(matches!(kept.last(), Some(Event::EventualResponse(_))));
    assert!(kept.len() > 100, "it keeps what fits");
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_long_events_that_nobody_reads_stays_small_too() {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    bench.hear(events::confirmation_required(&turn, "refund", "Refund it."));
    let long = events::token(&turn, &"x".repeat(100_000));
    for _ in 0..MAX_EVENTS / 2 {
        bench.hear(long.clone());
    }
    bench.hear(events::answer(&turn, &"y".repeat(300_000)));
    assert!(matches!(bench.next(&turn), Some(Err(Error::Missed(events))) if events > 500));
    let kept = bench.rest(&turn);
    let bytes: usize = kept.iter().map(|event| event.to_json().len()).sum();
    assert!(bytes <= MAX_BYTES && kept.contains(&long), "it keeps {} events of {bytes} bytes", kept.len());
    assert!(matches!(kept.first(), Some(Event::WriteConfirmationRequired(_))));
    assert!(matches!(kept.last(), Some(Event::EventualResponse(_))));
    assert_eq!(bench.mux.inboxes[&turn].bytes, 0, "what was read is no longer counted");
}

#[tokio::test(start_paused = true)]
async fn what_a_turn_waits_in_and_what_it_ends_with_are_kept_at_any_length() {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    let (question, end) = ("Refund it? ".repeat(70_000), "No. ".repeat(200_000));
    bench.hear(events::otp_required(&turn, "refund", &question));
    for _ in 0..2 * MAX_EVENTS {
        bench.hear(events::otp_invalid(&turn, 3));
    }
    let Some(Err(Error::Missed(_))) = bench.next(&turn) else { panic!("much was dropped") };
    assert!(matches!(bench.next(&turn), Some(Ok(Event::OtpVerificationRequired(_)))));

    bench.hear(events::otp_required(&turn, "refund", &question));
    bench.hear(events::answer(&turn, &end));
    let Some(Err(Error::Missed(_))) = bench.next(&turn) else { panic!("both are too much") };
    let kept = bench.rest(&turn);
    assert!(matches!(kept.as_slice(), [Event::EventualResponse(_)]));
}

#[tokio::test(start_paused = true)]
async fn each_phase_has_its_limit() {
    let mut bench = Bench::new();
    let turn = bench.claim(None, turn(), SHORT);
    advance(SECOND).await;
    assert!(bench.mux.sending(&turn));
    assert_eq!(bench.left(&turn), Some((1, Phase::Request)), "a wait for a connection is part of it");
    bench.hear(events::accepted(&turn));
    assert_eq!(bench.left(&turn), Some((30, Phase::Idle)));
    for _ in 0..2 {
        advance(20 * SECOND).await;
        bench.hear(events::keepalive(&turn));
    }
    assert_eq!(bench.left(&turn), Some((20, Phase::Turn)));
    for _ in 0..3 {
        bench.next(&turn).unwrap().unwrap();
    }
    advance(19 * SECOND).await;
    assert!(bench.waits(&turn));
    advance(SECOND).await;
    let Some(Err(Error::Timeout { phase, limit, .. })) = bench.next(&turn) else {
        panic!("it took too long")
    };
    assert_eq!((phase, limit), (Phase::Turn, SHORT.turn));
    assert!(bench.next(&turn).is_none());
    assert!(!bench.mux.sending(&turn), "what has timed out is not sent");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_forever_is_none() {
    let mut bench = Bench::new();
    let forever = Duration::MAX;
    let timeouts = Timeouts { connect: forever, request: forever, idle: forever, turn: forever };
    let turn = bench.claim(None, turn(), timeouts);
    assert_eq!(bench.left(&turn), None);
    bench.mux.sending(&turn);
    bench.hear(events::accepted(&turn));
    assert_eq!(bench.left(&turn), None);
    bench.hear(events::confirmation_required(&turn, "refund", "Refund it."));
    bench.answer("s", |id| events::reply(id, &JsonObject::new()));
    assert_eq!(bench.left(&turn), None, "not after a park either");
}

/// Runs a turn for 10 seconds, parks it for an hour, lets `resume` happen, and returns what is left.
async fn parked_for_an_hour(
    park: Event,
    shown: Event,
    resume: impl FnOnce(&mut Bench),
) -> Option<(u64, Phase)> {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    bench.hear(events::accepted(&turn));
    advance(10 * SECOND).await;
    bench.hear(park);
    assert_eq!(bench.left(&turn), None, "the clock stands still");
    bench.hear(shown);
    bench.hear(events::keepalive(&turn));
    bench.hear(events::tool_result(&turn, "another", "beside it"));
    advance(3600 * SECOND).await;
    assert_eq!(bench.left(&turn), None, "it still stands");
    resume(&mut bench);
    bench.left(&turn)?;
    for _ in 0..2 {
        advance(20 * SECOND).await;
        bench.hear(events::keepalive(&turn));
    }
    bench.left(&turn)
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_a_parked_turn_stands_still() {
    let turn = "ours-1";
    let approval = || events::confirmation_required(turn, "refund", "Refund it.");
    let call = || events::tool_call(turn, "refund", "{}");
    let left = Some((10, Phase::Turn));
    assert_eq!(parked_for_an_hour(approval(), call(), |_| {}).await, None);
    assert_eq!(
        parked_for_an_hour(approval(), call(), |bench| bench.answer("s", events::otp_verified)).await,
        left
    );
    assert_eq!(
        parked_for_an_hour(approval(), call(), |bench| bench.answer("other", events::otp_verified)).await,
        None
    );
    let wrong = |attempts| move |bench: &mut Bench| bench.answer("s", |id| events::otp_invalid(id, attempts));
    assert_eq!(parked_for_an_hour(approval(), call(), wrong(1)).await, None);
    assert_eq!(parked_for_an_hour(approval(), call(), wrong(0)).await, left);
    let refused = |id: &str| events::error(id, ErrorCode::NoPendingConfirmation, "None waits.");
    assert_eq!(parked_for_an_hour(approval(), call(), |bench| bench.answer("s", refused)).await, None);
    let result = |bench: &mut Bench| bench.hear(events::tool_result(turn, "refund", "ok"));
    let word = |bench: &mut Bench| bench.hear(events::token(turn, "Refunded."));
    assert_eq!(
        parked_for_an_hour(approval(), call(), result).await,
        None,
        "other calls have results meanwhile"
    );
    assert_eq!(parked_for_an_hour(approval(), call(), word).await, left);
    let code = events::otp_required(turn, "refund", "Refund it.");
    assert_eq!(parked_for_an_hour(code, events::otp_sent(turn, "v***"), word).await, left);
}

#[tokio::test(start_paused = true)]
async fn a_turn_knows_the_form_it_waits_for() {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    assert!(bench.mux.park(&turn).is_none());
    let kind = InteractionKind::Choices;
    bench.hear(events::interaction_required(&turn, "i-1", kind, &JsonObject::new()));
    let Some(Event::InteractionRequired(park)) = bench.mux.park(&turn) else { panic!("it waits for a form") };
    assert_eq!(park.data.data.interaction_id, "i-1");
    bench.answer("s", |id| events::reply(id, &JsonObject::new()));
    assert!(bench.mux.park(&turn).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_parks_again_at_once_is_parked() {
    let mut bench = Bench::new();
    let turn = bench.start(turn());
    bench.hear(events::accepted(&turn));
    bench.hear(events::otp_required(&turn, "change", "Change it."));
    let verdict = bench.start(verdict("s"));
    bench.hear(events::otp_verified(&verdict));
    bench.hear(events::interaction_required(&turn, "i-1", InteractionKind::Choices, &JsonObject::new()));
    bench.next(&verdict).unwrap().unwrap();
    assert!(bench.mux.park(&turn).is_some() && bench.left(&turn).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lost_line_fails_what_was_sent_and_keeps_what_was_not() {
    let mut bench = Bench::new();
    let (turn, call) = (bench.start(turn()), bench.start(Role::Call));
    let waiting = bench.claim(None, Role::Call, SHORT);
    bench.hear(events::accepted(&turn));
    bench.mux.cut(gone());
    assert!(bench.next(&turn).unwrap().is_ok(), "what came before is not lost");
    for id in [&turn, &call] {
        assert!(matches!(bench.next(id), Some(Err(Error::Lost { .. }))));
        assert!(bench.next(id).is_none());
    }
    assert!(bench.waits(&waiting));
    assert!(bench.mux.sending(&waiting));
    bench.hear(events::pong(&waiting));
    assert!(bench.next(&waiting).unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_connection_tells_why_there_is_none() {
    let mut bench = Bench::new();
    bench.mux.cut(gone());
    let call = bench.claim(None, Role::Call, SHORT);
    advance(2 * SECOND).await;
    let Some(Err(Error::Timeout { source: Some(source), .. })) = bench.next(&call) else {
        panic!("no source")
    };
    assert!(matches!(*source, Error::Lost { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_mux_without_a_connection_for_good_fails_what_is_there_and_what_comes() {
    let mut bench = Bench::new();
    let (call, listener) = (bench.start(Role::Call), bench.claim(None, Role::Stray, SHORT));
    bench.mux.cut(Error::Closed);
    assert!(matches!(bench.next(&call), Some(Err(Error::Closed))));
    assert!(bench.next(&listener).is_none(), "a subscription just ends");
    let late = bench.claim(None, Role::Call, SHORT);
    assert!(matches!(bench.next(&late), Some(Err(Error::Closed))));
    assert!(bench.next(&late).is_none());
}
