//! All automation of the repository: `cargo xtask <verb>`. One verb, one module.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks on its streams")]

mod bench;
mod codec;
mod codegen;
mod conformance;
mod corpora;
mod environment;
mod interrupt;
mod measure;
mod process;
mod repository;
mod services;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "All automation of the repository.", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make code and docs from the schemas of spec/
    Codegen(codegen::Args),
    /// Run the generated codecs of all languages over the same values, and compare
    Codec(codec::Args),
    /// Put public schemas and the JSON Schema test suite through the generator and the codecs it makes
    Corpora(corpora::Args),
    /// Run every client against the real server, by the same scenarios
    Conformance(conformance::Args),
    /// Measure what has an aim: turn, clients, retrieval, codegen
    Bench(measure::Args),
    /// Measure how good the answers are: retrieval
    Eval(measure::Args),
    /// Check sizes, names, links, imports and words, and print every finding
    Tidy(tidy::Args),
    /// Start the servers that tests talk to
    Services(services::Args),
    /// Run every suite, and close with one line of counts
    Test(test::Args),
}

fn main() -> ExitCode {
    let verb = Arguments::parse().verb;
    // What the generator has written is whole at any moment, so a signal may end it as it ends any program.
    let listening = if matches!(verb, Verb::Codegen(_)) { Ok(()) } else { interrupt::listen() };
    let outcome = listening.and_then(|()| match verb {
        Verb::Codegen(args) => codegen::run(&args),
        Verb::Codec(args) => codec::run(&args),
        Verb::Corpora(args) => corpora::run(&args),
        Verb::Conformance(args) => conformance::run(&args),
        Verb::Bench(args) => measure::run(measure::BENCHES, &args),
        Verb::Eval(args) => measure::run(measure::EVALS, &args),
        Verb::Tidy(args) => tidy::run(&args),
        Verb::Services(args) => services::run(&args),
        Verb::Test(args) => test::run(&args),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
