package protocol

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
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

	mu sync.Mutex
	// news wakes those who iterate: one when an event has come, all at the end.
	news   *sync.Cond
	queue  []Event
	missed int
	parked Event
	result *TurnResult
	err    error
	// broken is err when it is a failure on this side, of which no event tells.
	broken error

	// idle ends the turn when nothing was heard of it for as long as silence.
	silence time.Duration
	idle    *time.Timer
	// overdue ends the turn when its time is over, of which something was left at since; zero while it stands still.
	left    time.Duration
	since   time.Time
	overdue *time.Timer
}

// TurnOption changes one turn.
type TurnOption func(*Turn)

// WithTurnTimeout replaces Options.TurnTimeout for one turn; negative means none.
func WithTurnTimeout(timeout time.Duration) TurnOption {
	return func(t *Turn) { t.left = limit(timeout, 0) }
}

// WithIdleTimeout replaces Options.IdleTimeout for one turn; negative means none.
func WithIdleTimeout(timeout time.Duration) TurnOption {
	return func(t *Turn) { t.silence = limit(timeout, 0) }
}

// newTurn makes a turn that waits; resume starts its clocks.
func newTurn(c *Client, requestID, sessionID string, options []TurnOption) *Turn {
	t := &Turn{
		RequestID: requestID,
		SessionID: sessionID,
		client:    c,
		ended:     make(chan struct{}),
		silence:   c.options.IdleTimeout,
		left:      c.options.TurnTimeout,
	}
	t.news = sync.NewCond(&t.mu)
	t.idle = time.AfterFunc(math.MaxInt64, func() { t.expire(ErrIdleTimeout) })
	t.overdue = time.AfterFunc(math.MaxInt64, func() { t.expire(ErrTurnTimeout) })
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
		defer context.AfterFunc(ctx, func() { t.unlessOver(t.news.Broadcast) })()
		for {
			event, err, last := t.next(ctx)
			if (event != nil || err != nil) && !yield(event, err) || last {
				return
			}
		}
	}
}

// next waits for something to yield, and tells whether nothing will come after it.
func (t *Turn) next(ctx context.Context) (event Event, err error, last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) == 0 && !t.isOver() && ctx.Err() == nil {
		t.news.Wait()
	}
	switch {
	case t.missed > 0:
		err = failure(t.RequestID, fmt.Sprintf("%d events were not taken in time", t.missed), ErrMissed)
		t.missed = 0
	case len(t.queue) > 0:
		event = t.queue[0]
		t.queue[0] = nil
		t.queue = t.queue[1:]
	case t.isOver():
		err, last = t.broken, true
	default:
		err, last = ctx.Err(), true
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
	t.unlessOver(func() {
		if len(t.queue) >= mostQueued {
			t.drop()
		}
		t.queue = append(t.queue, event)
		switch effect := event.TurnEffect(); {
		case effect == TurnEnds:
			if answer, ok := event.(*EventualResponseEvent); ok {
				t.result = &answer.Data.Data
			}
			t.finish(refusal(event))
		case effect == TurnParks:
			t.parked = event
			t.stop()
		case effect == TurnStreams || effect == TurnGoesOn || t.parked == nil:
			t.run()
		}
		t.news.Signal()
	})
}

// drop makes room for an event, if there is one that a reader who is far behind can do without.
func (t *Turn) drop() {
	oldest := slices.IndexFunc(t.queue, func(event Event) bool {
		effect := event.TurnEffect()
		return effect == TurnStreams || effect == TurnPasses
	})
	if oldest >= 0 {
		t.queue = slices.Delete(t.queue, oldest, oldest+1)
		t.missed++
	}
}

// resume lets the clocks run, at the beginning and after a verdict.
func (t *Turn) resume() { t.unlessOver(t.run) }

// fail ends the turn from this side.
func (t *Turn) fail(err error) {
	t.unlessOver(func() {
		t.broken = err
		t.finish(err)
	})
}

// expire is called when a clock has run out. It may have been too late to stop it when the turn was parked.
func (t *Turn) expire(late error) {
	if t.Parked() == nil {
		t.fail(failure(t.RequestID, "waiting for the turn", late))
	}
}

// unlessOver changes a turn that has not ended.
func (t *Turn) unlessOver(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.isOver() {
		change()
	}
}

func (t *Turn) isOver() bool { return t.result != nil || t.err != nil }

// run lets the clocks run, the one of the silence from its beginning.
func (t *Turn) run() {
	t.parked = nil
	t.idle.Reset(t.silence)
	if t.since.IsZero() {
		t.since = time.Now()
		t.overdue.Reset(t.left)
	}
}

// stop lets the clocks stand still.
func (t *Turn) stop() {
	t.idle.Stop()
	t.overdue.Stop()
	if !t.since.IsZero() {
		t.left -= time.Since(t.since)
		t.since = time.Time{}
	}
}

// finish ends the turn. Its id is free before anyone can see that it has ended.
func (t *Turn) finish(err error) {
	t.client.mux.turns.CompareAndDelete(t.RequestID, t)
	t.err, t.parked = err, nil
	t.stop()
	close(t.ended)
	t.news.Broadcast()
}
