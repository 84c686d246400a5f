//! `rename`: what is wrong with the template, and whether it tells the selected tags apart.

use super::Reading;
use crate::config::problem::{Problem, ProblemCode, shown};
use crate::config::schema::Field;
use crate::config::select::RenameError;
use crate::config::{Rename, Selection};

/// Reads the template for the tags of `selection`; what is wrong with it is reported.
pub(super) fn template(
    text: &Field<String>,
    selection: Option<&Selection>,
    reading: &mut Reading<'_, '_, '_>,
) -> Option<Rename> {
    let text = match text {
        Field::Absent => return Some(Rename::default()),
        Field::Broken => return None,
        Field::Given(text) => text,
    };
    let rename = match Rename::parse(&text.value) {
        Ok(rename) => rename,
        Err(error) => {
            let (message, help) = words(&error, &text.value);
            let problem = reading.diagnosis.problem(ProblemCode::Rename, text.span, message);
            reading.diagnosis.report(Problem { help, ..problem });
            return None;
        }
    };
    let most = selection.map_or(Some(0), Selection::most);
    if rename.tells_apart() || most.is_some_and(|most| most <= 1) {
        return Some(rename);
    }
    let message = format!("every tag would become {}", shown(&text.value));
    let problem = reading.diagnosis.problem(ProblemCode::Rename, text.span, message);
    let help = "write `{tag}` where the tag of the source belongs, or select one tag: a name, or `newest: 1`";
    reading.diagnosis.report(problem.with_help(help));
    None
}

fn words(error: &RenameError, text: &str) -> (String, Option<String>) {
    let whole = shown(text);
    let near = || Some("`{tag}` stands for the tag of the source, and nothing else can stand in braces".to_owned());
    match error {
        RenameError::Empty => ("`rename` is empty".to_owned(), near()),
        RenameError::Placeholder(braces) => (format!("{} means nothing in {whole}", shown(braces)), near()),
        RenameError::Twice => (format!("{whole} has `{{tag}}` twice"), None),
        RenameError::Character(c) => (format!("{whole} makes no tag: tags hold no {}", shown(&c.to_string())), None),
        RenameError::Start(c) => (format!("{whole} makes no tag: tags do not start with `{c}`"), None),
        RenameError::Long => (format!("{whole} makes no tag: tags have at most 128 characters"), None),
    }
}
