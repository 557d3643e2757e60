"""A chat on the terminal: `python chat.py [URL]`. Ctrl-C stops an answer, Ctrl-D ends the chat.

The token of the environment variable SMOOTH_OPERATOR_TOKEN is sent when there is one.
"""

from __future__ import annotations

import asyncio
import os
import sys

import smooth_operator as so


async def read(prompt: str) -> str | None:
    """A line of the terminal; nothing at its end."""
    try:
        return await asyncio.to_thread(input, prompt)
    except EOFError:
        return None


async def answer_park(turn: so.Turn, event: so.ParkEvent | so.OtpInvalidEvent) -> None:
    """Asks the person what the turn waits for."""
    match event:
        case so.WriteConfirmationRequiredEvent(data=request):
            said = await read(f"\n{request.data.action_description} [y/N] ")
            await turn.confirm(said is not None and said.strip().lower() == "y")
        case so.OtpVerificationRequiredEvent(data=code):
            await turn.verify(await read(f"\n{code.data.action_description} Code: ") or "")
        case so.OtpInvalidEvent(data=wrong):
            if wrong.data.attempts_remaining > 0:
                await turn.verify(await read(f"\n{wrong.data.message} Code: ") or "")
        case so.InteractionRequiredEvent(data=form):
            print(f"\n{form.data.reason}: this chat shows no forms.")
            await turn.decline()


async def show(turn: so.Turn) -> None:
    """Prints a turn as it comes."""
    async for event in turn:
        if isinstance(event, so.StreamTokenEvent):
            print(event.token, end="", flush=True)
        elif event.turn_effect == "parks" or isinstance(event, so.OtpInvalidEvent):
            await answer_park(turn, event)
    print()
    for number, citation in enumerate((await turn).citations or [], start=1):
        print(f"[{number}] {citation.title} {citation.url or ''}")


async def chat(url: str, token: str | None) -> None:
    async with so.SmoothAgentClient(url, token=token) as client:
        session = await client.create_conversation_session()
        print(f"You speak with {session.agent_name}.")
        while (line := await read("> ")) is not None:
            turn = client.send_message(session_id=session.session_id, message=line)
            try:
                await show(turn)
            except asyncio.CancelledError:
                await turn.cancel()
                raise
            except so.SmoothError as error:
                print(f"\n{error}")


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8787/ws"
    try:
        asyncio.run(chat(url, os.environ.get("SMOOTH_OPERATOR_TOKEN")))
    except KeyboardInterrupt:
        print()
    except so.SmoothError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
