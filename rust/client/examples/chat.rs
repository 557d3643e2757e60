//! A chat in the terminal: answers as they are written, with what they rest on, and everything that a turn may
//! ask a person for.
//!
//! `cargo run -p smooai-smooth-operator-client --example chat -- --help`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a terminal is what it is for")]

use futures_util::StreamExt as _;
use serde_json::Value;
use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::{self as client, Client, Error, Token, Turn};
use std::error::Error as StdError;
use std::io::Write as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};

const HELP: &str = "\
A chat with a smooth-operator server.

    --url URL           the server's address (ws://127.0.0.1:8787/ws)
    --token-env NAME    the environment variable that holds the token
    --name NAME         your name
    --once QUESTION     ask one question and leave; what the turn asks for is then refused
    --help              this text

In the chat: /new begins another conversation, /list lists yours, /quit leaves; Ctrl-C stops an answer.";

type Failure = Box<dyn StdError>;

/// What the command line asks for.
struct Options {
    url: String,
    token: Option<String>,
    name: Option<String>,
    once: Option<String>,
}

fn options() -> Result<Option<Options>, Failure> {
    let mut options =
        Options { url: "ws://127.0.0.1:8787/ws".to_owned(), token: None, name: None, once: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--help" {
            return Ok(None);
        }
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--url" => options.url = value()?,
            "--token-env" => options.token = Some(token(&value()?)?),
            "--name" => options.name = Some(value()?),
            "--once" => options.once = Some(value()?),
            _ => return Err(format!("{word} is not an option: see --help").into()),
        }
    }
    Ok(Some(options))
}

#[expect(clippy::disallowed_methods, reason = "a program of its own: nothing else reads its environment")]
fn token(variable: &str) -> Result<String, String> {
    std::env::var(variable).map_err(|error| format!("{variable}: {error}"))
}

