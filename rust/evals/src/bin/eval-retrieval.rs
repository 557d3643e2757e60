//! Asks labelled questions of the retrieval pipeline and prints how good the answers are: twenty written
//! ones with a bound that must hold, and where a model is given, two large sets in all ways to search.
#![expect(clippy::print_stdout, reason = "the tables are what the program is for")]

use anyhow::{Result, ensure};
use clap::Parser;
use smooai_smooth_operator_evals::compare::{Marks, Set};
use smooai_smooth_operator_evals::model::MiniLm;
use smooai_smooth_operator_evals::retrieval::{Bench, Rankings, rank, totals};
use smooai_smooth_operator_evals::study::{Row, Study};
use smooai_smooth_operator_evals::{corpus, endpoint, headings, labelled, questions};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

/// How many of the questions must have the right file among the first three citations.
const REQUIRED: usize = 16;

/// A corpus with fewer files says little.
const FEWEST_FILES: usize = 300;

/// The same for the questions made of headings.
const FEWEST_DOCUMENTS: usize = 1_000;

/// Bytes for passages that were ordered before: all of both sets.
const MOST_KEPT: usize = 3 << 30;

#[derive(Parser)]
struct Arguments {
    /// The folder that keeps the documents, the vectors and the scores
    #[arg(default_value = "target/eval")]
    folder: PathBuf,
    /// The folder with the files of all-MiniLM-L6-v2; without it only the written questions are asked
    #[arg(long, requires = "labelled")]
    model: Option<PathBuf>,
    /// The folder with `docs.json` and `tags.json` of the labelled set
    #[arg(long)]
    labelled: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    written(&arguments.folder.join("retrieval")).await?;
    let (Some(model), Some(notes)) = (&arguments.model, &arguments.labelled) else {
        println!("\nThe large sets were not asked: they need --model and --labelled, which xtask gives.");
        return Ok(());
    };
    let model = Arc::new(MiniLm::load(model, MOST_KEPT)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    tokio::select! {
        ended = endpoint::serve(listener, model) => ended,
        compared = compare(&arguments.folder, notes, url) => compared,
    }
}

/// The twenty written questions.
async fn written(folder: &Path) -> Result<()> {
    let set = questions::bundled()?;
    corpus::fetch(&set.packages, folder)?;
    let (bench, report) = Bench::load(folder).await?;
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
    ensure!(
        cited.hit_3 >= REQUIRED,
        "the right file is among the first three citations for {} of {asked} questions; {REQUIRED} are required",
        cited.hit_3
    );
    Ok(())
}

/// The large sets.
async fn compare(folder: &Path, notes: &Path, url: String) -> Result<()> {
    let study = Study::new(url, &folder.join("minilm"))?;

    let set = labelled::load(notes)?;
    let (chunks, rows) = study.rows(&set).await?;
    let title = heading("Labelled notes", &set, chunks);
    print(&format!("{title}; the half that weights were chosen on"), &rows, |marks| marks.half(true));
    print(&format!("{title}; the half held out"), &rows, |marks| marks.half(false));

    let documents = folder.join("headings");
    let packages = questions::bundled()?.packages.into_iter();
    let packages: Vec<String> = packages.chain(headings::PACKAGES.map(str::to_owned)).collect();
    corpus::fetch(&packages, &documents)?;
    let set = headings::load(&documents).await?;
    let count = set.documents.len();
    ensure!(count >= FEWEST_DOCUMENTS, "only {count} documents were loaded, {FEWEST_DOCUMENTS} are needed");
    let (chunks, rows) = study.rows(&set).await?;
    print(&heading("Headings", &set, chunks), &rows, Marks::clone);
    Ok(())
}

fn heading(name: &str, set: &Set, chunks: usize) -> String {
    format!("{name}: {} documents, {chunks} chunks, {} questions", set.documents.len(), set.questions.len())
}

fn print(title: &str, rows: &[Row], part: impl Fn(&Marks) -> Marks) {
    println!("\n{title}\n\n| searched by | nDCG@10 | recall@10 | MRR |\n|---|---|---|---|");
    for Row { name, marks } in rows {
        println!("| {name} | {} |", part(marks));
    }
}
