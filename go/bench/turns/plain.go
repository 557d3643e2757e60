package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/coder/websocket"
)

// plain is one read loop over coder/websocket and encoding/json, without package protocol.
type plain struct {
	conn    *websocket.Conn
	session string
	texts   map[string]*strings.Builder
	ids     int
}

type action struct {
	Action    string `json:"action"`
	RequestID string `json:"requestId"`
	SessionID string `json:"sessionId,omitempty"`
	Message   string `json:"message,omitempty"`
}

// frame has what the two events of a turn have, and the answer that makes a session.
type frame struct {
	Type      string `json:"type"`
	RequestID string `json:"requestId"`
	Timestamp int64  `json:"timestamp"`
	Status    int    `json:"status"`
	Token     string `json:"token"`
	Data      struct {
		RequestID string `json:"requestId"`
		Token     string `json:"token"`
		SessionID string `json:"sessionId"`
		Status    int    `json:"status"`
		Data      struct {
			MessageID string `json:"messageId"`
			Response  struct {
				ResponseParts          []string `json:"responseParts"`
				CustomerHappinessScore float64  `json:"customerHappinessScore"`
				NeedsSatisfactionScore float64  `json:"needsSatisfactionScore"`
				RequestSummary         string   `json:"requestSummary"`
				ResolutionStatus       string   `json:"resolutionStatus"`
				SuggestedNextActions   []string `json:"suggestedNextActions"`
			} `json:"response"`
			NeedsEscalation bool `json:"needsEscalation"`
		} `json:"data"`
	} `json:"data"`
}

func connectPlain(ctx context.Context, url string) (side, error) {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	p := &plain{conn: conn, texts: map[string]*strings.Builder{}}
	if err := p.say(action{Action: "create_conversation_session", RequestID: "s"}); err != nil {
		return nil, err
	}
	made, err := p.read()
	p.session = made.Data.SessionID
	return p, err
}

func decodePlain(text []byte) error {
	var f frame
	return json.Unmarshal(text, &f)
}

func (p *plain) say(a action) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return p.conn.Write(context.Background(), websocket.MessageText, text)
}

func (p *plain) read() (f frame, err error) {
	_, text, err := p.conn.Read(context.Background())
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

func (p *plain) start(message string) error {
	p.ids++
	id := "turn-" + strconv.Itoa(p.ids)
	p.texts[id] = &strings.Builder{}
	return p.say(action{Action: "send_message", RequestID: id, SessionID: p.session, Message: message})
}

func (p *plain) turns(message string, count, atOnce int) error {
	started := min(count, atOnce)
	for range started {
		if err := p.start(message); err != nil {
			return err
		}
	}
	for ended := 0; ended < count; {
		f, err := p.read()
		if err != nil {
			return err
		}
		text := p.texts[f.RequestID]
		switch f.Type {
		case "stream_token":
			text.WriteString(f.Token)
		case "eventual_response":
			if answer := f.Data.Data.Response.ResponseParts[0]; answer != text.String() {
				return fmt.Errorf("%q is not %q", text.String(), answer)
			}
			delete(p.texts, f.RequestID)
			if ended++; started < count {
				started++
				if err := p.start(message); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *plain) open(count int) error {
	for started, begun := 0, 0; begun < count; {
		for ; started < count && started < begun+ahead; started++ {
			if err := p.start("hold"); err != nil {
				return err
			}
		}
		f, err := p.read()
		if err != nil {
			return err
		}
		if f.Type == "stream_token" {
			p.texts[f.RequestID].WriteString(f.Token)
			begun++
		}
	}
	return nil
}

func (p *plain) close() error { return p.conn.Close(websocket.StatusNormalClosure, "") }
