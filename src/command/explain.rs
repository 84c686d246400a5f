//! `regsync explain`: why a tag is selected or not. Lists tags, reads nothing else, writes nothing.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::Exit;
use super::load::{Loaded, load, read_text};
use super::output::{Refusal, print, say_error};
use super::providers::Purpose;
use super::session::Session;
use super::trust::say_withheld;
use crate::cli::ExplainArgs;
use crate::config::{Desired, Mirror, MirrorGlob};
use crate::image::{Failure, Location, Role, Side, Tag, Written};
use crate::observe::{self, read_catalogs};
use crate::plan::Filter;
use crate::plan::explain::{Answer, Lists, Question};
use crate::report::text;
use crate::store::Stores;

/// A list of tags, a tag to a line, stays far below this many bytes.
const LIST_LIMIT: u64 = 256 << 20;

pub(super) async fn run(args: &ExplainArgs, session: &Session) -> Result<Exit, Refusal> {
    say_withheld(session);
    let loaded = load(&args.config, session)?;
    let question = question(&args.reference)?;
    let (desired, open) = match args.tags_from {
        Some(_) => unasked(&question, &loaded.desired),
        None => resolved(&question, &loaded, session).await?,
    };
    let mirrors = question.mirrors(&desired);
    if mirrors.is_empty() {
        return Err(open.into_iter().next().unwrap_or_else(|| unknown(&question, &desired)));
    }
    let sources: Vec<&Location> =
        mirrors.iter().filter(|mirror| mirror.needs_tag_list()).map(|mirror| &mirror.source).collect();
    let lists = if let Some(file) = &args.tags_from {
        let tags = read_tags(file)?;
        mirrors.iter().map(|mirror: &&Mirror| (mirror.source.clone(), Ok(tags.clone()))).collect()
    } else if sources.is_empty() {
        Lists::new()
    } else {
        let voice = session.voice();
        list(&session.stores(&loaded, session.keychain(&loaded, Purpose::Plan), &voice)?, sources).await
    };
    let answers = question.answers(&desired, &lists);
    print(&text::explain(&args.reference, &answers, session.style()))?;
    for refusal in &open {
        say_error(refusal, session.error_color());
    }
    let unlisted = answers.iter().any(|explanation| matches!(explanation.answer, Answer::Unlisted(_)));
    Ok(if unlisted || !open.is_empty() { Exit::Failed } else { Exit::Done })
}

/// The configuration with the mirrors that its globs of repositories stand for, and what could not be found out of them.
type Resolved = (Desired, Vec<Refusal>);

/// A source is asked for: it is one of those that a glob stands for, or none is.
fn by_source(question: &Question, desired: &Desired) -> Option<Desired> {
    let Location::Repository(asked) = &question.location else { return None };
    let only = std::slice::from_ref(asked);
    let is_one = desired.globs.iter().any(|glob| glob.source.matches(asked));
    is_one.then(|| desired.resolved(|registry| (registry == asked.registry()).then_some(only)))
}

/// The globs that may write what is asked for: the catalog says from which repository.
fn writing<'d>(question: &Question, desired: &'d Desired) -> impl Iterator<Item = &'d MirrorGlob> {
    let text = question.location.to_string();
    desired.globs.iter().filter(move |glob| glob.targets.iter().any(|target| text.starts_with(target.prefix())))
}

/// Without any registry: which repository a target is of cannot be told.
fn unasked(question: &Question, desired: &Desired) -> Resolved {
    if let Some(desired) = by_source(question, desired) {
        return (desired, Vec::new());
    }
    let open = writing(question, desired).map(|glob| {
        let message = format!(
            "{}: only a catalog says which of {} writes to {}",
            glob.like.place, glob.source, question.location
        );
        Refusal::new(Exit::Failed, message)
            .hint("ask for the source; or leave --tags-from out, and the catalog is read")
    });
    (desired.clone(), open.collect())
}