#[tokio::main]
async fn main() {
    let chatted = match options() {
        Ok(Some(options)) => chat(options).await,
        Ok(None) => {
            println!("{HELP}");
            Ok(())
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &chatted {
        eprintln!("{}", told(error.as_ref()));
    }
    // The thread that reads the terminal would otherwise keep the program until the next line.
    std::process::exit(i32::from(chatted.is_err()));
}

/// An error with what caused it.
fn told(error: &dyn StdError) -> String {
    let cause = error.source().map(told);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

async fn chat(options: Options) -> Result<(), Failure> {
    let settings = client::Options { token: options.token.map(Token::new), ..client::Options::default() };
    let client = Client::connect_with(&options.url, settings).await?;
    let mut person = Person { lines: options.once.is_none().then(|| BufReader::new(stdin()).lines()) };
    let mut session = open(&client, options.name.as_deref()).await?;
    if let Some(question) = options.once {
        say(&client, &session, &question, &mut person).await?;
        client.close().await;
        return Ok(());
    }
    println!("Connected to {} ({}). /quit leaves.", session.agent_name, options.url);
    while let Some(line) = person.ask("\nYou: ").await? {
        match line.as_str() {
            "" => {}
            "/quit" => break,
            "/new" => {
                session = open(&client, options.name.as_deref()).await?;
                println!("A new conversation.");
            }
            "/list" => list(&client).await?,
            question => {
                if let Err(error) = say(&client, &session, question, &mut person).await {
                    println!("\n[{}]", told(&error));
                    if !goes_on(&error) {
                        return Err(error.into());
                    }
                }
            }
        }
    }
    client.close().await;
    Ok(())
}

/// Whether the next question may fare better.
fn goes_on(error: &Error) -> bool {
    error.is_retryable() || matches!(error, Error::Cancelled | Error::Server(_) | Error::Invalid(_))
}

async fn open(client: &Client, name: Option<&str>) -> Result<CreateConversationSessionReply, Error> {
    let params = CreateConversationSessionParams {
        user_name: name.map(str::to_owned),
        supports: Some(vec![Capability::IdentityForm, Capability::ChoiceChips]),
        ..CreateConversationSessionParams::default()
    };
    client.create_conversation_session(params).await
}

async fn list(client: &Client) -> Result<(), Error> {
    let list = client.list_conversations(ListConversationsParams::default()).await?;
    for one in list.conversations {
        println!("{}  {} ({} messages)", one.updated_at, one.title, one.message_count);
    }
    Ok(())
}

/// One turn: what is heard is shown, and what is asked for is asked.
async fn say(
    client: &Client,
    session: &CreateConversationSessionReply,
    question: &str,
    person: &mut Person,
) -> Result<(), Error> {
    let mut turn = client.send_message(SendMessageParams::new(&session.session_id, question));
    let mut shown = false;
    loop {
        let event = tokio::select! {
            event = turn.next() => event,
            _ = tokio::signal::ctrl_c() => {
                turn.cancel()?;
                continue;
            }
        };
        let Some(event) = event else { break };
        match event {
            Ok(Event::StreamToken(event)) => {
                print!("{}{}", if shown { "" } else { "\nAgent: " }, event.token);
                flush();
                shown = true;
            }
            Ok(event) => show_and_ask(&turn, &event, person).await?,
            Err(Error::Missed(events)) => eprintln!("[{events} events were missed]"),
            Err(error) => return Err(error),
        }
    }
    let result = turn.finish().await?;
    if !shown {
        print!("\nAgent: {}", result.response.response_parts.concat());
    }
    println!();
    for (number, citation) in result.citations.unwrap_or_default().iter().enumerate() {
        let place = citation.url.as_deref().unwrap_or(&citation.id);
        println!("  [{}] {} ({place}): {}", number + 1, citation.title, one_line(&citation.snippet));
    }
    for next in result.response.suggested_next_actions {
        println!("  > {next}");
    }
    Ok(())
}

async fn show_and_ask(turn: &Turn, event: &Event, person: &mut Person) -> Result<(), Error> {
    match event {
        Event::StreamPreamble(event) => println!("({})", event.token),
        Event::StreamChunk(event) => {
            let progress = event.data.state.raw_response.as_ref();
            if let Some(call) = progress.and_then(|progress| progress.tool_call.as_ref()) {
                println!("\n[{} {}]", call.name, call.arguments);
            } else if let Some(result) = progress.and_then(|progress| progress.tool_result.as_ref()) {
                let outcome = if result.is_error { "failed" } else { "done" };
                println!("[{} {outcome}: {}]", result.name, one_line(&result.result));
            }
        }
        Event::WriteConfirmationRequired(event) => {
            println!("\n{}", event.data.data.action_description);
            let approved = person.agrees("Is that all right?").await;
            turn.confirm(approved).await?;
        }
        Event::OtpVerificationRequired(event) => println!("\n{}", event.data.data.action_description),
        Event::OtpSent(event) => {
            println!("A code is on its way to {}.", event.data.data.masked_destination);
            verify(turn, person).await?;
        }
        Event::InteractionRequired(event) => fill_in(turn, &event.data.data, person).await?,
        Event::Cancelled(_) => println!("\n[stopped]"),
        _ => {}
    }
    Ok(())
}

/// Asks for the code until it is right or may not be tried again; without one the turn is stopped.
async fn verify(turn: &Turn, person: &mut Person) -> Result<(), Error> {
    while let Some(code) = person.answer("Code: ").await {
        match turn.verify(code).await {
            Err(Error::CodeRejected(event)) => {
                println!("{}", event.data.data.message);
                if event.data.data.attempts_remaining == 0 {
                    return Ok(());
                }
            }
            other => return other.map(|_| ()),
        }
    }
    turn.cancel()
}

/// Asks for what a form wants, until it is accepted; a form that is not understood or not filled in is declined.
async fn fill_in(turn: &Turn, form: &InteractionRequest, person: &mut Person) -> Result<(), Error> {
    println!("\n{}", form.reason);
    while let Some(values) = values(form, person).await {
        match turn.submit(&values).await {
            Err(Error::ValuesRejected(event)) => {
                println!("{}", event.data.data.message);
                for error in event.data.data.errors {
                    println!("  {}: {}", error.field, error.message);
                }
            }
            other => return other.map(|_| ()),
        }
    }
    turn.decline().await.map(|_| ())
}

async fn values(form: &InteractionRequest, person: &mut Person) -> Option<Value> {
    let spec = Value::Object(form.spec.clone());
    match form.kind {
        InteractionKind::IdentityIntake => identity(&serde_json::from_value(spec).ok()?, person).await,
        InteractionKind::Choices => choices(&serde_json::from_value(spec).ok()?, person).await,
        _ => None,
    }
}

async fn identity(spec: &IdentityIntakeSpec, person: &mut Person) -> Option<Value> {
    let mut values = JsonObject::new();
    for field in &spec.fields {
        let label = field.label.as_deref().unwrap_or(field.key.as_str());
        let note = if field.required { "" } else { " (optional)" };
        let value = person.ask(&format!("  {label}{note}: ")).await.ok().flatten()?;
        if !value.is_empty() {
            values.insert(field.key.as_str().to_owned(), value.into());
        }
    }
    (!values.is_empty()).then_some(Value::Object(values))
}

async fn choices(spec: &ChoicesSpec, person: &mut Person) -> Option<Value> {
    let mut answers = Vec::new();
    for question in &spec.questions {
        println!("  {}", question.question);
        for (number, option) in question.options.iter().enumerate() {
            println!("    {}. {}: {}", number + 1, option.label, option.description);
        }
        let several = if question.multi_select { "numbers, " } else { "" };
        let said =
            person.answer(&format!("  {}: ({several}a number, or your own words) ", question.header)).await?;
        let chosen: Option<Vec<String>> = said
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(|word| {
                let number = word.parse::<usize>().ok()?.checked_sub(1)?;
                Some(question.options.get(number)?.label.clone())
            })
            .collect();
        let other = chosen.is_none().then_some(said);
        answers.push(ChoiceAnswer { header: question.header.clone(), options: chosen, other });
    }
    serde_json::to_value(ChoicesValues { answers }).ok()
}

/// Who sits at the terminal; nobody when the program was called by a script.
struct Person {
    lines: Option<Lines<BufReader<Stdin>>>,
}

impl Person {
    /// Shows a prompt and reads a line; none when the terminal was closed, or on Ctrl-C.
    async fn ask(&mut self, prompt: &str) -> std::io::Result<Option<String>> {
        let Some(lines) = &mut self.lines else { return Ok(None) };
        print!("{prompt}");
        flush();
        tokio::select! {
            line = lines.next_line() => Ok(line?.map(|line| line.trim().to_owned())),
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    }

    /// As `ask`; an empty line is no answer.
    async fn answer(&mut self, prompt: &str) -> Option<String> {
        self.ask(prompt).await.ok().flatten().filter(|line| !line.is_empty())
    }

    async fn agrees(&mut self, prompt: &str) -> bool {
        let said = self.answer(&format!("{prompt} [y/N] ")).await;
        said.is_some_and(|said| matches!(said.to_lowercase().as_str(), "y" | "yes"))
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn flush() {
    // A terminal that is gone is found out by the next read.
    let _gone = std::io::stdout().flush();
}
