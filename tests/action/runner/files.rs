//! The files by which a step tells the runner something, read as `FileCommandManager` of actions/runner reads them.

use std::fs;
use std::path::Path;

/// Above it a summary is dropped as a whole, in bytes.
pub(crate) const SUMMARY_LIMIT: u64 = 1 << 20;

/// The pairs of `GITHUB_OUTPUT` or `GITHUB_ENV`: `name=value`, or `name<<END`, lines, `END`. Panics where the runner would
/// fail the step.
#[track_caller]
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let mut lines = text.lines();
    let mut pairs = Vec::new();
    while let Some(line) = lines.next() {
        let (equals, here) = (line.find('='), line.find("<<"));
        match (equals, here) {
            _ if line.is_empty() => {}
            (Some(at), here) if at > 0 && here.is_none_or(|here| at < here) => {
                pairs.push((line[..at].to_owned(), line[at + 1..].to_owned()));
            }
            (_, Some(here)) if here > 0 && here + 2 < line.len() => {
                let end = &line[here + 2..];
                let mut value = Vec::new();
                loop {
                    let line = lines.next().unwrap_or_else(|| panic!("no line is {end:?}:\n{text}"));
                    if line == end {
                        break;
                    }
                    value.push(line);
                }
                pairs.push((line[..here].to_owned(), value.join("\n")));
            }
            _ => panic!("the runner refuses the line {line:?} of\n{text}"),
        }
    }
    pairs
}

/// The summary that is shown: empty where there is none, `None` where it is too long and GitHub shows nothing of it.
pub(crate) fn summary(file: &Path) -> Option<String> {
    let length = fs::metadata(file).map_or(0, |found| found.len());
    let text = || fs::read_to_string(file).unwrap_or_default();
    (length <= SUMMARY_LIMIT).then(text)
}
