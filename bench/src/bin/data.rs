//! `data`: writes one data set for queries, when it is not in the cache yet, and prints where it is.
//!
//! `data spans --rows 10000000 --parts 1000 --cache FOLDER`. The report writes all it needs by itself.

use std::path::PathBuf;

use bench::data::{DataSet, What};
use clap::{Parser, ValueEnum};

#[derive(Clone, Copy, ValueEnum)]
enum Rows {
    Spans,
    Lines,
}

#[derive(Parser)]
struct Options {
    what: Rows,
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// So many parts of equal size that are never compacted; as the store makes them, settled, when left out.
    #[arg(long)]
    parts: Option<u64>,
    #[arg(long)]
    cache: PathBuf,
    /// The project's folder: a set is named by the sources that write it.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "a program that prints a path")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let (name, what) = match options.what {
        Rows::Spans => ("adhoc-spans", What::Spans),
        Rows::Lines => ("adhoc-lines", What::Lines),
    };
    let set = DataSet { name, what, rows: options.rows, parts: options.parts };
    let (folder, written) = set.ensure(&options.root, &options.cache).await?;
    println!("{} ({} rows in {} parts)", folder.display(), written.rows, written.parts);
    Ok(())
}
