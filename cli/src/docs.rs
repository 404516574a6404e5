//! The reference page of this command line, made from the same definitions as `--help`.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Cli;
use crate::exit::{Exit, HELP};

/// Writes the page, or compares it with what is there.
pub fn run(path: &Path, check: bool) -> anyhow::Result<Exit> {
    let page = page();
    if !check {
        std::fs::write(path, page)?;
        return Ok(Exit::Ok);
    }
    if std::fs::read_to_string(path).is_ok_and(|old| old == page) {
        return Ok(Exit::Ok);
    }
    eprintln!(
        "{} is not what this program says; write it anew with `streamhub __docs`",
        path.display()
    );
    Ok(Exit::Failure)
}

fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = String::from(
        "# streamhub\n\nWritten by `streamhub __docs`; change `cli/src/args.rs` instead.\n",
    );
    section(&mut page, &command, &["streamhub"]);
    let _ = write!(page, "\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for line in HELP.lines().skip(1) {
        let (code, meaning) = line.trim().split_once("  ").unwrap_or((line, ""));
        let _ = writeln!(page, "| {code} | {} |", meaning.trim());
    }
    page
}

fn section(page: &mut String, command: &Command, path: &[&str]) {
    for child in command
        .get_subcommands()
        .filter(|child| !child.is_hide_set() && child.get_name() != "help")
    {
        let path: Vec<&str> = path.iter().copied().chain([child.get_name()]).collect();
        if child.has_subcommands() {
            section(page, child, &path);
        } else {
            describe(page, child, &path.join(" "));
        }
    }
}

fn describe(page: &mut String, command: &Command, name: &str) {
    let about = command
        .get_long_about()
        .or_else(|| command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default();
    let _ = write!(page, "\n## {name}\n\n{about}\n\n```\n{name}");
    for arg in command.get_positionals() {
        let _ = write!(page, " {arg}");
    }
    let _ = write!(
        page,
        " [OPTIONS]\n```\n\n| argument | meaning | default |\n|---|---|---|\n"
    );
    let shown =
        |arg: &&Arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version";
    for arg in command.get_arguments().filter(shown) {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            spelled(arg),
            meaning(arg),
            default(arg)
        );
    }
}

fn spelled(arg: &Arg) -> String {
    let short = arg
        .get_short()
        .map(|short| format!("`-{short}`, "))
        .unwrap_or_default();
    format!("{short}`{arg}`")
}

fn meaning(arg: &Arg) -> String {
    let help = arg
        .get_long_help()
        .or_else(|| arg.get_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut text = help
        .replace("\n\n", ". ")
        .replace('\n', " ")
        .replace('|', "\\|");
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| {
            let help = value
                .get_help()
                .map(|help| format!(" ({help})"))
                .unwrap_or_default();
            format!("`{}`{help}", value.get_name())
        })
        .collect();
    if arg.get_action().takes_values() && !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    if !text.ends_with('.') {
        text.push('.');
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
    }
    if arg.is_required_set() {
        text.push_str(" Required.");
    }
    text
}

fn default(arg: &Arg) -> String {
    let values: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    values.join(" ")
}
