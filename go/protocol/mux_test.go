package protocol

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// muxWithTurn is a mux with a turn "t", and what nobody waited for.
func muxWithTurn() (m *mux, turn *Turn, strays *[]string) {
	strays = &[]string{}
	turn = bareTurn()
	m = &turn.client.mux
	m.turns.Store("t", turn)
	turn.RequestID = "t"
	m.stray = func(event Event, err error) {
		if err != nil {
			*strays = append(*strays, "broken")
			return
		}
		*strays = append(*strays, event.EventTag())
	}
	return m, turn, strays
}

// expect lets a call wait for one of some events.
func expect(m *mux, id string, events ...string) (*pending, error) {
	call := &pending{events: events, answer: make(chan answer, 1)}
	return call, claim(&m.calls, id, call)
}

func frameOf(kind, id, rest string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"requestId":%q,"timestamp":1,%s}`, kind, id, rest)
}

func errorFrame(id string, code ErrorCode) []byte {
	body := fmt.Sprintf(`{"code":%q,"message":"m"}`, code)
	return frameOf("error", id, fmt.Sprintf(`"error":%s,"data":{"error":%s}`, body, body))
}

func TestAVerdictUnderTheTurnsIDIsNotTheTurns(t *testing.T) {
	m, turn, strays := muxWithTurn()
	call, err := expect(m, "t", "immediate_response")
	if err != nil {
		t.Fatal(err)
	}
	m.deliver(frameOf("immediate_response", "t", `"status":202,"message":"","data":{}`))
	m.deliver(errorFrame("t", ErrorCodeNoPendingConfirmation))
	if got := <-call.answer; got.event.EventTag() != "error" {
		t.Errorf("the verdict got %v", got.event)
	}
	if turn.isOver() || len(turn.queue) != 1 {
		t.Errorf("the turn got %v", turn.queue)
	}
	m.deliver(errorFrame("t", ErrorCodeAgentError))
	if _, err := turn.Wait(t.Context()); !errors.Is(err, &Error{Code: ErrorCodeAgentError}) {
		t.Errorf("got %v", err)
	}
	m.deliver(frameOf("pong", "t", `"data":{"timestamp":1}`))
	if len(*strays) != 1 {
		t.Errorf("strays: %v", *strays)
	}
}

func TestAVerdictLetsTheTurnGoOnWhenItIsTaken(t *testing.T) {
	m, turn, _ := muxWithTurn()
	for _, frame := range [][]byte{
		errorFrame("t", ErrorCodeRateLimited),
		frameOf("immediate_response", "t", `"status":200,"message":"","data":{}`),
	} {
		turn.push(&WriteConfirmationRequiredEvent{})
		if _, err := expect(m, "t", "immediate_response"); err != nil {
			t.Fatal(err)
		}
		refused := turn.Parked()
		m.deliver(frame)
		if event, _ := UnmarshalEvent(frame); event.EventTag() == "immediate_response" {
			refused = nil
		}
		if got := turn.Parked(); got != refused {
			t.Errorf("after %s it waits for %v", frame, got)
		}
	}
}

func TestWhoeverHasAnAnswerFindsTheTurnAsItIsAfterIt(t *testing.T) {
	for name, frame := range map[string][]byte{
		"verdict": frameOf("immediate_response", "t", `"status":200,"message":"","data":{}`),
		"code":    frameOf("otp_verified", "t", `"data":{"requestId":"t","data":{"message":"m"}}`),
	} {
		synctest.Test(t, func(t *testing.T) {
			m, turn, _ := muxWithTurn()
			turn.push(&OTPVerificationRequiredEvent{})
			call := &pending{events: []string{"immediate_response", "otp_verified"}, answer: make(chan answer)}
			if err := claim(&m.calls, "t", call); err != nil {
				t.Fatal(err)
			}
			go m.deliver(frame)
			synctest.Wait() // it hands the answer over
			if got := turn.Parked(); got != nil {
				t.Errorf("with the %s the turn still waits for %s", name, got.EventTag())
			}
			if got := <-call.answer; got.err != nil {
				t.Error(got.err)
			}
		})
	}
}

func TestAFailureOfTheTurnIsNoAnswerToItsVerdict(t *testing.T) {
	m, turn, _ := muxWithTurn()
	call, err := expect(m, "t", "immediate_response")
	if err != nil {
		t.Fatal(err)
	}
	m.deliver(errorFrame("t", ErrorCodeAgentError))
	if _, err := turn.Wait(t.Context()); !errors.Is(err, &Error{Code: ErrorCodeAgentError}) {
		t.Errorf("the turn got %v", err)
	}
	m.deliver(errorFrame("t", ErrorCodeNoPendingConfirmation))
	if got := <-call.answer; !errors.Is(got.err, &Error{Code: ErrorCodeNoPendingConfirmation}) {
		t.Errorf("the verdict got %v", got.err)
	}
}

func TestABrokenFrameFailsWhoeverItNames(t *testing.T) {
	m, turn, strays := muxWithTurn()
	call, err := expect(m, "c", "pong")
	if err != nil {
		t.Fatal(err)
	}
	m.deliver(frameOf("pong", "c", `"data":{}`))
	var wrong *DecodeError
	if got := <-call.answer; !errors.As(got.err, &wrong) || wrong.Pointer != "/data/timestamp" {
		t.Errorf("the call got %v", got.err)
	}
	verdict, err := expect(m, "t", "immediate_response")
	if err != nil {
		t.Fatal(err)
	}
	m.deliver(frameOf("stream_token", "t", `"token":7,"data":{"requestId":"t","token":"a"}`))
	if got := <-verdict.answer; !errors.As(got.err, &wrong) || wrong.Pointer != "/token" {
		t.Errorf("the verdict got %v", got.err)
	}
	if _, err := turn.Wait(t.Context()); !errors.As(err, &wrong) || wrong.Pointer != "/token" {
		t.Errorf("the turn got %v", err)
	}
	m.deliver([]byte("nope"))
	m.deliver(frameOf("pong", "nobody", `"data":7`))
	if len(*strays) != 2 {
		t.Errorf("strays: %v", *strays)
	}
}

func TestAnIDIsUsedOnceAtATime(t *testing.T) {
	m, turn, _ := muxWithTurn()
	call, err := expect(m, "c", "pong")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := expect(m, "c", "pong"); !errors.Is(err, errInUse) {
		t.Errorf("got %v", err)
	}
	if err := claim(&m.turns, "t", &Turn{RequestID: "t"}); !errors.Is(err, errInUse) {
		t.Errorf("got %v", err)
	}
	m.calls.CompareAndDelete("c", call)
	turn.push(answerEvent("a"))
	if _, err := expect(m, "c", "pong"); err != nil {
		t.Error(err)
	}
	if err := claim(&m.turns, "t", &Turn{RequestID: "t"}); err != nil {
		t.Error(err)
	}
}

func TestALossFailsWhatIsUnderWay(t *testing.T) {
	m, turn, _ := muxWithTurn()
	call, err := expect(m, "c", "pong")
	if err != nil {
		t.Fatal(err)
	}
	m.failAll(ErrConnectionLost)
	if got := <-call.answer; !errors.Is(got.err, ErrConnectionLost) {
		t.Errorf("the call got %v", got.err)
	}
	if _, err := turn.Wait(t.Context()); !errors.Is(err, ErrConnectionLost) {
		t.Errorf("the turn got %v", err)
	}
	if _, err := expect(m, "c", "pong"); err != nil {
		t.Error(err)
	}
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	var s Settings
	s.fill()
	for attempt, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 20000, 20000} {
		if got := s.backoff(attempt, 1); got != want*time.Millisecond {
			t.Errorf("attempt %d: %v", attempt, got)
		}
		if got := s.backoff(attempt, 0); got != 0 {
			t.Errorf("attempt %d: %v at least", attempt, got)
		}
	}
	if got := s.backoff(1000, 0.5); got != 10*time.Second {
		t.Errorf("attempt 1000: %v", got)
	}
}
