//! Why a tag is selected or not, as people read it.
//!
//! Owns the order and the words around the verdicts, which are the plan's.

use super::super::quantity::count;
use super::super::style::{BAD, FAINT, GOOD, NAME, PLAIN, STRONG, Style};
use super::clean;
use super::sheet::{Cell, Sheet};
use crate::plan::explain::{AllTags, Answer, Explanation, OneTag, Sample, Told};

/// Renders what each mirror says of `subject`, the reference as it was asked about. Ends in a line break.
pub fn explain(subject: &str, explanations: &[Explanation], style: Style) -> String {
    let mut sheet = Sheet::new(style);
    let mirrors = count(explanations.len(), "mirror");
    sheet.text(format!("{}: {mirrors}", sheet.paint(STRONG, &clean(&subject))));
    for explanation in explanations {
        sheet.gap();
        head(&mut sheet, explanation);
        match &explanation.answer {
            Answer::Unlisted(failure) => {
                sheet.row('!', BAD, vec![Cell::left("listed"), Cell::free(super::words(failure)).look(BAD)]);
            }
            Answer::One(tag) => one(&mut sheet, tag),
            Answer::All(tags) => all(&mut sheet, tags),
            Answer::Never(rename) => {
                let words = format!("no tag has this name there: tags become `{rename}`");
                sheet.row('x', BAD, vec![Cell::left("rename"), Cell::free(clean(&words))]);
            }
        }
    }
    sheet.render()
}

fn head(sheet: &mut Sheet, explanation: &Explanation) {
    let Explanation { place, source, targets, .. } = explanation;
    let name = source.name().rsplit('/').next().unwrap_or_default();
    let targets: Vec<String> = targets.iter().map(clean).collect();
    sheet.head(vec![
        Cell::left(clean(&name)).look(NAME),
        Cell::left(format!("{} -> {}", clean(source), targets.join(", "))),
        Cell::left(clean(place)).look(FAINT),
    ]);
}

fn one(sheet: &mut Sheet, tag: &OneTag) {
    for told in &tag.stages {
        stage(sheet, told);
    }
    let text = match &tag.dropped {
        None if tag.becomes.is_empty() => {
            format!("{} is selected, and too long for a tag once it is renamed", clean(&tag.tag))
        }
        None => {
            let targets: Vec<String> = tag.becomes.iter().map(clean).collect();
            format!("{} is selected: {}", clean(&tag.tag), targets.join(", "))
        }
        Some(("listed", _)) => format!("{} is not selected: the source does not list it", clean(&tag.tag)),
        Some((stage, place)) => {
            let place = place.as_ref().map(|place| format!(" ({})", clean(place))).unwrap_or_default();
            format!("{} is not selected: dropped by `{stage}`{place}", clean(&tag.tag))
        }
    };
    sheet.text(format!("  {text}"));
}

fn stage(sheet: &mut Sheet, told: &Told) {
    let (symbol, look) = match told.passes {
        Some(true) => ('+', GOOD),
        Some(false) => ('x', BAD),
        None => (' ', PLAIN),
    };
    let faint = if told.passes.is_none() { FAINT } else { PLAIN };
    let place = told.place.as_ref().map(clean).unwrap_or_default();
    let cells = vec![
        Cell::left(told.stage).look(faint),
        Cell::left(clean(&told.words)).look(faint),
        Cell::left(place).look(FAINT),
    ];
    sheet.row(symbol, look, cells);
}

fn all(sheet: &mut Sheet, tags: &AllTags) {
    if let Some(tally) = &tags.tally {
        sheet.text(format!("  {}", sheet.paint(FAINT, &format!("tags: {}", clean(tally)))));
    }
    sheet.row(
        '+',
        GOOD,
        vec![Cell::left("selected"), Cell::right(tags.selected.count.to_string()), some(&tags.selected)],
    );
    for (told, sample) in &tags.dropped {
        let place = told.place.as_ref().map(|place| format!(" ({})", clean(place))).unwrap_or_default();
        let words = format!("{}{place}", clean(&told.words));
        let cells = vec![Cell::left(told.stage), Cell::right(sample.count.to_string()), Cell::free(words)];
        sheet.row('x', BAD, cells);
        sheet.under(2, ("tags", FAINT), &listed(sample));
    }
    if tags.more > 0 {
        sheet.text(format!("  and {}", count(tags.more, "other reason")));
    }
}

fn some(sample: &Sample) -> Cell {
    Cell::free(listed(sample))
}

/// `1.2, 1.3 and 4 more`.
fn listed(sample: &Sample) -> String {
    let tags: Vec<String> = sample.tags.iter().map(clean).collect();
    match sample.count - sample.tags.len() {
        0 => tags.join(", "),
        more => format!("{} and {more} more", tags.join(", ")),
    }
}
