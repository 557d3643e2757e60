package protocol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What went wrong on this side of the socket. Test for them with errors.Is.
var (
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("the client is closed")
	// ErrConnectionLost: the socket broke while a call or turn was under way. Whether the server did the work is
	// unknown; the client is connecting again.
	ErrConnectionLost = errors.New("the connection was lost")
	// ErrTimeout: one of the time-outs of Options, or of the turn, ran out. The four below are it too.
	ErrTimeout = errors.New("the time ran out")
	// ErrConnectTimeout: connecting took longer than Options.ConnectTimeout.
	ErrConnectTimeout = fmt.Errorf("connecting: %w", ErrTimeout)
	// ErrRequestTimeout: an answer took longer than Options.RequestTimeout.
	ErrRequestTimeout = fmt.Errorf("the call: %w", ErrTimeout)
	// ErrIdleTimeout: nothing was heard of a turn for Options.IdleTimeout.
	ErrIdleTimeout = fmt.Errorf("the silence of the turn: %w", ErrTimeout)
	// ErrTurnTimeout: a turn took longer than Options.TurnTimeout.
	ErrTurnTimeout = fmt.Errorf("the turn: %w", ErrTimeout)
	// ErrConnectionFailed: no connection could be made.
	ErrConnectionFailed = errors.New("no connection could be made")
	// ErrRefused: what answers at the address opens no WebSocket, and would not later either. It is an ErrConnectionFailed.
	ErrRefused = fmt.Errorf("%w: the server refuses it; are the address of the WebSocket endpoint and the token right?", ErrConnectionFailed)
	// ErrUnauthenticated: the server does not accept the token.
	ErrUnauthenticated = errors.New("the server does not accept the token")
	// ErrCancelled: the turn was cancelled before it had an answer.
	ErrCancelled = errors.New("the turn was cancelled")
	// ErrMissed: a turn's events came faster than they were taken, and some that only stream were dropped.
	ErrMissed = errors.New("events were missed")
)

// Error is every failure of a call or turn: what the server answered, or what happened on this side.
type Error struct {
	// Code is the protocol's code; empty when the failure is on this side.
	Code ErrorCode
	// Message is the server's message for people, or what was being done here.
	Message string
	// Details is what the server added; nil when it added nothing.
	Details *ErrorDetails
	// RequestID is the call's or turn's.
	RequestID string
	// Cause is what lies behind a failure on this side, such as ErrTimeout; nil for an answer of the server.
	Cause error
}

func (e *Error) Error() string {
	if e.Code != "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s: %v", e.Message, e.Cause)
}

// Unwrap returns Cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, &Error{Code: ErrorCodeRateLimited}) true for every error of that code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code != "" && other.Code == e.Code
}

// Retryable tells whether the same call may succeed later.
func (e *Error) Retryable() bool {
	switch {
	case e.Details != nil:
		return e.Details.Retryable
	case e.Code != "":
		return e.Code.Retryable()
	}
	passing := []error{ErrConnectionLost, ErrConnectionFailed, ErrTimeout, context.DeadlineExceeded}
	return !errors.Is(e.Cause, ErrRefused) && slices.ContainsFunc(passing, func(cause error) bool { return errors.Is(e.Cause, cause) })
}

// RetryAfter returns how long the server asks to wait; 0 when it does not say.
func (e *Error) RetryAfter() time.Duration {
	if e.Details == nil || e.Details.RetryAfterMs == nil {
		return 0
	}
	return time.Duration(*e.Details.RetryAfterMs) * time.Millisecond
}

func failure(requestID, doing string, cause error) *Error {
	return &Error{Message: doing, RequestID: requestID, Cause: cause}
}

// refusal is what an event says against a call or turn; nil when it says nothing against it.
func refusal(event Event) error {
	switch event := event.(type) {
	case *ErrorEvent:
		said := event.Error
		return &Error{Code: said.Code, Message: said.Message, Details: event.Data.Details, RequestID: event.GetRequestID()}
	case *CancelledEvent:
		return failure(event.GetRequestID(), "waiting for the turn", ErrCancelled)
	case *InteractionInvalidEvent:
		return failure(event.GetRequestID(), "submitting values", &InteractionInvalidError{Event: event})
	}
	return nil
}

// InteractionInvalidError says which submitted values the server finds wrong. The turn stays parked.
type InteractionInvalidError struct {
	Event *InteractionInvalidEvent
}

func (e *InteractionInvalidError) Error() string {
	text := []string{e.Event.Data.Data.Message}
	for _, wrong := range e.Event.Data.Data.Errors {
		text = append(text, fmt.Sprintf("%s: %s.", wrong.Field, wrong.Message))
	}
	return strings.Join(text, " ")
}
