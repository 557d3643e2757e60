package protocol

import (
	"context"
	"fmt"
	"iter"
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

	mu     sync.Mutex
	queue  []Event
	missed int
	news   chan struct{}
	result *TurnResult
	err    error
	parked Event
	clock  clock
}

// TurnOption changes one turn.
type TurnOption func(*Turn)

// WithTurnTimeout replaces Options.TurnTimeout for one turn; negative means none.
func WithTurnTimeout(limit time.Duration) TurnOption {
	return func(t *Turn) { t.clock.left = limit }
}

// WithIdleTimeout replaces Options.IdleTimeout for one turn; negative means none.
func WithIdleTimeout(limit time.Duration) TurnOption {
	return func(t *Turn) { t.clock.quiet = limit }
}

// Events yields the turn's events as they come, each one once, and ends after the one that ends the turn. A failure on
// this side (a lost connection, a time-out) is yielded as an error and ends it, and so does ctx; an error that wraps
// ErrMissed does not end it.
func (t *Turn) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, news, err, last := t.next()
			switch {
			case event != nil || err != nil:
				if !yield(event, err) {
					return
				}
			case !last:
				select {
				case <-news:
				case <-ctx.Done():
					yield(nil, ctx.Err())
					return
				}
			}
			if last {
				return
			}
		}
	}
}

// next takes the next event. Without one it returns a channel that closes when there is news, or tells that none will
// come.
func (t *Turn) next() (event Event, news <-chan struct{}, err error, last bool) {
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
	default:
		if t.news == nil {
			t.news = make(chan struct{})
		}
		news = t.news
	}
	return event, news, err, last
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
	if err != nil || len(result.Response.ResponseParts) == 0 {
		return "", err
	}
	return result.Response.ResponseParts[0], nil
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
		t.finish(nil, answered(event))
	case *CancelledEvent:
		t.finish(nil, failure(t.RequestID, "waiting for the turn", ErrCancelled))
	case *WriteConfirmationRequiredEvent, *InteractionRequiredEvent, *OTPVerificationRequiredEvent:
		t.parked = event
		t.clock.stop()
	case *OTPSentEvent, *OTPInvalidEvent, *InteractionInvalidEvent, *KeepaliveEvent:
		t.clock.heard()
	default:
		// The call that waits is shown after the question, and leaves the turn parked.
		if t.parked != nil && leavesParked(event) {
			t.clock.heard()
			break
		}
		t.parked = nil
		t.clock.start(t.expire)
	}
	t.tell()
}

// leavesParked tells whether an event shows a tool call that begins, or is of a type that nobody knows.
func leavesParked(event Event) bool {
	if _, ok := event.(*UnknownEvent); ok {
		return true
	}
	chunk, ok := event.(*StreamChunkEvent)
	return ok && chunk.Data.State.RawResponse != nil && chunk.Data.State.RawResponse.ToolCall != nil
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

// resume lets the clock run again after a verdict.
func (t *Turn) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isOver() {
		t.parked = nil
		t.clock.start(t.expire)
	}
}

// expire is called by the clock's timers.
func (t *Turn) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if late := t.clock.ranOut(t.expire); late != nil && !t.isOver() {
		t.finish(nil, failure(t.RequestID, "waiting for the turn", late))
	}
}

// fail ends the turn from this side.
func (t *Turn) fail(err *Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isOver() {
		t.finish(nil, err)
	}
}

func (t *Turn) isOver() bool { return t.result != nil || t.err != nil }

// finish ends the turn. Its id is free before anyone can see that it has ended.
func (t *Turn) finish(result *TurnResult, err error) {
	t.client.mux.end(t)
	t.result, t.err, t.parked = result, err, nil
	t.clock.stop()
	close(t.ended)
	t.tell()
}

// tell wakes whoever iterates.
func (t *Turn) tell() {
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// clock measures a turn: all of it, and the silence since its last event. It stands still while the turn is parked.
type clock struct {
	left, quiet time.Duration
	running     bool
	since, last time.Time
	timer       *time.Timer
}

// start lets the clock run and notes an event. Expire is called when the time may have run out.
func (c *clock) start(expire func()) {
	c.heard()
	if c.running {
		return
	}
	c.running, c.since = true, c.last
	if c.ranOut(expire) != nil {
		c.timer = time.AfterFunc(0, expire)
	}
}

// heard notes an event that does not change whether the clock runs.
func (c *clock) heard() { c.last = time.Now() }

func (c *clock) stop() {
	if !c.running {
		return
	}
	c.running = false
	if c.left >= 0 {
		c.left = max(0, c.left-time.Since(c.since))
	}
	if c.timer != nil {
		c.timer.Stop()
	}
}

// ranOut returns which time has run out. While none has, it sets the timer anew: events only move the end away, so that
// nothing need be set when one comes.
func (c *clock) ranOut(expire func()) error {
	if !c.running {
		return nil
	}
	rest, late := c.left-time.Since(c.since), ErrTurnTimeout
	if silence := c.quiet - time.Since(c.last); c.left < 0 || c.quiet >= 0 && silence < rest {
		rest, late = silence, ErrIdleTimeout
	}
	switch {
	case c.left < 0 && c.quiet < 0:
		return nil
	case rest <= 0:
		return late
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(rest, expire)
	return nil
}