/// With the catalogs of the globs that matter.
async fn resolved(question: &Question, loaded: &Loaded, session: &Session) -> Result<Resolved, Refusal> {
    let desired = &loaded.desired;
    if let Some(desired) = by_source(question, desired) {
        return Ok((desired, Vec::new()));
    }
    let globs: Vec<MirrorGlob> = writing(question, desired).cloned().collect();
    if globs.is_empty() {
        return Ok((desired.clone(), Vec::new()));
    }
    let voice = session.voice();
    let stores = session.stores(loaded, session.keychain(loaded, Purpose::Plan), &voice)?;
    let asked = Desired { globs, ..Desired::default() };
    let catalogs = read_catalogs(&asked, &Filter::default(), (&stores, voice.reporter().as_ref())).await;
    voice.clear();
    let open = catalogs.values().filter_map(|catalog| catalog.as_ref().err()).map(|failure| {
        let refusal = Refusal::new(Exit::Failed, failure.message.clone());
        match &failure.hint {
            Some(hint) => refusal.hint(hint.clone()),
            None => refusal,
        }
    });
    Ok((observe::resolve(desired, &catalogs), open.collect()))
}

/// Layouts are looked for from here, as from a configuration that lies here.
fn question(reference: &str) -> Result<Question, Refusal> {
    let here = Path::new(".").canonicalize()?;
    let written = Written::parse(reference, Role::Source, &here);
    let written = written.map_err(|error| Refusal::new(Exit::Usage, error.to_string()))?;
    if written.digest.is_some() {
        let refusal = Refusal::new(Exit::Usage, format!("`{reference}` names a digest, and selection is about tags"));
        return Err(refusal.hint("leave the digest out"));
    }
    Ok(Question { location: written.location, tag: written.tag })
}

fn unknown(question: &Question, desired: &Desired) -> Refusal {
    let files: Vec<&str> = desired.files.iter().map(|file| &*file.path).collect();
    let message = format!("{} is no source and no target of {}", question.location, files.join(", "));
    let refusal = Refusal::new(Exit::Failed, message);
    match question.near(desired).as_slice() {
        [] => refusal,
        near => refusal.hint(format!("did you mean {}?", near.join(", or "))),
    }
}

async fn list(stores: &Stores, sources: Vec<&Location>) -> Lists {
    let mut lists = Lists::new();
    for location in sources {
        if lists.contains_key(location) {
            continue;
        }
        let tags = match stores.source(location) {
            Ok(source) => source.tags().await,
            Err(error) => Err(error),
        };
        lists.insert(location.clone(), tags.map_err(|error| Failure::from(error).on(Side::Source)));
    }
    lists
}

/// The tags in `file`: one to a line, or the answer of a registry. `-` is the standard input.
fn read_tags(file: &Path) -> Result<Vec<Tag>, Refusal> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().take(LIST_LIMIT).read_to_string(&mut text)?;
        text
    } else {
        read_text(file)?
    };
    parse_tags(&text).map_err(|problem| Refusal::new(Exit::Invalid, format!("{}: {problem}", file.display())))
}

fn parse_tags(text: &str) -> Result<Vec<Tag>, String> {
    /// distribution-spec, "Listing Tags". Some registries answer null for none.
    #[derive(Deserialize)]
    struct List {
        tags: Option<Vec<String>>,
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        let list: List = serde_json::from_str(text).map_err(|error| format!("not a list of tags: {error}"))?;
        let tags = list.tags.unwrap_or_default();
        return tags.iter().map(|tag| tag.parse().map_err(|_| format!("`{tag}` is not a tag"))).collect();
    }
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(number, line)| line.parse().map_err(|_| format!("line {}: `{line}` is not a tag", number + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_lines_or_what_a_registry_answers() {
        let names = |text: &str| -> Result<Vec<String>, String> {
            Ok(parse_tags(text)?.iter().map(ToString::to_string).collect())
        };
        let expected = Ok(vec!["1.2".to_owned(), "edge".to_owned()]);
        for text in ["1.2\nedge\n", "\u{feff}1.2\r\n\r\n  edge", r#" {"name": "app", "tags": ["1.2", "edge"]}"#] {
            assert_eq!(names(text), expected, "{text}");
        }
        assert_eq!(names(r#"{"name": "app", "tags": null}"#), Ok(Vec::new()));
        for (text, said) in
            [("1.2\na b\n", "line 2"), ("{", "not a list"), (r#"{"tags": ["a/b"]}"#, "a/b"), ("{\"tags\": 1}", "list")]
        {
            assert!(names(text).unwrap_err().contains(said), "{text}");
        }
    }
}
