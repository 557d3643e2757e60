package protocol

import (
	"encoding/json"
	"slices"
	"sync"
)

// mux knows who waits for what. It has no socket: frames are put in with deliver, and fail says that no more will come.
type mux struct {
	mu     sync.Mutex
	calls  map[string]*pending
	turns  map[string]*Turn
	closed error
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

// expect registers a call. A verdict may go under the id of the turn that waits for it.
func (m *mux) expect(id string, events ...string) (*pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed != nil {
		return nil, m.closed
	}
	if _, taken := m.calls[id]; taken {
		return nil, failure(id, "sending", errInUse)
	}
	p := &pending{events: events, answer: make(chan answer, 1)}
	m.calls[id] = p
	return p, nil
}

// forget ends the wait for a call; what still comes for it is stray.
func (m *mux) forget(id string, p *pending) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls[id] == p {
		delete(m.calls, id)
	}
}

func (m *mux) begin(t *Turn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed != nil {
		return m.closed
	}
	if _, taken := m.turns[t.RequestID]; taken {
		return failure(t.RequestID, "sending", errInUse)
	}
	m.turns[t.RequestID] = t
	return nil
}

func (m *mux) end(t *Turn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turns[t.RequestID] == t {
		delete(m.turns, t.RequestID)
	}
}

// deliver takes one frame to whoever waits for it.
func (m *mux) deliver(frame []byte) {
	event, err := UnmarshalEvent(frame)
	if err != nil {
		m.deliverBroken(frame, err)
		return
	}
	id := event.GetRequestID()
	m.mu.Lock()
	call, turn := m.calls[id], m.turns[id]
	taken := call != nil && call.takes(event)
	if taken {
		delete(m.calls, id)
	}
	m.mu.Unlock()
	if taken {
		call.answer <- answer{event: event, frame: frame}
		switch event.(type) {
		case *ImmediateResponseEvent, *ErrorEvent:
			if turn != nil { // they are about a verdict alone, and not part of the turn that waits for it
				turn.resume()
				return
			}
		}
	}
	switch {
	case turn != nil:
		turn.push(event)
	case !taken:
		m.stray(event, nil)
	}
}

// takes tells whether an event answers the call.
func (p *pending) takes(event Event) bool {
	switch event := event.(type) {
	case *ErrorEvent:
		return true
	case *ImmediateResponseEvent:
		if event.Status == 202 {
			return false // accepts a turn
		}
	}
	return slices.Contains(p.events, event.EventTag())
}

// deliverBroken gives a frame that cannot be read to the call or turn that it names, so that neither waits in vain.
func (m *mux) deliverBroken(frame []byte, err error) {
	var id string
	if json.Valid(frame) {
		id = peek(frame, "requestId", (*reader).text)
	}
	m.mu.Lock()
	call, turn := m.calls[id], m.turns[id]
	delete(m.calls, id)
	m.mu.Unlock()
	wrong := failure(id, "reading an event", err)
	switch {
	case call != nil:
		call.answer <- answer{err: wrong}
	case turn != nil:
		turn.fail(wrong)
	default:
		m.stray(nil, wrong)
	}
}

// fail ends everything that is under way. With last set, nothing may begin any more.
func (m *mux) fail(cause error, last bool) {
	m.mu.Lock()
	calls, turns := m.calls, m.turns
	m.calls, m.turns = map[string]*pending{}, map[string]*Turn{}
	if last && m.closed == nil {
		m.closed = &Error{Message: "sending", Cause: cause}
	}
	m.mu.Unlock()
	for id, call := range calls {
		call.answer <- answer{err: failure(id, "waiting for an answer", cause)}
	}
	for id, turn := range turns {
		turn.fail(failure(id, "waiting for the turn", cause))
	}
}
