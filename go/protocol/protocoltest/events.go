package protocoltest

import (
	"encoding/json"
	"time"

	"github.com/SmooAI/smooth-operator/go/protocol"
)

// Ids that the events made here use.
const (
	SessionID      = "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985"
	ConversationID = "c2b6f1d4-83e9-4a57-b0d2-4f9e6a71c3b8"
	AgentID        = "3d7e5a90-61c4-4b8f-a2d3-08f5b9c4e172"
	UserID         = "9b41c6e7-0f2d-4d85-93ae-5c67d8f10b24"
	MessageID      = "8c5f0e24-b9d7-4136-a5c8-e17b3d62f940"
)

func now() int64 { return time.Now().UnixMilli() }

// Reply answers an action with data, such as a pointer to a GetSessionReply.
func Reply(to protocol.Action, data any) (protocol.Event, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	event := &protocol.ImmediateResponseEvent{RequestID: id(to), Timestamp: now(), Status: 200, Message: "ok"}
	return event, json.Unmarshal(text, &event.Data)
}

// Accepted is the first event of a turn.
func Accepted(to protocol.Action) protocol.Event {
	return &protocol.ImmediateResponseEvent{RequestID: id(to), Timestamp: now(), Status: 202, Message: "accepted"}
}

// Token is a piece of a turn's answer.
func Token(of protocol.Action, text string) protocol.Event {
	data := protocol.TokenData{RequestID: of.GetRequestID(), Token: text}
	return &protocol.StreamTokenEvent{RequestID: id(of), Timestamp: now(), Token: text, Data: data}
}

// Answer is the last event of a turn.
func Answer(of protocol.Action, text string) protocol.Event {
	return &protocol.EventualResponseEvent{
		RequestID: id(of),
		Timestamp: now(),
		Status:    200,
		Data: protocol.EventualResponseData{
			RequestID: of.GetRequestID(),
			Status:    200,
			Data: protocol.TurnResult{
				MessageID: MessageID,
				Response: protocol.TurnResponse{
					ResponseParts:          []string{text},
					CustomerHappinessScore: 0.5,
					NeedsSatisfactionScore: 0.5,
					ResolutionStatus:       protocol.ResolutionStatusInProgress,
				},
			},
		},
	}
}

// Failure is an error event with the details that the code implies.
func Failure(of protocol.Action, code protocol.ErrorCode, message string) *protocol.ErrorEvent {
	body := protocol.ErrorBody{Code: code, Message: message}
	details := &protocol.ErrorDetails{Status: int32(code.Status()), Retryable: code.Retryable()}
	data := protocol.ErrorData{Error: body, RequestID: id(of), Details: details}
	return &protocol.ErrorEvent{RequestID: id(of), Timestamp: now(), Error: body, Data: data}
}

// Cancelled ends a turn that was cancelled.
func Cancelled(of protocol.Action) protocol.Event {
	data := protocol.CancelledData{Status: 499, RequestID: id(of)}
	return &protocol.CancelledEvent{RequestID: id(of), Timestamp: now(), Status: 499, Data: data}
}

// Confirmation parks a turn until the client approves or denies a tool call.
func Confirmation(of protocol.Action, tool, description string) protocol.Event {
	asked := protocol.WriteConfirmation{ToolID: tool, ActionDescription: description}
	data := protocol.WriteConfirmationRequiredData{RequestID: of.GetRequestID(), Data: asked}
	return &protocol.WriteConfirmationRequiredEvent{RequestID: id(of), Timestamp: now(), Data: data}
}

// Keepalive says that a turn still runs.
func Keepalive(of protocol.Action) protocol.Event {
	data := protocol.KeepaliveData{RequestID: of.GetRequestID()}
	return &protocol.KeepaliveEvent{RequestID: id(of), Timestamp: now(), Data: data}
}

func id(of protocol.Action) *string {
	if id := of.GetRequestID(); id != "" {
		return &id
	}
	return nil
}

// Assistant is a script that opens sessions, answers pings and says the same words, one token each, to every message.
func Assistant(words ...string) Script {
	return func(c *Conn) error {
		for {
			action, err := c.Next()
			if err != nil {
				return err
			}
			events, err := assist(action, words)
			if err != nil {
				return err
			}
			if err := c.Send(events...); err != nil {
				return err
			}
		}
	}
}

func assist(action protocol.Action, words []string) ([]protocol.Event, error) {
	switch action := action.(type) {
	case *protocol.PingParams:
		return []protocol.Event{&protocol.PongEvent{RequestID: action.RequestID, Timestamp: now(), Data: protocol.PongData{Timestamp: now()}}}, nil
	case *protocol.CreateConversationSessionParams:
		reply, err := Reply(action, &protocol.CreateConversationSessionReply{
			SessionID:          SessionID,
			ConversationID:     ConversationID,
			AgentID:            AgentID,
			AgentName:          "Support",
			UserParticipantID:  UserID,
			AgentParticipantID: AgentID,
		})
		return []protocol.Event{reply}, err
	case *protocol.SendMessageParams:
		events := []protocol.Event{Accepted(action)}
		var answer string
		for _, word := range words {
			answer += word
			events = append(events, Token(action, word))
		}
		return append(events, Answer(action, answer)), nil
	case *protocol.CancelParams:
		return nil, nil // nothing is running
	}
	return []protocol.Event{Failure(action, protocol.ErrorCodeUnsupportedAction, "this script does not know the action")}, nil
}
