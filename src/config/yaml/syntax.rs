//! Syntax errors in words for people.

use serde_saphyr::granit_parser::{ErrorKind, ScanError};

use super::super::problem::{Diagnosis, Problem, ProblemCode};
use super::super::text::Span;

const TABS: &str = "indent with spaces; YAML does not allow tabs there";
const QUOTES: &str = "put the text in quotes; inside \"…\" a quote is written \\\", inside '…' it is written ''";
const INDENT: &str = "keys of one mapping start in the same column, and so do the items of one list";
const COLON: &str = "a value with `: ` in it must be quoted; a key starts in the same column as the keys above it";
const FLOW: &str = "items between brackets are separated by `,` and the bracket must be closed";

/// The problem that the parser stopped at; `base` is where its text begins in the file.
pub(super) fn problem(error: &ScanError, file: usize, base: usize, diagnosis: &Diagnosis<'_>) -> Problem {
    let start = base + error.marker().byte_offset().unwrap_or_default();
    let start = if is_tab(error.kind()) { first_tab(start, file, diagnosis) } else { start };
    let span = Span { file, start, end: start + 1 };
    let (message, help) = match error.kind() {
        ErrorKind::RecursionLimitExceeded => return super::build::too_deep(span, diagnosis),
        ErrorKind::DirectiveDisallowed => {
            let problem = diagnosis.problem(ProblemCode::YamlFeature, span, "YAML directives are not supported");
            return problem.with_help("remove the line; the file is read as YAML 1.2");
        }
        kind => words(kind),
    };
    let problem = diagnosis.problem(ProblemCode::Syntax, span, message);
    match help {
        Some(help) => problem.with_help(help),
        None => problem,
    }
}

fn is_tab(kind: &ErrorKind) -> bool {
    use ErrorKind as E;
    matches!(kind, E::TabNotAllowed | E::TabInBlockIndentation | E::TabInIndentation | E::TabAtBlockScalarStart)
}

/// The parser stops behind the tabs; what matters is where they are.
fn first_tab(offset: usize, file: usize, diagnosis: &Diagnosis<'_>) -> usize {
    let text = diagnosis.text(file);
    let line = text.line(text.line_at(offset));
    text.source()[line.clone()].find('\t').map_or(offset, |at| line.start + at)
}

fn words(kind: &ErrorKind) -> (String, Option<&'static str>) {
    use ErrorKind as E;
    let (message, help) = match kind {
        kind if is_tab(kind) => ("a tab is used for indentation", Some(TABS)),
        E::TabInPlainScalar => ("there is a tab in unquoted text", Some(QUOTES)),
        E::UnclosedQuotedScalar => ("this quote is never closed", Some(QUOTES)),
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => {
            ("there is more text after the closing quote", Some(QUOTES))
        }
        E::UnknownQuotedScalarEscape => {
            ("this is not an escape of YAML", Some("write `\\\\` for a backslash, or use single quotes"))
        }
        E::ExpectedBlockMappingKey | E::ExpectedBlockSequenceEntry | E::InvalidIndentation => {
            ("the indentation does not fit what is above", Some(INDENT))
        }
        E::InvalidQuotedScalarIndent => {
            ("a quote above is not closed, and this line would belong to its text", Some(QUOTES))
        }
        E::MissingAnchorOrAliasName => ("a name is missing here", Some("a glob must be quoted: `\"*\"`")),
        E::InvalidBlockScalarIndent | E::InvalidFlowScalarIndent => {
            ("this line is not indented far enough", Some(INDENT))
        }
        E::MappingValueNotAllowed => ("a `:` cannot stand here", Some(COLON)),
        E::MappingKeyNotAllowed | E::BlockSequenceEntryNotAllowed | E::BlockEntryInFlowCollection => {
            ("a key or an item of a list cannot start here", Some(INDENT))
        }
        E::SimpleKeyExpected | E::InvalidSimpleKey => {
            ("a key without `:`", Some("write `key: value`, and mind the indentation of the lines above"))
        }
        E::ExpectedFlowMappingSeparator | E::ExpectedFlowSequenceSeparator => {
            ("a `,` or a closing bracket is missing", Some(FLOW))
        }
        E::UnclosedFlowCollection { .. } => ("this bracket is never closed", Some(FLOW)),
        E::MismatchedFlowCollectionEnd { open, close } => {
            return (format!("the bracket `{open}` is closed by `{close}`"), Some(FLOW));
        }
        E::MisplacedFlowCollectionEnd => ("this bracket closes none that is open", Some(FLOW)),
        E::UnexpectedCharacter { .. } | E::PlainScalarStartsWithDashFlowIndicator => {
            ("unquoted text cannot start with this character", Some("put the text in quotes"))
        }
        E::CommentNotSeparated => ("a comment needs a space before `#`", None),
        other => return (format!("not YAML: {other}"), None),
    };
    (message.to_owned(), help)
}
