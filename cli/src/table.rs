//! Tables on a terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The header and a line for each row, each at most `width` columns; those that `numeric` names are flush right.
pub fn lines(
    header: &[&str],
    rows: &[Vec<String>],
    numeric: impl Fn(usize) -> bool,
    width: usize,
) -> Vec<String> {
    let header: Vec<String> = header.iter().map(|&text| text.to_owned()).collect();
    let all = || std::iter::once(&header).chain(rows);
    let mut widths = vec![0_usize; header.len()];
    for line in all() {
        for (cell, widest) in line.iter().zip(&mut widths) {
            *widest = cell.width().max(*widest);
        }
    }
    all()
        .map(|line| {
            let mut text = String::new();
            for (column, (cell, widest)) in line.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(widest.saturating_sub(cell.width()));
                text.push_str(if column == 0 { "" } else { "  " });
                let parts = if numeric(column) {
                    [&pad, cell]
                } else {
                    [cell, &pad]
                };
                text.extend(parts.map(String::as_str));
            }
            fit(text.trim_end(), width)
        })
        .collect()
}

/// Makes the header bold, and colours the word of each line that is a state.
pub fn paint<'a>(lines: &mut [String], states: impl Iterator<Item = &'a str>) {
    let Some((header, body)) = lines.split_first_mut() else {
        return;
    };
    *header = format!("\u{1b}[1m{header}\u{1b}[0m");
    for (line, state) in body.iter_mut().zip(states) {
        let code = match state {
            "" => continue,
            "Streaming" => 32,
            "Starting" | "Connecting" | "Pending" | "Disabled" | "Stopped" | "Finished" => 33,
            _ => 31,
        };
        *line = line.replacen(state, &format!("\u{1b}[{code}m{state}\u{1b}[0m"), 1);
    }
}

/// One line without control characters: an error text must not repaint the screen.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Whether stdout is a terminal that may be painted.
pub fn is_colourful() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Columns of the terminal, or as many as it takes.
pub fn width() -> usize {
    use std::io::IsTerminal as _;
    if std::io::stdout().is_terminal() {
        crossterm::terminal::size().map_or(100, |(width, _)| width.into())
    } else {
        usize::MAX
    }
}

fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let needed = c.width().unwrap_or(0);
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    });
    kept.chain(std::iter::once('…')).collect()
}
