//! Markdown tables that tests write of what they saw, for people to read after a run.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths::repository;

/// Rows of a table; the file is there once [`Table::write`] has returned.
#[derive(Debug)]
pub struct Table {
    name: String,
    text: String,
}

impl Table {
    /// An empty table; `name` becomes the file's.
    pub fn new(name: &str, columns: &[&str]) -> Self {
        let mut table = Self {
            name: name.to_owned(),
            text: String::new(),
        };
        table.row(columns);
        table.row(&vec!["---"; columns.len()]);
        table
    }

    /// One more row; what would end a cell or the row is escaped.
    pub fn row(&mut self, cells: &[impl AsRef<str>]) {
        for cell in cells {
            let cell = cell.as_ref().replace('|', "\\|").replace('\n', " ");
            // Writing to a string cannot fail.
            let _ = write!(self.text, "| {cell} ");
        }
        self.text.push_str("|\n");
    }

    /// Writes `tables/<name>.md` below `$STREAMHUB_TEST_LOGS`, or below `test-logs` in Cargo's target folder.
    pub fn write(&self) -> Result<PathBuf> {
        let folder = match env::var_os("STREAMHUB_TEST_LOGS") {
            Some(logs) => PathBuf::from(logs),
            None => env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| repository().join("target"), PathBuf::from)
                .join("test-logs"),
        };
        self.write_below(&folder)
    }

    fn write_below(&self, logs: &Path) -> Result<PathBuf> {
        let folder = logs.join("tables");
        let path = folder.join(&self.name).with_extension("md");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&path, &self.text))
            .with_context(|| format!("can't write {}", path.display()))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_markdown() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = Table::new("seen", &["name", "seen"]);
        table.row(&["a|b", "two\nlines"]);
        table.row(&[String::from("c"), String::new()]);
        let path = table.write_below(folder.path()).unwrap();
        assert!(path.ends_with("tables/seen.md"));
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            "| name | seen |\n| --- | --- |\n| a\\|b | two lines |\n| c |  |\n"
        );
    }
}
