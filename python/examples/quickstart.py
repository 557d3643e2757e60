"""Asks one question and prints the answer as it comes."""

import asyncio

import smooth_operator


async def ask(url: str) -> None:
    async with smooth_operator.SmoothAgentClient(url) as client:
        session = await client.create_conversation_session(user_name="Alice")
        turn = client.send_message(
            session_id=session.session_id,
            message="How long is your return window?",
        )
        async for event in turn:
            match event:
                case smooth_operator.StreamTokenEvent(token=token):
                    print(token, end="", flush=True)
                case smooth_operator.WriteConfirmationRequiredEvent(data=request):
                    print(request.data.action_description)
                    await turn.confirm(True)
                case _:
                    pass
        result = await turn
        print()
        for citation in result.citations or []:
            print("-", citation.title)


if __name__ == "__main__":
    asyncio.run(ask("ws://127.0.0.1:8787/ws"))
