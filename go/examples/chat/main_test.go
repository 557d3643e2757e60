package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/SmooAI/smooth-operator/go/protocol"
	"github.com/SmooAI/smooth-operator/go/protocol/protocoltest"
)

func talk(t *testing.T, script protocoltest.Script, typed string) string {
	t.Helper()
	server, err := protocoltest.NewServer(script)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := chat(t.Context(), server.URL, "", strings.NewReader(typed), &out); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("the script: %v", err)
	}
	return out.String()
}

func TestAChat(t *testing.T) {
	got := talk(t, protocoltest.Assistant("17 ", "days."), "How long?\n\nReally?\n")
	if got != "> 17 days.\n> > 17 days.\n> \n" {
		t.Errorf("got %q", got)
	}
}

func TestAChatAsksBeforeAToolWrites(t *testing.T) {
	got := talk(t, func(c *protocoltest.Conn) error {
		session, err := protocoltest.Expect[*protocol.CreateConversationSessionParams](c)
		if err != nil {
			return err
		}
		reply, err := protocoltest.Reply(session, &protocol.CreateConversationSessionReply{SessionID: "s"})
		if err != nil {
			return err
		}
		if err := c.Send(reply); err != nil {
			return err
		}
		message, err := protocoltest.Expect[*protocol.SendMessageParams](c)
		if err != nil {
			return err
		}
		asks := protocoltest.Confirmation(message, "refund_order", "Refunds order 4417.")
		if err := c.Send(protocoltest.Accepted(message), asks); err != nil {
			return err
		}
		verdict, err := protocoltest.Expect[*protocol.ConfirmToolActionParams](c)
		if err != nil || !verdict.Approved {
			return errors.Join(err, errors.New("it was not approved"))
		}
		said, err := protocoltest.Reply(verdict, &protocol.ConfirmToolActionReply{Approved: true})
		if err != nil {
			return err
		}
		return errors.Join(c.Send(said, protocoltest.Token(message, "Done."), protocoltest.Answer(message, "Done.")), c.Wait())
	}, "Refund it.\nyes\n")
	if got != "> Refunds order 4417. Allow it? [y/n] Done.\n> \n" {
		t.Errorf("got %q", got)
	}
}
