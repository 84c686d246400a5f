//! Secrets in the file: looked for everywhere, even below keys that mean nothing here.

use crate::config::problem::{Diagnosis, ProblemCode, is_secret_key, looks_secret, shown};
use crate::config::text::Span;
use crate::config::yaml::{Content, Entry, Node};

const HELP: &str =
    "remove it, and revoke it if it was ever committed; credentials come from the environment or from docker's files";

/// Reports each secret below `root`. Recurses as deep as the reader of YAML allows.
pub(super) fn sweep(root: &Node, diagnosis: &mut Diagnosis<'_>) {
    // What an alias stands for was looked at where it is written.
    if root.alias.is_some() {
        return;
    }
    match &*root.content {
        Content::Scalar(scalar) if looks_secret(&scalar.text) => {
            report(root.span, "this looks like a secret", diagnosis);
        }
        Content::List(items) => items.iter().for_each(|item| sweep(item, diagnosis)),
        Content::Map(entries) => entries.iter().for_each(|entry| sweep_entry(entry, diagnosis)),
        Content::Scalar(_) | Content::Broken => {}
    }
}

fn sweep_entry(entry: &Entry, diagnosis: &mut Diagnosis<'_>) {
    let key = &*entry.key.value;
    if looks_secret(key) {
        report(entry.key.span, "this key looks like a secret", diagnosis);
    } else if is_secret_key(key) {
        let message = format!("{} looks like a secret, and a configuration holds none", shown(key));
        report(entry.key.span, &message, diagnosis);
    } else {
        sweep(&entry.value, diagnosis);
    }
}

fn report(span: Span, message: &str, diagnosis: &mut Diagnosis<'_>) {
    let problem = diagnosis.problem(ProblemCode::Secret, span, message);
    diagnosis.report(problem.with_help(HELP));
}
