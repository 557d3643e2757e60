package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/SmooAI/smooth-operator/go/conformance/wire"
	"github.com/SmooAI/smooth-operator/go/protocol"
)

// typed is the fields of an action as its type.
func typed(action string, fields map[string]any) (protocol.Action, error) {
	fields = maps.Clone(fields)
	fields["action"] = action
	frame, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return protocol.UnmarshalAction(frame)
}

// call calls an action by its typed method.
func call(ctx context.Context, client *protocol.Client, action string, fields map[string]any) (any, error) {
	params, err := typed(action, fields)
	if err != nil {
		return nil, err
	}
	switch params := params.(type) {
	case *protocol.CancelParams:
		return nil, client.Cancel(ctx, *params)
	case *protocol.ConfirmToolActionParams:
		return client.ConfirmToolAction(ctx, *params)
	case *protocol.CreateConversationSessionParams:
		return client.CreateConversationSession(ctx, *params)
	case *protocol.GetConversationMessagesParams:
		return client.GetConversationMessages(ctx, *params)
	case *protocol.GetSessionParams:
		return client.GetSession(ctx, *params)
	case *protocol.ListConversationsParams:
		return client.ListConversations(ctx, *params)
	case *protocol.PingParams:
		return client.Ping(ctx, *params)
	case *protocol.RenameConversationParams:
		return client.RenameConversation(ctx, *params)
	case *protocol.SubmitInteractionParams:
		return client.SubmitInteraction(ctx, *params)
	case *protocol.VerifyOTPParams:
		return client.VerifyOTP(ctx, *params)
	}
	return nil, fmt.Errorf("%s is no call", action)
}

// decode reads an event by the generated code, validates it and gives it back.
func decode(text string) (any, error) {
	event, err := protocol.UnmarshalEvent([]byte(text))
	if err != nil {
		return nil, err
	}
	return event, event.Validate()
}

// seen is an error as a caller of the client sees it.
func seen(err error) wire.ErrorSeen {
	out := wire.ErrorSeen{Message: err.Error(), Kind: wire.ErrorKind_Other, Code: "PROTOCOL"}
	out.Kind, out.Code = kind(err)
	var failed *protocol.Error
	if errors.As(err, &failed) {
		out.Retryable = failed.Retryable()
		if failed.Code != "" {
			out.Code = string(failed.Code)
		}
		if failed.RequestID != "" {
			out.RequestID = &failed.RequestID
		}
		if wait := failed.RetryAfter(); wait > 0 {
			out.RetryAfterMs = wire.Ptr(wait.Milliseconds())
		}
		if failed.Details != nil {
			out.Field, out.Hint = failed.Details.Field, failed.Details.Hint
		}
	}
	for limit, kind := range map[error]wire.TimeoutKind{
		protocol.ErrConnectTimeout: wire.TimeoutKindConnect,
		protocol.ErrRequestTimeout: wire.TimeoutKindRequest,
		context.DeadlineExceeded:   wire.TimeoutKindRequest,
		protocol.ErrIdleTimeout:    wire.TimeoutKindIdle,
		protocol.ErrTurnTimeout:    wire.TimeoutKindTurn,
	} {
		if errors.Is(err, limit) {
			out.Timeout = &kind
		}
	}
	var undecodable *protocol.DecodeError
	if errors.As(err, &undecodable) {
		out.Field = &undecodable.Pointer
	}
	var violation *protocol.Violation
	if errors.As(err, &violation) {
		out.Field = &violation.Pointer
	}
	return out
}

// kind is the class of an error and the code that it has where the server gave none.
func kind(err error) (wire.ErrorKind_, string) {
	var failed *protocol.Error
	var undecodable *protocol.DecodeError
	var violation *protocol.Violation
	var rejected *protocol.InteractionInvalidError
	switch {
	case errors.Is(err, protocol.ErrClosed):
		return wire.ErrorKind_Closed, "CLOSED"
	case errors.Is(err, protocol.ErrCancelled):
		return wire.ErrorKind_Cancelled, "CANCELLED"
	case errors.Is(err, protocol.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return wire.ErrorKind_Timeout, "TIMEOUT"
	case errors.Is(err, context.Canceled):
		return wire.ErrorKind_Abandoned, "ABANDONED"
	case errors.Is(err, protocol.ErrUnauthenticated):
		return wire.ErrorKind_Connection, "UNAUTHENTICATED"
	case errors.Is(err, protocol.ErrConnectionLost):
		return wire.ErrorKind_Connection, "CONNECTION_LOST"
	case errors.Is(err, protocol.ErrConnectionFailed):
		return wire.ErrorKind_Connection, "CONNECTION_FAILED"
	case errors.Is(err, protocol.ErrMissed):
		return wire.ErrorKind_Other, "MISSED"
	case errors.As(err, &rejected):
		return wire.ErrorKind_Server, "INTERACTION_INVALID"
	case errors.As(err, &failed) && failed.Code != "":
		return wire.ErrorKind_Server, string(failed.Code)
	case errors.As(err, &undecodable), errors.As(err, &violation):
		return wire.ErrorKind_Invalid, "INVALID"
	}
	return wire.ErrorKind_Other, "PROTOCOL"
}
