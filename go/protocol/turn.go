package protocol

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strings"
	"sync"
	"time"
)

// mostQueued is how many events a turn keeps for a reader who is late, or never comes. Beyond it the oldest event that
// only streams gives way; an event that parks or ends the turn never does.
const mostQueued = 4096

// Turn is one message and everything that answers it. It may be iterated, waited for, both or neither; it holds no
// goroutine, and is forgotten when it ends. Its methods may be called at once from several goroutines.
type Turn struct {
	// RequestID is the turn's own id, which all its events carry.
	RequestID string
	// SessionID is the session that the message was sent in.
	SessionID string

	client *Client
	ended  chan struct{}
	// news wakes whoever iterates, when an event has come.
	news chan struct{}

	mu     sync.Mutex
	queue  []Event
	missed int
	result *TurnResult
	err    error
	parked Event

	// What silence may follow an event, and when the last one came.
	quiet time.Duration
	heard time.Time
	// What is left of the turn's time, and since when it passes; zero while it stands still.
	left  time.Duration
	since time.Time
	timer *time.Timer
}

// TurnOption changes one turn.
type TurnOption func(*Turn)

// WithTurnTimeout replaces Options.TurnTimeout for one turn; negative means none.
func WithTurnTimeout(timeout time.Duration) TurnOption {
	return func(t *Turn) { t.left = limit(timeout, 0) }
}

// WithIdleTimeout replaces Options.IdleTimeout for one turn; negative means none.
func WithIdleTimeout(timeout time.Duration) TurnOption {
	return func(t *Turn) { t.quiet = limit(timeout, 0) }
}

// newTurn makes a turn that waits; resume starts its clock.
func newTurn(c *Client, requestID, sessionID string, options []TurnOption) *Turn {
	t := &Turn{
		RequestID: requestID,
		SessionID: sessionID,
		client:    c,
		ended:     make(chan struct{}),
		news:      make(chan struct{}, 1),
		quiet:     c.options.IdleTimeout,
		left:      c.options.TurnTimeout,
	}
	t.timer = time.AfterFunc(math.MaxInt64, t.expire)
	for _, option := range options {
		option(t)
	}
	return t
}

// Events yields the turn's events as they come, each one once, and ends after the one that ends the turn. A failure on
// this side (a lost connection, a time-out) is yielded as an error and ends it, and so does ctx; an error that wraps
// ErrMissed does not end it.
func (t *Turn) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err, last := t.next()
			if event == nil && err == nil && !last {
				select {
				case <-t.news:
					continue
				case <-t.ended:
					continue
				case <-ctx.Done():
					err, last = ctx.Err(), true
				}
			}
			if (event != nil || err != nil) && !yield(event, err) || last {
				return
			}
		}
	}
}

// next takes the next event, if there is one, and tells whether none will come any more.
func (t *Turn) next() (event Event, err error, last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.missed > 0:
		err = failure(t.RequestID, fmt.Sprintf("%d events were not taken in time", t.missed), ErrMissed)
		t.missed = 0
	case len(t.queue) > 0:
		event = t.queue[0]
		t.queue[0] = nil
		t.queue = t.queue[1:]
	case t.isOver():
		if failed, ok := t.err.(*Error); ok && failed.Code == "" && failed.Cause != ErrCancelled {
			err = failed
		}
		last = true
	}
	if len(t.queue) > 0 {
		t.tell() // another iterator may take it
	}
	return event, err, last
}

