//! Completion below `kubectl streamhub`: kubectl asks a program named `kubectl_complete-streamhub`.

use std::io::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use crate::args::Cli;

/// What kubectl looks for on the PATH.
const ASKED_AS: &str = "kubectl_complete-streamhub";
/// What cobra, of which kubectl is made, reads after the last candidate: propose no files.
const NO_FILES: &str = ":4";

/// Whether kubectl wants candidates.
pub fn is_asked() -> bool {
    std::env::args_os().next().is_some_and(|name| {
        Path::new(&name)
            .file_name()
            .is_some_and(|name| name == ASKED_AS)
    })
}

/// Prints the candidates for the last word of the command line, and what kubectl expects after them.
pub fn answer() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut command = Cli::command();
    command.build();
    let mut lines = candidates(&command, &words);
    lines.push(NO_FILES.to_owned());
    // kubectl has what it wants when it no longer reads.
    let _ = writeln!(std::io::stdout(), "{}", lines.join("\n"));
}

fn candidates(command: &Command, words: &[String]) -> Vec<String> {
    let Some((last, before)) = words.split_last() else {
        return candidates(command, &[String::new()]);
    };
    let mut command = command;
    for word in before {
        if let Some(child) = command.find_subcommand(word) {
            command = child;
        }
    }
    let described = |name: String, about: Option<String>| match about {
        Some(about) => format!("{name}\t{}", about.lines().next().unwrap_or_default()),
        None => name,
    };
    let mut found: Vec<String> = if last.starts_with('-') {
        let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
        arguments
            .filter_map(|arg| {
                let about = arg.get_help().map(ToString::to_string);
                Some(described(format!("--{}", arg.get_long()?), about))
            })
            .collect()
    } else {
        let children = command.get_subcommands().filter(|it| !it.is_hide_set());
        children
            .map(|it| {
                described(
                    it.get_name().to_owned(),
                    it.get_about().map(ToString::to_string),
                )
            })
            .collect()
    };
    found.retain(|line| line.starts_with(last.as_str()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<String> {
        let mut command = Cli::command();
        command.build();
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let lines = candidates(&command, &words);
        let name = |line: &String| line.split('\t').next().unwrap_or_default().to_owned();
        lines.iter().map(name).collect()
    }

    #[test]
    fn subcommands_and_options_are_proposed() {
        assert_eq!(names(&["do"]), ["doctor"]);
        assert_eq!(names(&["doctor", "--bu"]), ["--bundle"]);
        assert_eq!(names(&["feedback", "s"]), ["send"]);
        assert!(names(&[]).contains(&"top".to_owned()));
        assert!(names(&["top", "--"]).contains(&"--all-namespaces".to_owned()));
        assert!(
            !names(&[""]).iter().any(|name| name.starts_with('_')),
            "hidden ones"
        );
    }
}
