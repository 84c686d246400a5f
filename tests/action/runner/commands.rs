//! What the runner makes of a line of a log: both forms of workflow commands, masks, and the number of annotations.
//!
//! After actions/runner: `ActionCommand.TryParseV2` (`::name key=value::data` at the start of a line), `TryParse`
//! (`##[name key=value;]data` anywhere in one), `ActionCommandManager`, and `_maxCountPerIssueType` of `ExecutionContext`.

use std::collections::BTreeMap;

/// How many annotations of one type are kept in a step.
pub(crate) const MOST: usize = 10;
/// How much of the text of one is kept.
const LONGEST: usize = 4096;
/// The commands that the runner knows.
const KNOWN: [&str; 17] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "internal-set-repo-path",
    "notice",
    "pause-logging",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

/// A workflow command as the runner reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) data: String,
}

/// What is left of a log once the runner has read it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// What people see: without commands, and with secrets hidden.
    pub(crate) shown: Vec<String>,
    /// The annotations that are kept, at most [`MOST`] of a type.
    pub(crate) annotations: Vec<Command>,
    /// How many were dropped.
    pub(crate) dropped: usize,
    /// What was hidden, in the order in which that was asked for.
    pub(crate) masks: Vec<String>,
    /// Commands that nobody who runs regsync has a use for. They are not obeyed here: any of them is a fault.
    pub(crate) others: Vec<Command>,
}

impl Log {
    /// A log that begins with secrets which the job knows.
    pub(crate) fn hiding(masks: &[String]) -> Self {
        Self { masks: masks.to_vec(), ..Self::default() }
    }

    /// Reads one line, without its end.
    pub(crate) fn read(&mut self, line: &str) {
        match parse(line) {
            Some(command) => self.obey(command),
            None => self.shown.push(self.masked(line)),
        }
    }

    /// A text as it is shown.
    pub(crate) fn masked(&self, text: &str) -> String {
        let hide = |text: String, mask: &String| text.replace(mask.as_str(), "***");
        self.masks.iter().filter(|mask| !mask.is_empty()).fold(text.to_owned(), hide)
    }

    /// The kept annotations of this type.
    pub(crate) fn of(&self, level: &str) -> Vec<&Command> {
        self.annotations.iter().filter(|command| command.name == level).collect()
    }

    fn obey(&mut self, mut command: Command) {
        match command.name.as_str() {
            // The whole, and each of its lines.
            "add-mask" => {
                let lines = command.data.lines().map(str::to_owned);
                self.masks.extend(std::iter::once(command.data.clone()).chain(lines).filter(|mask| !mask.is_empty()));
            }
            "error" | "warning" | "notice" => {
                if self.of(&command.name).len() < MOST {
                    command.data = self.masked(&command.data).chars().take(LONGEST).collect();
                    self.annotations.push(command);
                } else {
                    self.dropped += 1;
                }
            }
            "group" | "endgroup" | "debug" => self.shown.push(self.masked(&command.data)),
            _ => self.others.push(command),
        }
    }
}

/// The command in a line, where there is one.
pub(crate) fn parse(line: &str) -> Option<Command> {
    parse_now(line).or_else(|| parse_legacy(line)).filter(|command| is_known(&command.name))
}

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name.to_ascii_lowercase().as_str())
}

/// `::name key=value,key=value::data`, after blanks.
fn parse_now(line: &str) -> Option<Command> {
    let (head, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let unescape_data = |text: &str| unescape(text, &[("%0D", "\r"), ("%0A", "\n")]);
    let unescape_property = |text: &str| unescape(text, &[("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")]);
    Some(command(head, ',', unescape_property, unescape_data(data)))
}

/// `##[name key=value;key=value;]data`, anywhere.
fn parse_legacy(line: &str) -> Option<Command> {
    let (_, rest) = line.split_once("##[")?;
    let (head, data) = rest.split_once(']')?;
    let escapes = [("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]")];
    let unescape_legacy = |text: &str| unescape(text, &escapes);
    Some(command(head, ';', unescape_legacy, unescape_legacy(data)))
}

fn command(head: &str, separator: char, unescape: impl Fn(&str) -> String, data: String) -> Command {
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let pairs = properties.trim().split(separator).filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(_, value)| !value.is_empty());
    let properties = pairs.map(|(key, value)| (key.to_owned(), unescape(value))).collect();
    Command { name: name.to_owned(), properties, data }
}

fn unescape(text: &str, escapes: &[(&str, &str)]) -> String {
    let text = escapes.iter().fold(text.to_owned(), |text, (escape, is)| text.replace(escape, is));
    text.replace("%25", "%")
}
