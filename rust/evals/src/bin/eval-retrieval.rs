//! Fetches the corpus, loads it, asks the questions and prints where the right file was found.
//!
//! `eval-retrieval [FOLDER]`: the folder keeps the corpus; `target/eval/retrieval` unless given.
#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

use anyhow::{Result, ensure};
use smooai_smooth_operator_evals::retrieval::{Bench, Rankings, rank, totals};
use smooai_smooth_operator_evals::{corpus, questions};
use std::path::PathBuf;

/// How many of the questions must have the right file among the first three citations.
const REQUIRED: usize = 16;

/// A corpus with fewer files says little.
const FEWEST_FILES: usize = 300;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| "target/eval/retrieval".into(), PathBuf::from);
    let set = questions::bundled()?;
    corpus::fetch(&set.packages, &folder)?;
    let (bench, report) = Bench::load(&folder).await?;
    for skipped in &report.skipped {
        println!("skipped {}: {}", skipped.source, skipped.reason);
    }
    let (documents, chunks) = (report.documents(), report.chunks);
    println!("{documents} files, {chunks} chunks, loaded in {} ms\n", report.elapsed.as_millis());
    ensure!(documents >= FEWEST_FILES, "only {documents} files were loaded, {FEWEST_FILES} are needed");

    println!("cited keyword dense  question");
    let mut all: Vec<Rankings> = Vec::new();
    for question in &set.questions {
        let found = bench.ask(&question.ask).await?;
        let place = |ranking: &[String]| rank(ranking, question).map_or("-".to_owned(), |n| n.to_string());
        let (cited, keyword, dense) = (place(&found.cited), place(&found.keyword), place(&found.dense));
        println!("{cited:>5} {keyword:>7} {dense:>5}  {}", question.ask);
        all.push(found);
    }

    let total = |of: fn(&Rankings) -> &[String]| totals(all.iter().map(of).zip(&set.questions));
    let cited = total(|found| &found.cited);
    println!("\n        hit@1 hit@3     MRR  nDCG@10  recall@10");
    println!("keyword {}", total(|found| &found.keyword));
    println!("dense   {}", total(|found| &found.dense));
    println!("cited   {cited}");
    let asked = set.questions.len();
    println!();
    ensure!(
        cited.hit_3 >= REQUIRED,
        "the right file is among the first three citations for {} of {asked} questions; {REQUIRED} are required",
        cited.hit_3
    );
    Ok(())
}