// Wait returns the answer when the turn has ended, or the *Error that ended it. When ctx ends first the turn goes on.
func (t *Turn) Wait(ctx context.Context) (*TurnResult, error) {
	select {
	case <-t.ended:
		return t.result, t.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Text waits as Wait does and returns the text of the answer.
func (t *Turn) Text(ctx context.Context) (string, error) {
	result, err := t.Wait(ctx)
	if err != nil {
		return "", err
	}
	return strings.Join(result.Response.ResponseParts, ""), nil
}

// Cancel asks the server to stop the work. The turn ends with ErrCancelled, or with its answer if that was faster.
func (t *Turn) Cancel(ctx context.Context) error {
	return t.client.Cancel(ctx, CancelParams{RequestID: &t.RequestID, SessionID: &t.SessionID})
}

// Confirm approves or denies the tool call that a WriteConfirmationRequiredEvent of this turn asked about.
func (t *Turn) Confirm(ctx context.Context, approved bool) error {
	params := ConfirmToolActionParams{RequestID: &t.RequestID, SessionID: t.SessionID, Approved: approved}
	_, err := t.client.ConfirmToolAction(ctx, params)
	return err
}

// VerifyOTP answers an OTPVerificationRequiredEvent of this turn. It returns an *OTPVerifiedEvent or *OTPInvalidEvent.
func (t *Turn) VerifyOTP(ctx context.Context, code string) (Event, error) {
	return t.client.VerifyOTP(ctx, VerifyOTPParams{RequestID: t.RequestID, SessionID: t.SessionID, Code: code})
}

// Submit answers the interaction that an InteractionRequiredEvent of this turn asked for. Values that the server finds
// wrong come back as an *InteractionInvalidEvent among the turn's events, and as an error that wraps it here.
func (t *Turn) Submit(ctx context.Context, values map[string]any) error {
	return t.submit(ctx, SubmitInteractionParams{Values: values})
}

// Decline answers an interaction by saying no.
func (t *Turn) Decline(ctx context.Context) error {
	return t.submit(ctx, SubmitInteractionParams{Declined: Ptr(true)})
}

func (t *Turn) submit(ctx context.Context, params SubmitInteractionParams) error {
	form, ok := t.Parked().(*InteractionRequiredEvent)
	if !ok {
		return &Error{Code: ErrorCodeNoPendingInteraction, Message: "the turn waits for no form", RequestID: t.RequestID}
	}
	params.RequestID, params.SessionID = t.RequestID, t.SessionID
	params.InteractionID, params.Kind = form.Data.Data.InteractionID, &form.Data.Data.Kind
	_, err := t.client.SubmitInteraction(ctx, params)
	return err
}

// Parked returns the event by which the turn waits for a person; nil while it does not.
func (t *Turn) Parked() Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.parked
}

// push adds an event of the turn.
func (t *Turn) push(event Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.isOver() {
		return
	}
	if len(t.queue) >= mostQueued {
		t.drop()
	}
	t.queue = append(t.queue, event)
	switch event := event.(type) {
	case *EventualResponseEvent:
		t.finish(&event.Data.Data, nil)
	case *ErrorEvent:
		t.finish(nil, refusal(event))
	case *CancelledEvent:
		t.finish(nil, failure(t.RequestID, "waiting for the turn", ErrCancelled))
	case *WriteConfirmationRequiredEvent, *InteractionRequiredEvent, *OTPVerificationRequiredEvent:
		t.parked = event
		t.stop()
	default:
		t.heard = time.Now()
		if t.parked == nil || !leavesParked(event) {
			t.parked = nil
			t.start()
		}
	}
	t.tell()
}

// leavesParked tells whether a turn that is parked goes on waiting: its call is shown after the question, and nobody
// knows what an event of an unknown type does.
func leavesParked(event Event) bool {
	switch event := event.(type) {
	case *OTPSentEvent, *OTPInvalidEvent, *InteractionInvalidEvent, *KeepaliveEvent, *UnknownEvent:
		return true
	case *StreamChunkEvent:
		return event.Data.State.RawResponse != nil && event.Data.State.RawResponse.ToolCall != nil
	}
	return false
}

// drop makes room for one event.
func (t *Turn) drop() {
	for i, event := range t.queue {
		switch event.(type) {
		case *StreamTokenEvent, *StreamReasoningEvent, *StreamPreambleEvent, *StreamChunkEvent, *KeepaliveEvent, *UnknownEvent:
			t.queue = append(t.queue[:i:i], t.queue[i+1:]...)
			t.missed++
			return
		}
	}
}

// resume lets the clock run, at the beginning and after a verdict.
func (t *Turn) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isOver() {
		t.parked, t.heard = nil, time.Now()
		t.start()
	}
}

// start lets the clock run, if it does not. Events only move its end away, so that the timer need not be set when one
// comes: it looks, and is set anew where there is time left.
func (t *Turn) start() {
	if t.since.IsZero() {
		t.since = t.heard
		t.look()
	}
}

// stop lets the clock stand still.
func (t *Turn) stop() {
	t.timer.Stop()
	if !t.since.IsZero() {
		t.left -= time.Since(t.since)
		t.since = time.Time{}
	}
}

// look ends the turn whose time has run out, and else sets the timer.
func (t *Turn) look() {
	silence, rest := t.quiet-time.Since(t.heard), t.left-time.Since(t.since)
	switch {
	case silence <= 0:
		t.finish(nil, failure(t.RequestID, "waiting for the turn", ErrIdleTimeout))
	case rest <= 0:
		t.finish(nil, failure(t.RequestID, "waiting for the turn", ErrTurnTimeout))
	default:
		t.timer.Reset(min(silence, rest))
	}
}

// expire is called by the timer.
func (t *Turn) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.since.IsZero() {
		t.look()
	}
}

// fail ends the turn from this side.
func (t *Turn) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isOver() {
		t.finish(nil, err)
	}
}

func (t *Turn) isOver() bool { return t.result != nil || t.err != nil }

// finish ends the turn. Its id is free before anyone can see that it has ended.
func (t *Turn) finish(result *TurnResult, err error) {
	release(t.client.mux, t.client.mux.turns, t.RequestID, t)
	t.result, t.err, t.parked = result, err, nil
	t.stop()
	close(t.ended)
}

// tell wakes one of those who iterate; the end wakes all.
func (t *Turn) tell() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}
