package protocol

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
)

// mux knows who waits for what. It has no socket: frames are put in with deliver, and fail says that no more will come.
type mux struct {
	mu    sync.Mutex
	calls map[string]*pending
	turns map[string]*Turn
	// stray takes what nobody waits for; err is set instead of event for a frame that cannot be read.
	stray func(event Event, err error)
}

// pending is a call that waits for its answer.
type pending struct {
	// events are the types that answer it, beside an error.
	events []string
	answer chan answer
}

type answer struct {
	event Event
	frame []byte
	err   error
}

func newMux(stray func(Event, error)) *mux {
	return &mux{calls: map[string]*pending{}, turns: map[string]*Turn{}, stray: stray}
}

// claim lets a call or a turn wait under an id, which only one of its kind may have at a time. A verdict may go under
// the id of the turn that waits for it.
func claim[W any](m *mux, waiting map[string]W, id string, waiter W) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := waiting[id]; taken {
		return errInUse
	}
	waiting[id] = waiter
	return nil
}

// release ends the wait of a call or a turn; what still comes for it is stray. It tells whether it still waited.
func release[W comparable](m *mux, waiting map[string]W, id string, waiter W) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	waits := waiting[id] == waiter
	if waits {
		delete(waiting, id)
	}
	return waits
}

// at returns who waits under an id.
func (m *mux) at(id string) (*pending, *Turn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[id], m.turns[id]
}

// deliver takes one frame to whoever waits for it.
func (m *mux) deliver(frame []byte) {
	event, err := UnmarshalEvent(frame)
	if err != nil {
		m.deliverBroken(frame, err)
		return
	}
	id := event.GetRequestID()
	call, turn := m.at(id)
	taken := call != nil && call.takes(event) && !(turn != nil && failsTurn(event)) && release(m, m.calls, id, call)
	if taken {
		call.answer <- answer{event: event, frame: frame, err: refusal(event)}
	}
	switch _, isReply := event.(*ImmediateResponseEvent); {
	case turn == nil && !taken:
		m.stray(event, nil)
	case turn == nil || taken && event.EventTag() == "error": // it is about the call alone
	case taken && isReply: // so is this, but the turn no longer waits for the verdict
		turn.resume()
	default:
		turn.push(event)
	}
}

// takes tells whether an event answers the call.
func (p *pending) takes(event Event) bool {
	if reply, ok := event.(*ImmediateResponseEvent); ok && reply.Status == 202 {
		return false // it accepts a turn
	}
	return event.EventTag() == "error" || slices.Contains(p.events, event.EventTag())
}

// failsTurn tells whether an error is one by which a turn ends, and so no answer to a verdict under its id.
func failsTurn(event Event) bool {
	failed, ok := event.(*ErrorEvent)
	ends := []ErrorCode{ErrorCodeAgentError, ErrorCodeLLMUnavailable, ErrorCodeInternalError, ErrorCodeOTPSendFailed}
	return ok && slices.Contains(ends, failed.Error.Code)
}

// deliverBroken gives a frame that cannot be read to the call or turn that it names, so that neither waits in vain.
func (m *mux) deliverBroken(frame []byte, err error) {
	var id string
	if json.Valid(frame) {
		id = peek(frame, "requestId", (*reader).text)
	}
	wrong := failure(id, "reading an event", err)
	call, turn := m.at(id)
	switch {
	case call != nil && release(m, m.calls, id, call):
		call.answer <- answer{err: wrong}
	case turn != nil:
		turn.fail(wrong)
	default:
		m.stray(nil, wrong)
	}
}

// fail ends everything that is under way. A connection that can resume its turns would keep them here and fail only the
// calls.
func (m *mux) fail(cause error) {
	m.mu.Lock()
	calls, turns := maps.Clone(m.calls), maps.Clone(m.turns)
	clear(m.calls)
	clear(m.turns)
	m.mu.Unlock()
	for id, call := range calls {
		call.answer <- answer{err: failure(id, "waiting for an answer", cause)}
	}
	for id, turn := range turns {
		turn.fail(failure(id, "waiting for the turn", cause))
	}
}
