package protocol

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// bareTurn is a turn without a socket, whose events the test pushes.
func bareTurn(options ...TurnOption) *Turn {
	c := &Client{options: Options{Settings: Settings{TurnTimeout: time.Minute, IdleTimeout: 10 * time.Second}}}
	t := newTurn(c, "turn", "session", options)
	c.mux.turns.Store(t.RequestID, t)
	t.resume()
	return t
}

func tokenEvent(text string) Event { return &StreamTokenEvent{Token: text} }

func answerEvent(text string) Event {
	return &EventualResponseEvent{Data: EventualResponseData{Data: TurnResult{Response: TurnResponse{ResponseParts: []string{text}}}}}
}

func tags(t *testing.T, turn *Turn) (out []string, failed error) {
	t.Helper()
	for event, err := range turn.Events(t.Context()) {
		if err != nil {
			failed = err
			continue
		}
		out = append(out, event.EventTag())
	}
	return out, failed
}

func TestASilentTurnTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn, start := bareTurn(), time.Now()
		time.Sleep(9 * time.Second)
		turn.push(&KeepaliveEvent{})
		_, err := turn.Wait(t.Context())
		if !errors.Is(err, ErrIdleTimeout) || time.Since(start) != 19*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		var failed *Error
		if !errors.As(err, &failed) || !failed.Retryable() || failed.RequestID != "turn" {
			t.Errorf("got %#v", err)
		}
		if _, known := turn.client.mux.turns.Load("turn"); known {
			t.Error("a turn that has ended is still known")
		}
	})
}

func TestATurnMayHaveASilenceOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn, start := bareTurn(WithIdleTimeout(time.Second)), time.Now()
		if _, err := turn.Wait(t.Context()); !errors.Is(err, ErrIdleTimeout) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestALongTurnTimesOutThoughItSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn, start := bareTurn(WithTurnTimeout(20*time.Second)), time.Now()
		for range 4 {
			time.Sleep(6 * time.Second)
			turn.push(tokenEvent("a"))
		}
		_, err := turn.Wait(t.Context())
		if !errors.Is(err, ErrTurnTimeout) || time.Since(start) != 24*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if got, failed := tags(t, turn); len(got) != 3 || !errors.Is(failed, ErrTimeout) {
			t.Errorf("got %v, %v", got, failed)
		}
	})
}

func TestAParkedTurnStandsStill(t *testing.T) {
	for name, parks := range map[string]Event{
		"confirmation": &WriteConfirmationRequiredEvent{},
		"interaction":  &InteractionRequiredEvent{},
		"otp":          &OTPVerificationRequiredEvent{},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turn := bareTurn()
				time.Sleep(5 * time.Second)
				turn.push(parks)
				turn.push(&OTPSentEvent{})
				time.Sleep(time.Hour)
				turn.push(&KeepaliveEvent{})
				turn.push(&InteractionInvalidEvent{})
				turn.push(wrongCode(1))
				turn.push(&UnknownEvent{Tag: "new"})
				for _, progress := range []*ToolProgress{{ToolCall: &ToolCall{}}, {ToolResult: &ToolResult{}}, nil} {
					turn.push(&StreamChunkEvent{Data: StreamChunkData{State: StreamChunkState{RawResponse: progress}}})
				}
				time.Sleep(time.Hour)
				if turn.isOver() || turn.Parked() != parks {
					t.Fatal("the clock ran while the turn was parked")
				}
				turn.resume()
				start := time.Now()
				for range 9 {
					time.Sleep(6 * time.Second)
					turn.push(tokenEvent("a"))
				}
				_, err := turn.Wait(t.Context())
				if !errors.Is(err, ErrTimeout) || time.Since(start) != 55*time.Second {
					t.Errorf("after %v more: %v", time.Since(start), err)
				}
			})
		})
	}
}

func wrongCode(attemptsRemaining uint32) Event {
	return &OTPInvalidEvent{Data: OTPInvalidData{Data: OTPFailure{AttemptsRemaining: attemptsRemaining}}}
}

func TestWhatLetsAParkedTurnGoOn(t *testing.T) {
	turn := bareTurn()
	for _, event := range []Event{tokenEvent("a"), &StreamReasoningEvent{}, &StreamPreambleEvent{}, &OTPVerifiedEvent{}, wrongCode(0), &ImmediateResponseEvent{}} {
		turn.push(&WriteConfirmationRequiredEvent{})
		turn.push(event)
		if got := turn.Parked(); got != nil {
			t.Errorf("after %s it waits for %s", event.EventTag(), got.EventTag())
		}
	}
	turn.push(&WriteConfirmationRequiredEvent{})
	turn.push(answerEvent("a"))
	if got := turn.Parked(); got != nil {
		t.Errorf("after the end it waits for %s", got.EventTag())
	}
}

func TestATurnWithoutTimeoutsWaitsForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := bareTurn(WithTurnTimeout(-1), WithIdleTimeout(-1))
		time.Sleep(1000 * time.Hour)
		turn.push(answerEvent("late"))
		if got, err := turn.Text(t.Context()); err != nil || got != "late" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestATurnIsIteratedAndAwaitedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := bareTurn()
		waited, iterated := make(chan string), make(chan []string)
		go func() {
			got, err := turn.Text(t.Context())
			if err != nil {
				t.Error(err)
			}
			waited <- got
		}()
		go func() {
			got, err := tags(t, turn)
			if err != nil {
				t.Error(err)
			}
			iterated <- got
		}()
		synctest.Wait()
		for _, event := range []Event{&ImmediateResponseEvent{Status: 202}, tokenEvent("a"), &UnknownEvent{Tag: "new"}, answerEvent("a")} {
			turn.push(event)
		}
		if got := <-waited; got != "a" {
			t.Errorf("got %q", got)
		}
		if got := <-iterated; !slices.Equal(got, []string{"immediate_response", "stream_token", "new", "eventual_response"}) {
			t.Errorf("got %v", got)
		}
		turn.push(tokenEvent("after the end"))
		if got, err := tags(t, turn); len(got) != 0 || err != nil {
			t.Errorf("after the end: %v, %v", got, err)
		}
	})
}

func TestATurnThatNobodyReadsIsBoundedAndKeepsWhatMatters(t *testing.T) {
	turn := bareTurn()
	turn.push(&ImmediateResponseEvent{Status: 202})
	turn.push(&WriteConfirmationRequiredEvent{})
	for range 3 * mostQueued {
		turn.push(tokenEvent("a"))
	}
	turn.push(answerEvent("aaa"))
	if len(turn.queue) > mostQueued {
		t.Errorf("%d events are kept", len(turn.queue))
	}
	if got, err := turn.Text(t.Context()); err != nil || got != "aaa" {
		t.Errorf("got %q, %v", got, err)
	}
	got, err := tags(t, turn)
	if !errors.Is(err, ErrMissed) {
		t.Errorf("got %v", err)
	}
	if got[0] != "immediate_response" || got[1] != "write_confirmation_required" || got[len(got)-1] != "eventual_response" {
		t.Errorf("got %v … %v", got[:2], got[len(got)-1])
	}
}

func TestTwoWhoIterateShareTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := bareTurn()
		got := make(chan int)
		for range 2 {
			go func() {
				seen := 0
				for range turn.Events(t.Context()) {
					seen++
					time.Sleep(time.Second) // while one is busy, the other one takes what is left
				}
				got <- seen
			}()
		}
		start := time.Now()
		turn.push(tokenEvent("a"))
		turn.push(tokenEvent("b"))
		turn.push(tokenEvent("c"))
		turn.push(answerEvent("abc"))
		if one, other := <-got, <-got; one != 2 || other != 2 || time.Since(start) != 2*time.Second {
			t.Errorf("%d and %d events after %v", one, other, time.Since(start))
		}
	})
}

func TestEndingAWaitEndsNothingElse(t *testing.T) {
	turn := bareTurn()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turn.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, err := range turn.Events(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	turn.push(answerEvent("a"))
	if got, err := turn.Text(t.Context()); err != nil || got != "a" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTheTextIsTheFirstPartOfTheAnswer(t *testing.T) {
	turn := bareTurn()
	answer := &EventualResponseEvent{}
	answer.Data.Data.Response.ResponseParts = []string{"17 days.", "And a suggestion."}
	turn.push(answer)
	if got, err := turn.Text(t.Context()); err != nil || got != "17 days." {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestLeavingTheLoopLeavesTheRest(t *testing.T) {
	turn := bareTurn()
	turn.push(tokenEvent("a"))
	turn.push(tokenEvent("b"))
	turn.push(answerEvent("ab"))
	for range turn.Events(t.Context()) {
		break
	}
	if got, err := tags(t, turn); err != nil || !slices.Equal(got, []string{"stream_token", "eventual_response"}) {
		t.Errorf("got %v, %v", got, err)
	}
}
